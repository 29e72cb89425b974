"""How the documentation is built: ``make docs``."""

project = "tinkex-actors"
author = "The tinkex-actors developers"
copyright = author  # noqa: A001 - the name Sphinx reads

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.intersphinx"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "examples"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "show-inheritance": True}
default_role = "any"

html_theme = "furo"
html_title = "tinkex-actors"

"""The page of all settings says what the code says."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_settings_page_is_what_the_settings_are() -> None:
    """A table that is written by hand lies after the next change; `python docs/make_settings.py` writes this one."""
    spec = importlib.util.spec_from_file_location("make_settings", DOCS / "make_settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page() == (DOCS / "guides/settings.md").read_text(), "run: python docs/make_settings.py"

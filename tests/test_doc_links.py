"""Links lead somewhere, and every public name of the client is in its reference."""

import re

import tinkex_actors
from tests.doc_pages import PAGES, ROOT


def test_links_lead_somewhere() -> None:
    """Those to files of this tree, from every page, the README and the changelog; dead references within pages are the build's to find."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert ":" in target or (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_every_name_of_the_packages_front_is_in_the_reference() -> None:
    """With its docstring, taken from the code."""
    shown = " ".join(
        re.findall(r"^```{eval-rst}\n(.*?)^```", "".join(p.read_text() for p in PAGES), re.DOTALL | re.MULTILINE)
    )
    whole = set(re.findall(r"automodule:: ([\w.]+)", shown))
    for name in tinkex_actors.__all__:
        one = getattr(tinkex_actors, name)
        assert re.search(rf"tinkex_actors[\w.]*\.{name}$", shown, re.MULTILINE) or one.__module__ in whole, name
        assert one.__doc__, name

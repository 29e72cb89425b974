"""The reference has every name that a package offers."""

import re
from types import ModuleType

import pytest

import supervisors
import supervisors.testing
import tinkex_actors
from tests.doc_pages import ROOT

TEXT = "\n".join(page.read_text() for page in sorted((ROOT / "docs").rglob("*.md")))


@pytest.mark.parametrize("package", [supervisors, supervisors.testing, tinkex_actors], ids=lambda one: one.__name__)
def test_every_name_of_a_package_is_in_the_reference(package: ModuleType) -> None:
    """One that is not there has to be looked up in the source; the pages are put together by hand."""
    named = set(re.findall(rf"^\.\. auto\w+:: {re.escape(package.__name__)}\.(\w+)$", TEXT, re.MULTILINE))
    whole = set(re.findall(r"^\.\. automodule:: (\S+)$", TEXT, re.MULTILINE)) - {package.__name__}

    missing = [name for name in package.__all__ if name not in named]

    assert [name for name in missing if getattr(package, name).__module__ not in whole] == []

"""Names, errors and files that mean harm, in a real browser: they are shown as the texts they are."""

import json
import re
import subprocess
from collections.abc import Generator
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.browser.conftest import read, running, say

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_EVIL = [
    "<img src=x onerror=window.hacked=1>",
    "<script>window.hacked=1<\u2215script>",
    "'\"><svg onload=window.hacked=1>",
    "javascript:window.hacked=1",
    "\n\nevent: trees\ndata: {}\n\n",
    "</pre><h1>hacked</h1>".replace("/", "\u2215"),
    "__proto__",
    "constructor",
    "\x00\u202e\ufeff\r\n",
    "caf\udce9",
    "' ] , [onerror",
    "${window.hacked=1}{{hacked}}",
]
NAMES = st.lists(
    st.one_of(
        st.sampled_from(_EVIL),
        st.text(st.characters(exclude_characters="/"), min_size=1, max_size=30),
        st.text("<>&\"'`=\n\\{}$;:#?%", min_size=1, max_size=20),
    ),
    min_size=1,
    max_size=20,
    unique=True,
)


@pytest.fixture(scope="module")
def hostile(
    browser: "Browser", tmp_path_factory: pytest.TempPathFactory
) -> "Generator[tuple[subprocess.Popen[str], Page, list[str]]]":
    """The program, its page, and what the page complains of."""
    with running("hostile", tmp_path_factory.mktemp("hostile")) as process:
        url, page, complaints = read(process), browser.new_page(), list[str]()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda asked: complaints.extend([] if asked.url.startswith(url) else [asked.url]))
        page.goto(url)
        yield process, page, complaints


def test_whatever_things_are_called_they_are_text(
    hostile: "tuple[subprocess.Popen[str], Page, list[str]]",
) -> None:
    """No element, no request, no dialog and no error comes of a name; and each is shown as it is."""
    process, page, complaints = hostile
    numbers = count()

    @given(NAMES)
    @example(_EVIL)
    @settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow], database=None)
    def check(names: list[str]) -> None:
        say(process, json.dumps(names))
        assert read(process) == "shown"
        place = f"root/list-{next(numbers)}"
        page.locator(f"[data-path='{place}'][aria-level='2']").wait_for(timeout=60_000)
        shown = f"path => [...document.querySelectorAll('.row')].map(row => row.node.path).filter(path => path.startsWith('{place}/'))"
        for _ in range(400):
            if len(page.evaluate(shown)) == len(names):
                break
            page.wait_for_timeout(50)
        assert page.evaluate(shown) == [f"{place}/{name}" for name in names]
        if not re.search("[\ud800-\udfff]", names[-1]):  # no address can name what no encoding takes
            page.locator(".row", has_text="Victim").last.click()
            page.locator("#actor-body pre").first.wait_for(timeout=60_000)
            page.keyboard.press("Escape")
        assert page.evaluate("window.hacked") is None
        assert (
            page.evaluate("document.querySelectorAll('img, svg:not(.chart svg), h1, script, iframe, a, style').length")
            == 5
        )
        assert complaints == []

    check()

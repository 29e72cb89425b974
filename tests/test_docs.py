"""Every program of the documentation prints what its page says it prints."""

import runpy
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
PAGES = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("program", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_a_program_of_the_docs_prints_what_its_page_shows(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page that cannot be run is a page that will lie. Time is virtual: no program waits for the world."""
    main = runpy.run_path(str(program))["main"]

    trio.run(main, clock=MockClock(autojump_threshold=0))

    assert capsys.readouterr().out == program.with_suffix(".out").read_text()


def test_every_program_is_shown_on_a_page_with_what_it_prints() -> None:
    """A program that no page includes is not documentation; one without its output leaves the reader guessing."""
    text = "".join(page.read_text() for page in PAGES.rglob("*.md"))

    for program in EXAMPLES.glob("*.py"):
        assert f"examples/{program.name}" in text, program.name
        assert f"examples/{program.stem}.out" in text, program.name

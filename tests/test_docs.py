"""Every program of the documentation prints what its page says it prints."""

import os
import runpy
import subprocess
import sys
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


SERVED = [*(EXAMPLES / "client").glob("*.py"), *(EXAMPLES / "losses").glob("*.py")]


@pytest.mark.parametrize("program", sorted(SERVED), ids=lambda path: path.stem)
def test_a_program_that_talks_to_a_server_prints_what_its_page_shows(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real time, real sockets, no key in the environment; in this process, since a new one needs seconds to begin."""
    for name in [name for name in os.environ if name.startswith(("TINKER_", "TINKEX_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    runpy.run_path(str(program), run_name="__main__")

    assert capsys.readouterr().out == program.with_suffix(".out").read_text()


def test_a_program_runs_as_its_reader_would_run_it(tmp_path: Path) -> None:
    """A process of its own, in which every warning is an error and nothing was imported before."""
    program = EXAMPLES / "client" / "order.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", program], capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == program.with_suffix(".out").read_text()


def test_every_program_is_shown_on_a_page_with_what_it_prints() -> None:
    """A program that no page includes is not documentation; one without its output leaves the reader guessing."""
    text = "".join(page.read_text() for page in PAGES.rglob("*.md"))

    for program in EXAMPLES.rglob("*.py"):
        shown = program.relative_to(EXAMPLES)
        assert f"examples/{shown}" in text, shown
        assert f"examples/{shown.with_suffix('.out')}" in text, shown

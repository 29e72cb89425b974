"""What a command shows beside its answer: a bar with bytes, rate and time, drawn while something comes."""

import io

import pytest
from rich.console import Console
from rich.progress import DownloadColumn, TransferSpeedColumn

from tinkex_actors.cli._output import Output, drawing_bytes


def test_a_bar_is_drawn_while_bytes_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many of how many, how fast, and how long it will take; not ten thousand times a second."""
    now = iter(range(100))
    monkeypatch.setattr("tinkex_actors.cli._output.time.monotonic", lambda: 0.04 * next(now))
    output, screen = Output(is_json=False), io.StringIO()
    output.errors = Console(file=screen, force_terminal=True, width=120, no_color=True)
    with output.progress("file", DownloadColumn(), TransferSpeedColumn()) as progress:
        show = drawing_bytes(progress, progress.add_task("", total=None))
        before = len(screen.getvalue())
        for done in (1000, 1100, 2000):
            show(done, 2000)
        drawn = screen.getvalue()[before:]

    assert "1.0/2.0 kB" in drawn
    assert "2.0/2.0 kB" in drawn
    assert "1.1/2.0 kB" not in drawn


def test_there_is_no_bar_for_programs() -> None:
    """Nor anything else on stderr that is no fault."""
    output, screen = Output(is_json=True), io.StringIO()
    output.errors = Console(file=screen, force_terminal=True, width=120)
    with output.progress("file", DownloadColumn()) as progress:
        drawing_bytes(progress, progress.add_task("", total=None))(1, 1)

    assert screen.getvalue() == ""

"""Ctrl-C and servers that do not answer: an end within a moment, the right status, and nothing half-written."""

import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tinkex_actors.cli import inside
from tests.tinkex_actors.cli.process import PATIENCE, running

_PATH = "tinker://r/external_weights/a"
_WAITING = {
    "sample": ["sample", "--base-model", "m", "-p", "x"],
    "sample stream": ["sample", "--base-model", "m", "-p", "x", "--stream"],
    "create": ["checkpoint", "create", "--base-model", "m"],
    "download": ["checkpoint", "download", _PATH, "-o", "adapter"],
    "push": ["checkpoint", "push-hf", _PATH],
    "delete": ["checkpoint", "delete", _PATH, "--yes"],
    "trace": ["session", "export-trace", "s", "-o", "t.pftrace"],
    "doctor": ["doctor"],
    "login": ["auth", "login"],
}


@contextmanager
def _silent_server() -> Generator[socket.socket]:
    """Takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


def _accept_asker(listener: socket.socket) -> socket.socket:
    """The first connection on which something is asked: a doctor opens one before only to see whether it can."""
    while True:
        connection, _ = listener.accept()
        connection.settimeout(PATIENCE)
        if connection.recv(1):
            return connection
        connection.close()


@pytest.mark.parametrize("command", _WAITING.values(), ids=_WAITING)
def test_an_interrupt_ends_what_waits_and_leaves_nothing_behind(command: list[str], tmp_path: Path) -> None:
    """Whoever presses Ctrl-C has waited long enough: no traceback, no file that looks like an answer."""
    with _silent_server() as listener:
        to = ["--base-url", f"http://127.0.0.1:{listener.getsockname()[1]}", "--api-key", "tml-a"]
        with running([*command, *to], tmp_path) as process, _accept_asker(listener):
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)

    # A line's end is no word: it keeps the shell's prompt from standing behind ^C.
    assert (process.returncode, out, err.strip()) == (130, "", "")
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("command", ["sample", "create", "download", "push"])
def test_without_a_server_the_sentence_names_the_address(command: str, tmp_path: Path) -> None:
    """In seconds, and once."""
    to = ["--base-url", "http://127.0.0.1:9", "--api-key", "tml-a", "--timeout", "0.1"]
    told = inside.tinkex_in(tmp_path, *_WAITING[command], *to)

    assert (told.status, told.out) == (1, "")
    assert "127.0.0.1:9" in told.err
    assert len(told.err.splitlines()) == 1


def test_who_stops_reading_ends_the_command_quietly(tmp_path: Path) -> None:
    """``tinkex ... | head`` is no failure of the command's."""
    with running(["--help"], tmp_path) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(PATIENCE)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 1

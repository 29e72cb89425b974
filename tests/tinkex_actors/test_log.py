"""What the library says about itself reaches the program the way the program wants, and otherwise only when it matters."""

import logging
import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from tinkex_actors.log import get_log
from tinkex_actors.settings import Settings

PROGRAM = """
from tinkex_actors.log import get_log
from tinkex_actors.settings import Settings
log = get_log()
log.debug("a detail", queued=3)
log.warning("a reason to look", queued=3)
try:
    1 / 0
except ZeroDivisionError as error:
    log.error("a crash", exc_info=error)
"""


def test_a_program_that_configured_nothing_hears_warnings_on_stderr_and_nothing_else() -> None:
    """Structlog by itself prints every debug line to the program's stdout, where its own output goes."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == ""
    assert "a detail" not in done.stderr
    assert "a reason to look queued=3" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_a_program_that_configured_structlog_gets_events_with_their_fields() -> None:
    """However long ago the logger was made."""
    log = get_log().bind(run="r1")

    with capture_logs() as events:
        log.debug("a detail", queued=3)

    assert events == [{"event": "a detail", "run": "r1", "queued": 3, "log_level": "debug"}]


def test_the_standard_library_can_ask_for_more(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the package's name, as any library's records are."""
    monkeypatch.setattr("structlog.is_configured", lambda: False)

    with caplog.at_level(logging.DEBUG, logger="tinkex_actors"):
        get_log().debug("a detail", queued=3)

    assert caplog.record_tuples == [("tinkex_actors", logging.DEBUG, "a detail queued=3")]


def test_no_secret_is_in_what_the_library_says(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In no field, no message and no traceback, whether the program has configured structlog or not."""
    error = ValueError("refused tml-4f9aXq")
    with capture_logs() as events:
        get_log().error("sent tml-4f9aXq", headers={"cookie": "0a1b2c"})
    monkeypatch.setattr("structlog.is_configured", lambda: False)
    get_log().error("sent tml-4f9aXq", headers={"cookie": "0a1b2c"}, exc_info=error)

    assert events == [{"event": "sent tml-***", "headers": {"cookie": "***"}, "log_level": "error"}]
    assert "sent tml-*** headers={'cookie': ***}" in caplog.text
    assert "ValueError: refused tml-***" in caplog.text
    assert "4f9aXq" not in caplog.text


SHOWN = """
import trio
from tinkex_actors.settings import Settings
from tinkex_actors.log import get_log
from tinkex_actors.settings import Settings
from tinkex_actors.transport.stack import open_transport

async def main():
    for _ in range(2):
        async with open_transport(Settings()):
            pass
    get_log().debug("a detail", queued=3)
    get_log().info("a remark")

trio.run(main)
"""


@pytest.mark.tinkex("F129")
@pytest.mark.parametrize(
    ("level", "shown"), [("debug", ["a detail", "a remark"]), ("INFO", ["a remark"]), ("warn", []), ("", [])]
)
def test_tinker_log_shows_the_log_once_however_many_clients_there_are(level: str, shown: list[str]) -> None:
    """For users of a program that has arranged nothing; stdout stays the program's."""
    environ = {"TINKER_API_KEY": "tml-x", "TINKER_LOG": level, "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", SHOWN], capture_output=True, text=True, timeout=60, check=True, env=environ
    )

    assert done.stdout == ""
    assert [line.split("] ")[1].split(" queued")[0] for line in done.stderr.splitlines()] == shown


def test_a_level_that_does_not_exist_is_refused() -> None:
    """A misspelt level would hide what it was set for."""
    with pytest.raises(ValueError, match="TINKER_LOG must be one of debug, info, warning, error, got 'loud'"):
        Settings.from_environ({"TINKER_API_KEY": "tml-x", "TINKER_LOG": "loud"})
    with pytest.raises(ValueError, match="log_level must be one of debug"):
        Settings.from_environ({"TINKER_API_KEY": "tml-x"}, log_level="loud")

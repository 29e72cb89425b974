"""What a command writes to stderr: JSON for programs, lines for people, a secret for nobody."""

import json
import logging
import sys
from collections.abc import Generator
from typing import Any

import pytest
import structlog

from tinkex_actors.cli._logging import log_to_stderr
from tinkex_actors.log import get_log

SECRET = "tml-4f9aXq77"  # noqa: S105 - a test's


@pytest.fixture(autouse=True)
def own_structlog() -> Generator[None]:
    """A command owns its process; a test has borrowed it."""
    yield
    structlog.reset_defaults()


def _told(capsys: pytest.CaptureFixture[str], **fields: Any) -> str:
    log_to_stderr()
    get_log().error(f"refused {SECRET}", **fields)
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_off_a_terminal_each_record_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With its time in UTC, its level, and the ids that are bound."""
    with structlog.contextvars.bound_contextvars(run_id="r-1"):
        record = json.loads(_told(capsys, path="root/a"))

    assert (record["event"], record["level"], record["path"], record["run_id"]) == (
        "refused tml-***",
        "error",
        "root/a",
        "r-1",
    )
    assert record["timestamp"].endswith("Z")


def test_a_traceback_is_in_the_record_without_its_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """A key in an error's words, in its cause, in a field, in a field's field."""
    error = RuntimeError(f"with headers {{'x-api-key': '{SECRET}'}}")
    error.__cause__ = ValueError(f"key {SECRET}")
    told = _told(capsys, exc_info=error, headers={"X-API-Key": SECRET}, deep=[{"url": f"https://u:{SECRET}@h/"}])

    assert SECRET not in told
    assert "RuntimeError" in json.loads(told)["exception"]
    assert len(told.splitlines()) == 1


def test_on_a_terminal_it_is_a_line_for_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coloured, but never with NO_COLOR."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = _told(capsys, path="root/a")
    monkeypatch.delenv("NO_COLOR")
    coloured = _told(capsys, path="root/a")

    assert "refused tml-***" in plain
    assert "\x1b" not in plain
    assert "\x1b" in coloured
    assert SECRET not in plain + coloured


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """A command is quiet unless something is to be said."""
    log_to_stderr(logging.WARNING)
    get_log().info("all is well")

    assert capsys.readouterr() == ("", "")

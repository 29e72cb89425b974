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


def test_records_of_other_libraries_go_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    """A request line of httpx has the signed link in it, and a server's record of a crash its headers."""
    log_to_stderr()
    logging.getLogger("httpx").warning('HTTP Request: GET %s "200"', "https://store/file?X-Amz-Signature=0a1b2c")
    logging.getLogger("hypercorn.error").error("Error in ASGI", exc_info=RuntimeError(f"x-api-key: {SECRET}"))
    logging.getLogger("httpx").info("a detail")
    linked, crashed = (json.loads(line) for line in capsys.readouterr().err.splitlines())

    assert (linked["logger"], linked["level"]) == ("httpx", "warning")
    assert linked["event"].startswith("HTTP Request: GET https://store/file?X-Amz-Signature=***")
    assert "RuntimeError" in crashed["exception"]
    assert SECRET not in json.dumps(crashed)


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": SECRET},
        {"nested": {"list": [{"authorization": SECRET}]}},
        {"key_in_bytes": SECRET.encode()},
        {SECRET: "a name"},
        {"an_object": RuntimeError(SECRET)},
        {"stack_info": f"frame with {SECRET}"},
    ],
    ids=["field", "nested", "bytes", "name", "object", "stack"],
)
def test_a_secret_is_found_wherever_a_record_hides_it(
    capsys: pytest.CaptureFixture[str], fields: dict[str, Any]
) -> None:
    """Whichever way the record came: through structlog, or through the standard library."""
    assert SECRET not in _told(capsys, **fields)
    logging.getLogger("another").error("told of %s", fields)

    assert SECRET not in capsys.readouterr().err


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_a_command_tells_itself_is_not_told_twice_on_its_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool
) -> None:
    """Off a terminal the record stays: whoever reads the log does not see the screen."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    log_to_stderr(is_told=lambda event: event["event"] == "known")
    get_log().error("known")
    get_log().error("new")
    told = capsys.readouterr().err

    assert "new" in told
    assert ("known" in told) is not is_terminal


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """A command is quiet unless something is to be said."""
    log_to_stderr(logging.WARNING)
    get_log().info("all is well")

    assert capsys.readouterr() == ("", "")

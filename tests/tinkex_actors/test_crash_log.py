"""One record for each crash, with all that a report needs."""

from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from supervisors import Actor, Restart, RestartLimitExceeded, StartError, open_supervisor
from tinkex_actors.crash_log import CrashLog


class Fragile(Actor):
    async def crash(self) -> None:
        """Fail."""
        raise RuntimeError("a bug")

    async def leave(self) -> None:
        """End as agreed."""
        self.stop()


class Stillborn(Actor):
    """Cannot start."""

    async def on_start(self) -> None:
        """Fail."""
        raise RuntimeError("no key")


async def _records(*operations: Any, restart: Restart = Restart.PERMANENT) -> list[dict[str, Any]]:
    structlog.configure()
    try:
        with capture_logs() as records:
            try:
                observer = CrashLog(lambda: {"session_id": "s-1"})
                async with open_supervisor("root", max_restarts=1, observers=[observer]) as root:
                    fragile = await root.start_child(Fragile, name="fragile", restart=restart)
                    for place, operation in enumerate(operations):
                        fragile.cast_nowait(operation)
                        await fragile.ended(life=place + 1)
            except RestartLimitExceeded:
                pass
        return [dict(record) for record in records]
    finally:
        structlog.reset_defaults()


async def test_a_crash_is_one_record_with_what_is_done_about_it() -> None:
    """Where, which life, in which operation, the error itself, and the ids that are bound."""
    (record,) = await _records(Fragile.crash)

    assert record["log_level"] == "error"
    assert (record["path"], record["life"], record["operation"]) == ("root/fragile", 1, "crash")
    assert (record["decision"], record["session_id"]) == ("restart 1", "s-1")
    assert isinstance(record["exc_info"], RuntimeError)


async def test_giving_up_is_said_in_the_record_of_the_last_crash() -> None:
    """Nobody has to put two records together."""
    first, last = await _records(Fragile.crash, Fragile.crash)

    assert (first["decision"], last["decision"], last["life"]) == ("restart 1", "root gives up", 2)


async def test_what_is_not_started_again_stays_down() -> None:
    """A temporary child, and nothing said about it afterwards."""
    (record,) = await _records(Fragile.crash, restart=Restart.TEMPORARY)

    assert record["decision"] == "stays down"


async def test_a_clean_end_is_no_record() -> None:
    """A log of what went well hides what did not."""
    assert await _records(Fragile.leave, restart=Restart.TRANSIENT) == []


async def test_a_first_start_that_fails_is_told_to_who_asked_for_it_and_to_nobody_else() -> None:
    """A wrong key would otherwise be a traceback on the screen, above the sentence that says what is wrong."""
    structlog.configure()
    try:
        with capture_logs() as records:
            async with open_supervisor("root", observers=[CrashLog()]) as root:
                with pytest.raises(StartError):
                    await root.start_child(Stillborn, name="stillborn")
    finally:
        structlog.reset_defaults()

    assert records == []

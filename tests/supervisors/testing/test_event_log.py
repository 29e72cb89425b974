"""The observer that remembers."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import trio
from trio.testing import MockClock

from supervisors import (
    ActorCrashed,
    CastFailed,
    ChildCrashed,
    ChildStarted,
    ChildStopped,
    Exit,
    ExitKind,
    open_supervisor,
)
from supervisors.testing import EventLog, Note
from tests.supervisors.cast import Clerk, outcome_of


async def test_the_log_of_a_run_reads_as_text(autojump_clock: MockClock) -> None:
    """To compare two runs, and to read one."""
    log = EventLog()
    async with open_supervisor(observers=[log]) as root:
        await root.start_child(Clerk, name="clerk")
        await trio.sleep(1.5)
        log.note("now")

    assert log.lines == (
        "0.000000000 ChildStarted path=root/clerk life=1",
        "1.500000000 now",
        "1.500000000 ChildStopped path=root/clerk life=1 exit=shutdown",
    )
    assert str(log) == "\n".join(log.lines) + "\n"


async def test_a_test_waits_for_an_event_not_for_time(autojump_clock: MockClock) -> None:
    """The second start is the restart."""
    log = EventLog()
    async with open_supervisor(observers=[log]) as root:
        clerk = await root.start_child(Clerk, name="clerk")
        async with trio.open_nursery() as nursery:
            into: list[object] = []
            nursery.start_soon(outcome_of, into, clerk.call, Clerk.crash)
            started = await log.wait_for(ChildStarted, path="root/clerk", count=2)

    assert started.life == 2
    assert isinstance(into[0], ActorCrashed)
    assert [event.exit.kind for event in log.of(ChildCrashed)] == [ExitKind.CRASHED]
    assert log.of(ChildCrashed, path="root/other") == ()


def test_notes_are_no_events() -> None:
    """They are the test's own."""
    log = EventLog()
    started = ChildStarted(0.0, "root/a", 1)
    log.notify(started)
    log.entries.append(Note(0.0, "here"))

    assert log.events == (started,)
    assert log.of(Note) == (Note(0.0, "here"),)


def test_addresses_are_left_out() -> None:
    """They differ from run to run and say nothing."""
    log = EventLog()
    log.notify(ChildStopped(0.5, "root/a", 1, Exit(ExitKind.NORMAL, reason=object())))

    assert log.lines == ("0.500000000 ChildStopped path=root/a life=1 exit=normal: <object object>",)


def test_an_error_is_written_with_its_type() -> None:
    """The message alone may be empty."""
    log = EventLog()
    log.notify(CastFailed(0.0, "root/a", "refuse", ValueError("no")))

    assert log.lines == ("0.000000000 CastFailed path=root/a operation=refuse error=ValueError: no",)

"""Trace hooks and statistics (section SY of the catalogue)."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

from collections import deque
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisors import Event, ObserverFailed, OperationBegan, OperationEnded, TraceEvent, open_supervisor
from tests.supervisors.cast import Bug, Clerk, open_clerk, outcome_of, settle


@pytest.mark.otp("SY-01")
async def test_a_bounded_log_is_a_hook_that_appends() -> None:
    """On while it is hooked; then no more."""
    async with open_clerk() as (_, clerk):
        log: deque[TraceEvent] = deque(maxlen=4)
        clerk.trace(log.append)
        for letter in "abc":
            await clerk.call(Clerk.echo, letter)
        assert [type(event) for event in log] == [OperationBegan, OperationEnded] * 2
        clerk.untrace(log.append)
        log.clear()
        await clerk.call(Clerk.echo, "d")
        assert not log


@pytest.mark.otp("SY-02", "SY-04")
async def test_a_log_file_has_a_line_in_and_a_line_out(tmp_path: Path, autojump_clock: MockClock) -> None:
    """An event's text is its line."""
    async with open_clerk() as (_, clerk):
        path = tmp_path / "trace.log"
        with path.open("w") as file:
            clerk.trace(lambda event: print(event, file=file))
            await clerk.call(Clerk.wait, 2)
            await outcome_of([], clerk.call, Clerk.refuse)
        assert path.read_text().splitlines() == [
            "0.000000 root/clerk began wait",
            "2.000000 root/clerk ended wait after 2.000000 s",
            "2.000000 root/clerk began refuse",
            "2.000000 root/clerk raised ValueError: no in refuse after 0.000000 s",
        ]


@pytest.mark.otp("SY-03")
async def test_statistics_count_operations_while_they_are_on(autojump_clock: MockClock) -> None:
    """Asking for them is not counted."""
    async with open_clerk() as (_, clerk):
        assert clerk.statistics() is None
        clerk.start_statistics()
        await clerk.call(Clerk.wait, 2)
        await outcome_of([], clerk.call, Clerk.refuse)
        await clerk.get_state(lambda _: None)
        statistics = clerk.statistics()
        assert statistics is not None
        assert (statistics.received, statistics.answered, statistics.failed, statistics.busy) == (2, 1, 1, 2.0)
        clerk.stop_statistics()
        clerk.stop_statistics()
        assert clerk.statistics() is None


async def test_statistics_go_on_over_a_restart_and_count_the_crash() -> None:
    """They belong to the address."""
    async with open_clerk() as (_, clerk):
        clerk.start_statistics()
        clerk.cast_nowait(Clerk.crash)
        await clerk.ended()
        await clerk.call(Clerk.echo, "new")
        statistics = clerk.statistics()
        assert statistics is not None
        assert (clerk.life, statistics.received, statistics.failed) == (2, 2, 1)


@pytest.mark.otp("SY-06")
async def test_the_same_hook_is_there_once_and_others_are_told_too() -> None:
    """Installing, installing again, a second one, removing one, removing both."""
    one: list[TraceEvent] = []
    two: list[TraceEvent] = []
    async with open_clerk() as (_, clerk):
        hooks = one.append, two.append
        for hook in (hooks[0], hooks[0], hooks[1]):
            clerk.trace(hook)
        await clerk.call(Clerk.echo, "a")
        assert (len(one), len(two)) == (2, 2)
        clerk.untrace(hooks[0])
        await clerk.call(Clerk.echo, "b")
        assert (len(one), len(two)) == (2, 4)
        clerk.untrace(hooks[1])
        clerk.untrace(hooks[1])
        await clerk.call(Clerk.echo, "c")
        assert (len(one), len(two)) == (2, 4)


async def test_an_actor_without_hooks_is_served_without_detour() -> None:
    """What is off costs nothing: the performer is the actor itself."""
    async with open_clerk() as (_, clerk):
        life: Any = clerk._cell.life
        assert life.performer is life.actor
        clerk.start_statistics()
        assert life.performer is not life.actor
        clerk.stop_statistics()
        assert life.performer is life.actor


async def test_a_hook_that_raises_is_dropped_and_reported() -> None:
    """The actor does not notice."""

    class Log:
        def __init__(self) -> None:
            self.events: list[Event] = []

        def notify(self, event: Event, /) -> None:
            self.events.append(event)

    def broken(_: TraceEvent) -> None:
        raise Bug("hook")

    observer = Log()
    async with open_supervisor(observers=[observer]) as root:
        clerk = await root.start_child(Clerk)
        clerk.trace(broken)
        assert await clerk.call(Clerk.echo, "a") == "a"
        assert await clerk.call(Clerk.echo, "b") == "b"
    assert sum(isinstance(event, ObserverFailed) for event in observer.events) == 1


async def test_arguments_that_do_not_fit_are_still_the_senders_mistake() -> None:
    """Standing in between must not turn them into a crash."""
    async with open_clerk() as (_, clerk):
        clerk.start_statistics()
        with pytest.raises(TypeError, match="value"):
            await clerk.call(Clerk.echo)  # type: ignore[call-arg]  # the mistake
        clerk.cast_nowait(Clerk.echo)  # type: ignore[call-arg]  # the mistake
        assert await clerk.call(Clerk.echo, "alive") == "alive"
        assert clerk.life == 1


async def test_a_traced_operation_may_leave_its_turn_and_lose_its_caller(autojump_clock: MockClock) -> None:
    """The end is told, with what ended it."""
    log: list[TraceEvent] = []
    async with open_clerk() as (_, clerk):
        clerk.trace(log.append)
        with trio.move_on_after(1):
            await clerk.call(Clerk.wait_off_turn, 10.0)
        await settle()
        assert isinstance(log[-1], OperationEnded)
        assert "Cancelled" in (log[-1].error or "")
        assert log[-1].seconds == 1.0

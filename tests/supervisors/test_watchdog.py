"""Long operations and stuck children are reported, with where they are."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import pytest
import trio
from trio.testing import MockClock

from supervisors import ChildStuck, Event, OperationSlow, StartError, Watchdog, open_supervisor
from tests.supervisors.cast import Clerk, settle


class Log:
    """Remembers events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event, /) -> None:
        self.events.append(event)


async def test_an_operation_that_takes_too_long_is_reported_with_its_stack(autojump_clock: MockClock) -> None:
    """Wherever it is in the tree, in its turn or off it; again when its age has doubled."""
    log = Log()
    async with open_supervisor(observers=[log]) as root:
        await root.start_child(lambda: Watchdog(root, limit=10.0))
        inner = await root.start_supervisor("inner")
        clerk = await inner.start_child(Clerk, name="clerk")
        other = await root.start_child(Clerk, name="other")
        clerk.cast_nowait(Clerk.wait, 45.0)
        other.cast_nowait(Clerk.wait_off_turn, 12.0)
        other.cast_nowait(Clerk.wait, 9.0)
        await trio.sleep(60)
    slow = [event for event in log.events if isinstance(event, OperationSlow)]
    assert [(event.path, event.operation) for event in slow] == [
        ("root/inner/clerk", "wait"),
        ("root/other", "wait_off_turn"),
        ("root/inner/clerk", "wait"),
        ("root/inner/clerk", "wait"),
    ] or [event.path for event in slow].count("root/inner/clerk") == 3
    assert all(event.seconds >= 10 for event in slow)
    assert any("in wait" in line for line in slow[0].stacks[0])


async def test_quick_operations_are_not_reported_however_many(autojump_clock: MockClock) -> None:
    """It is the age of one operation that counts."""
    log = Log()
    async with open_supervisor(observers=[log]) as root:
        await root.start_child(lambda: Watchdog(root, limit=1.0))
        clerk = await root.start_child(Clerk)
        for _ in range(20):
            await clerk.call(Clerk.wait, 0.7)
    assert not any(isinstance(event, OperationSlow) for event in log.events)


async def test_an_impossible_limit_is_refused() -> None:
    """At the door."""
    async with open_supervisor() as root:
        with pytest.raises(StartError, match="limit must be seconds > 0, got 0"):
            await root.start_child(lambda: Watchdog(root, limit=0))


async def test_a_child_that_cannot_be_cancelled_is_reported_with_its_stack_and_waited_for(
    autojump_clock: MockClock,
) -> None:
    """With growing pauses; it is never declared ended while it is not."""

    class Stuck(Clerk):
        async def hold_on(self) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(100)

    log = Log()
    async with open_supervisor(observers=[log]) as root:
        ref = await root.start_child(Stuck, name="stuck", shutdown=1.0)
        ref.cast_nowait(Stuck.hold_on)
        await settle()
    assert trio.current_time() == 100
    stuck = [event for event in log.events if isinstance(event, ChildStuck)]
    assert [event.seconds for event in stuck] == [5, 15, 35, 75]
    assert any("in hold_on" in line for line in stuck[0].stacks[0])


async def test_a_snapshot_has_the_age_and_the_stacks_of_what_runs(autojump_clock: MockClock) -> None:
    """Taken without waiting for it, also of operations off turn."""
    async with open_supervisor() as root:
        clerk = await root.start_child(Clerk)
        assert clerk.snapshot().age is None
        clerk.cast_nowait(Clerk.wait_off_turn, 10.0)
        await settle()
        clerk.cast_nowait(Clerk.wait, 10.0)
        await trio.sleep(3)
        snapshot = clerk.snapshot()
        assert (snapshot.operation, snapshot.age) == ("wait", 3)
        stacks = [line for stack in snapshot.stacks for line in stack]
        assert any("in wait_off_turn" in line for line in stacks)
        assert any(line.endswith("in wait") for line in stacks)

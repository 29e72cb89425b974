"""Bounded mailboxes: four policies, exact counters, and what is kept over a crash."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import contextlib
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisors import Actor, ActorCrashed, Event, Mailbox, MailboxFull, MessageDropped, Overflow, open_supervisor
from tests.supervisors.cast import Clerk, open_clerk, outcome_of, settle


async def test_wait_holds_senders_up_in_order_and_loses_nothing(autojump_clock: MockClock) -> None:
    """The sender learns the pace of the actor."""
    log: list[str] = []
    async with open_clerk(log, mailbox=Mailbox(2)) as (_, clerk):
        for number in range(5):
            await clerk.cast(Clerk.wait, 1)
            assert clerk.snapshot().queued <= 2, number
        assert trio.current_time() == 2
        await clerk.call(Clerk.echo, "last")
        assert (log.count("waited"), log[-1], trio.current_time()) == (5, "last", 5)


async def test_wait_lets_cast_nowait_raise_instead(autojump_clock: MockClock) -> None:
    """It promised never to wait."""
    async with open_clerk(mailbox=Mailbox(1)) as (_, clerk):
        clerk.cast_nowait(Clerk.wait, 1)
        clerk.cast_nowait(Clerk.echo, "fits")
        with pytest.raises(MailboxFull, match=r"no room for echo in the mailbox of root/clerk \(1 messages\)"):
            clerk.cast_nowait(Clerk.echo, "does not")
        assert clerk.snapshot().dropped == 0


async def test_a_cancelled_sender_knows_that_nothing_was_sent(autojump_clock: MockClock) -> None:
    """All or nothing: what returned was sent, what was cancelled was not."""
    log: list[str] = []
    async with open_clerk(log, mailbox=Mailbox(1)) as (_, clerk):
        clerk.cast_nowait(Clerk.wait, 2)
        await clerk.cast(Clerk.echo, "sent")
        with trio.move_on_after(1) as scope:
            await clerk.cast(Clerk.echo, "not sent")
        assert scope.cancelled_caught
        await clerk.call(Clerk.echo, "last")
        assert log == ["wait 2", "waited", "sent", "last"]


async def test_raise_refuses_everybody_when_full(autojump_clock: MockClock) -> None:
    """Calls, casts and casts that would wait."""
    async with open_clerk(mailbox=Mailbox(1, Overflow.RAISE)) as (_, clerk):
        clerk.cast_nowait(Clerk.wait, 1)
        clerk.cast_nowait(Clerk.echo, "fits")
        with pytest.raises(MailboxFull):
            await clerk.call(Clerk.echo, "a")
        with pytest.raises(MailboxFull):
            await clerk.cast(Clerk.echo, "b")
        with pytest.raises(MailboxFull):
            clerk.cast_nowait(Clerk.echo, "c")


class Log:
    """Remembers events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event, /) -> None:
        self.events.append(event)


@pytest.mark.parametrize("overflow", [Overflow.DROP_NEWEST, "drop_oldest"])
async def test_dropping_keeps_the_bound_counts_exactly_and_tells_who_waits(
    overflow: Any, autojump_clock: MockClock
) -> None:
    """A dropped call has an outcome; a dropped cast is an event."""
    kept: list[str] = []
    observer = Log()
    async with open_supervisor(observers=[observer]) as root, trio.open_nursery() as nursery:
        clerk = await root.start_child(lambda: Clerk(kept), mailbox=Mailbox(3, overflow))
        clerk.cast_nowait(Clerk.wait, 1)
        await settle()
        heard: list[Any] = []
        if overflow == "drop_oldest":
            nursery.start_soon(outcome_of, heard, clerk.call, Clerk.echo, "call")
            await settle()
        for number in range(10):
            clerk.cast_nowait(Clerk.echo, f"{number}")
        if overflow is Overflow.DROP_NEWEST:
            await outcome_of(heard, clerk.call, Clerk.echo, "call")
        await trio.sleep(2)
        assert clerk.snapshot().dropped == 8
        assert [type(error) for error in heard] == [MailboxFull]
        assert sum(isinstance(event, MessageDropped) for event in observer.events) == 7
    assert kept[2:5] == (["7", "8", "9"] if overflow == "drop_oldest" else ["0", "1", "2"])


async def test_messages_of_gone_callers_need_no_room(autojump_clock: MockClock) -> None:
    """They will never be begun."""
    async with open_clerk(mailbox=Mailbox(2, Overflow.RAISE)) as (_, clerk):
        clerk.cast_nowait(Clerk.wait, 5)
        with trio.move_on_after(1):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(outcome_of, list[Any](), clerk.call, Clerk.echo, "a")
                nursery.start_soon(outcome_of, list[Any](), clerk.call, Clerk.echo, "b")
        clerk.cast_nowait(Clerk.echo, "c")
        clerk.cast_nowait(Clerk.echo, "d")


async def test_orders_to_stop_and_timers_are_exempt_from_the_bound(autojump_clock: MockClock) -> None:
    """A full mailbox must not make an actor unstoppable, nor deaf to its own clock."""

    class Timed(Clerk):
        async def on_start(self) -> None:
            self.send_after(1, Clerk.echo, "timer")

    log: list[str] = []
    async with open_supervisor() as root:
        ref = await root.start_child(lambda: Timed(log), mailbox=Mailbox(1), restart="temporary")
        ref.cast_nowait(Clerk.wait, 2)
        ref.cast_nowait(Clerk.echo, "fills it")
        await trio.sleep(1.5)
        assert ref.snapshot().queued == 2
        await ref.get_state(lambda _: None)
        assert log[-1] == "timer"
        ref.cast_nowait(Clerk.wait, 1)
        ref.cast_nowait(Clerk.echo, "fills it again")
        assert (await ref.stop()).kind.value == "shutdown"


async def test_who_waits_at_the_door_is_served_by_the_next_life(autojump_clock: MockClock) -> None:
    """They were not queued with the life that crashed."""
    log: list[str] = []
    async with open_clerk(log, mailbox=Mailbox(1)) as (_, clerk), trio.open_nursery() as nursery:
        heard: list[Any] = []
        inside: list[Any] = []
        clerk.cast_nowait(Clerk.wait, 1)
        await settle()
        clerk.cast_nowait(Clerk.crash)
        nursery.start_soon(outcome_of, list[Any](), clerk.call, Clerk.echo, "moves in behind the crash")
        await settle()
        nursery.start_soon(outcome_of, heard, clerk.call, Clerk.echo, "call at the door")
        await settle()
        nursery.start_soon(outcome_of, inside, clerk.cast, Clerk.echo, "cast at the door")
        await trio.sleep(2)
        assert (heard, inside) == (["call at the door"], [None])
        assert log[-2:] == ["call at the door", "cast at the door"]


async def test_who_waits_at_the_door_is_told_when_there_is_no_next_life(autojump_clock: MockClock) -> None:
    """A call fails; a cast to nobody is done."""
    async with open_clerk(mailbox=Mailbox(1), restart="temporary") as (_, clerk), trio.open_nursery() as nursery:
        heard: list[Any] = []
        clerk.cast_nowait(Clerk.wait, 1)
        await settle()
        clerk.cast_nowait(Clerk.crash)
        nursery.start_soon(outcome_of, list[Any](), clerk.call, Clerk.echo, "moves in behind the crash")
        await settle()
        nursery.start_soon(outcome_of, heard, clerk.call, Clerk.echo, "a")
        await settle()
        nursery.start_soon(outcome_of, heard, clerk.cast, Clerk.echo, "b")
        await trio.sleep(2)
        assert sorted(type(item).__name__ for item in heard) == ["ActorNotAlive", "NoneType"]


async def test_keep_mailbox_keeps_queued_casts_and_fails_queued_calls(autojump_clock: MockClock) -> None:
    """D-12: a caller cannot know whether it is safe to repeat; a cast's sender asked for it to be kept."""
    log: list[str] = []
    async with open_clerk(log, keep_mailbox=True) as (_, clerk), trio.open_nursery() as nursery:
        heard: list[Any] = []
        clerk.cast_nowait(Clerk.wait, 1)
        await settle()
        clerk.cast_nowait(Clerk.crash)
        clerk.cast_nowait(Clerk.echo, "kept")
        nursery.start_soon(outcome_of, heard, clerk.call, Clerk.echo, "call")
        await settle()
        clerk.cast_nowait(Clerk.echo, "kept too")
        await trio.sleep(2)
        assert [type(item) for item in heard] == [ActorCrashed]
        assert log[-2:] == ["kept", "kept too"]


async def test_without_keep_mailbox_queued_casts_go_with_the_life(autojump_clock: MockClock) -> None:
    """As in OTP."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk):
        clerk.cast_nowait(Clerk.wait, 1)
        clerk.cast_nowait(Clerk.crash)
        clerk.cast_nowait(Clerk.echo, "lost")
        await trio.sleep(2)
        assert await clerk.call(Clerk.echo, "new") == "new"
        assert "lost" not in log


async def test_a_full_mailbox_does_not_starve_the_rest_of_the_program() -> None:
    """Operations without a checkpoint are served in batches."""

    class Busy(Actor):
        async def spin(self) -> None:
            self.ref.cast_nowait(Busy.spin)

    async with open_supervisor() as root:
        busy = await root.start_child(Busy, restart="temporary")
        busy.cast_nowait(Busy.spin)
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        busy.kill()
        await busy.ended()


async def test_keep_mailbox_keeps_what_senders_sent_and_not_the_lifes_own_timers(autojump_clock: MockClock) -> None:
    """A timer belongs to the life that armed it, even when its message was queued."""

    class Timed(Clerk):
        async def arm(self) -> None:
            self.send_after(0.5, Clerk.echo, "timer")

    log: list[str] = []
    async with open_supervisor() as root:
        ref = await root.start_child(lambda: Timed(log), keep_mailbox=True)
        await ref.call(Timed.arm)
        ref.cast_nowait(Clerk.wait, 1)
        ref.cast_nowait(Clerk.crash)
        ref.cast_nowait(Clerk.echo, value="kept")
        await trio.sleep(5)
        assert log == ["wait 1", "waited", "stop crashed", "kept"]


async def test_a_cast_to_a_bounded_actor_that_is_gone_does_nothing() -> None:
    """Room or no room."""
    async with open_clerk(mailbox=Mailbox(1), restart="temporary") as (_, clerk):
        await clerk.stop()
        await clerk.cast(Clerk.echo, "a")
        clerk.cast_nowait(Clerk.echo, "b")


async def test_a_row_of_casts_with_keywords_and_without_is_served_in_order() -> None:
    """However they are written."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk):
        await clerk.suspend()
        clerk.cast_nowait(Clerk.echo, "a")
        clerk.cast_nowait(Clerk.echo, value="b")
        clerk.cast_nowait(Clerk.echo, "c")
        clerk.resume()
        await clerk.call(Clerk.echo, "d")
        assert log == ["a", "b", "c", "d"]


@pytest.mark.parametrize("overflow", list(Overflow))
async def test_a_loop_of_bounded_casts_lets_others_run(overflow: Overflow) -> None:
    """Whether they are kept, dropped or refused: a full mailbox is where the sender pauses, or nobody would empty it."""
    log: list[str] = []
    async with open_clerk(log, mailbox=Mailbox(3, overflow)) as (_, clerk):
        for number in range(100):
            with contextlib.suppress(MailboxFull):
                await clerk.cast(Clerk.echo, f"{number}")
        assert len(log) > 50


async def test_casts_to_a_bounded_actor_that_is_gone_let_others_run() -> None:
    """There is no mailbox that could fill."""
    steps: list[int] = []

    async def step() -> None:
        for number in range(10):
            steps.append(number)
            await trio.lowlevel.checkpoint()

    async with open_clerk(mailbox=Mailbox(3), restart="temporary") as (_, clerk), trio.open_nursery() as nursery:
        await clerk.stop()
        nursery.start_soon(step)
        for _ in range(20):
            await clerk.cast(Clerk.echo, "a")
        assert len(steps) == 10


async def test_a_slow_row_of_casts_lets_others_run_between(autojump_clock: MockClock) -> None:
    """By the clock: operations that compute must not hold everybody else up until the mailbox is empty."""
    steps: list[int] = []

    class Computer(Actor):
        async def compute(self) -> int:
            autojump_clock.jump(0.0001)
            return len(steps)

    async def step() -> None:
        for number in range(1000):
            steps.append(number)
            await trio.lowlevel.checkpoint()

    async with open_supervisor() as root, trio.open_nursery() as nursery:
        computer = await root.start_child(Computer)
        nursery.start_soon(step)
        for _ in range(640):
            computer.cast_nowait(Computer.compute)
        assert await computer.call(Computer.compute) >= 10
        nursery.cancel_scope.cancel()

"""The order of a state machine's events: inserted, postponed, from the mailbox."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import pytest
import trio
from trio.testing import MockClock

from supervisors import TimeoutKind, open_supervisor
from tests.supervisors.otp.actors import settle
from tests.supervisors.otp.probe import Is, Probe, after, go, insert


@pytest.mark.otp("SM-08")
async def test_inserted_events_come_before_postponed_ones_and_cancel_the_event_timeout(
    autojump_clock: MockClock,
) -> None:
    """Three sources of events, one order."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))
        for name in ("1", "2"):
            machine.cast_nowait(Probe.wait_for, Is.B, name)
        await machine.call(
            Probe.event, "go", go(Is.B), insert("3"), insert("4"), after(0, "never", kind=TimeoutKind.EVENT)
        )
        await settle()
    assert log == ["enter aa", "go in a", "enter ab", "3 in b", "4 in b", "1 in b", "2 in b"]


@pytest.mark.otp("SM-11", "SM-13")
async def test_inserted_events_keep_their_order_and_come_before_the_mailbox(autojump_clock: MockClock) -> None:
    """Also those that an inserted event inserts: they come before the rest of the first ones."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))
        machine.cast_nowait(Probe.event, "first", insert("1", insert("1.1"), insert("1.2")), insert("2"), insert("3"))
        machine.cast_nowait(Probe.event, "queued")
        await settle()
    assert [entry.split()[0] for entry in log[1:]] == ["first", "1", "1.1", "1.2", "2", "3", "queued"]


@pytest.mark.otp("SM-19", "SM-24")
async def test_postponed_events_are_retried_after_a_change_and_not_before(autojump_clock: MockClock) -> None:
    """Oldest first, before later messages; a postponed call is answered then."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))

        async def call() -> None:
            log.append(f"answer {await machine.call(Probe.wait_for, Is.B, 'call')}")

        machine.cast_nowait(Probe.wait_for, Is.B, "cast")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await settle()
            await machine.call(Probe.event, "keep")
            machine.cast_nowait(Probe.event, "change", go(Is.B))
            machine.cast_nowait(Probe.event, "later")
    assert log == [
        "enter aa", "keep in a", "change in a", "enter ab", "cast in b", "call in b", "later in b", "answer call",
    ]  # fmt: skip


async def test_an_event_may_be_postponed_many_times_and_keeps_its_place(autojump_clock: MockClock) -> None:
    """Those that wait for the same state come in the order in which they were sent, however long it took."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))
        for name, state in (("1", Is.C), ("2", Is.B), ("3", Is.C)):
            machine.cast_nowait(Probe.wait_for, state, name)
        for state in (Is.B, Is.A, Is.C):
            await machine.call(Probe.event, "go", go(state))
        await settle()
    assert [entry for entry in log if entry[0].isdigit()] == ["2 in b", "1 in c", "3 in c"]


async def test_postponing_and_changing_at_once_gives_the_event_again_in_the_new_state(
    autojump_clock: MockClock,
) -> None:
    """One handler may do both: its own event is the last of the retried."""
    log: list[str] = []

    class Opener(Probe):
        async def open(self) -> Is:
            """Be in C, by way of it."""
            if self.state is not Is.C:
                self.next_state(Is.C)
                self.postpone()
            return self.state

    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Opener(log))
        assert await machine.call(Opener.open) is Is.C
    assert log == ["enter aa", "enter ac"]

"""Timeouts of a state machine: of a state, of an event, by name."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import math

import pytest
import trio
from trio.testing import MockClock

from supervisors import TimeoutKind, open_supervisor
from tests.supervisors.otp.actors import settle
from tests.supervisors.otp.probe import Is, Probe, after, go, insert


@pytest.mark.otp("SM-09")
async def test_a_state_timeout_dies_with_its_state_and_zero_ones_come_in_order(autojump_clock: MockClock) -> None:
    """An event timeout dies with any event, the state timeout's included."""
    log: list[str] = []
    event = TimeoutKind.EVENT
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))
        await machine.call(Probe.event, "go", go(Is.B), after(3, "late"))
        await machine.call(Probe.event, "on", go(Is.C), after(0, "state 0", go(Is.A)), after(0, "event 0", kind=event))
        await trio.sleep(9)
        await machine.call(
            Probe.event, "both", after(0, "event 0", after(1, "event 1", kind=event), kind=event), after(0, "state 0")
        )
        await trio.sleep(9)
    assert log == [
        "enter aa", "go in a", "enter ab", "on in b", "enter bc", "state 0 in c", "enter ca",
        "both in a", "event 0 in a", "state 0 in a",
    ]  # fmt: skip


@pytest.mark.otp("SM-10")
async def test_a_timeout_can_be_cancelled_or_given_another_event(autojump_clock: MockClock) -> None:
    """An update leaves the time as it was; of one that has fired, it fires at once."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))
        await machine.call(Probe.event, "set", after(1, "never"), after(2, "old", kind="name"))
        await trio.sleep(0.5)
        await machine.call(
            Probe.event,
            "change",
            lambda machine: machine.cancel_timeout(TimeoutKind.STATE),
            lambda machine: machine.update_timeout("name", Probe.event, "new"),
        )
        await trio.sleep(1.6)
        assert log[3:] == ["new in a"]
        await machine.call(Probe.event, "again", lambda machine: machine.update_timeout("name", Probe.event, "at once"))
        await settle()
        assert log[4:] == ["again in a", "at once in a"]


@pytest.mark.otp("SM-12")
async def test_named_timeouts_run_side_by_side(autojump_clock: MockClock) -> None:
    """In the order of their times; setting a name again replaces it, infinity cancels it, zero comes at once."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))
        absolute = trio.current_time() + 2 - trio.current_time()
        await machine.call(
            Probe.event,
            "set",
            after(3, "c", kind="c"),
            after(1, "never", kind="x"),
            after(1, "old", kind="a"),
            after(absolute, "b", kind="b"),
            after(math.inf, "never", kind="x"),
            after(1, "a", kind="a"),
            after(0, "zero", kind="z"),
        )
        await trio.sleep(9)
    assert log[2:] == ["zero in a", "a in a", "b in a", "c in a"]


@pytest.mark.otp("SM-22")
async def test_a_change_of_state_leaves_the_named_timeouts_alone(autojump_clock: MockClock) -> None:
    """The state's own is cancelled by the change, the event's by the event."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))
        await machine.call(
            Probe.event, "set", after(1, "state"), after(1, "event", kind=TimeoutKind.EVENT), after(1, "name", kind="n")
        )
        await machine.call(Probe.event, "go", go(Is.B))
        await trio.sleep(9)
    assert log[-1] == "name in b"
    assert len(log) == 5


@pytest.mark.otp("SM-23")
async def test_a_zero_timeout_comes_between_inserted_events_and_the_mailbox(autojump_clock: MockClock) -> None:
    """As if the world had waited for the machine."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))
        machine.cast_nowait(Probe.wait_for, Is.B, "postponed")
        await settle()
        machine.cast_nowait(Probe.event, "go", go(Is.B), after(0, "zero"), insert("inserted"))
        machine.cast_nowait(Probe.event, "message")
        await settle()
    assert log[3:] == ["inserted in b", "zero in b", "postponed in b", "message in b"]

"""State machines: what they share with all actors, and their states. SM-01 to SM-25, with the two files beside."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import math
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    ActorCrashed,
    ActorNotAlive,
    AlreadyStarted,
    CastFailed,
    ChildCrashed,
    Ignore,
    Name,
    StartError,
    StateMachine,
    TimeoutKind,
    open_supervisor,
)
from tests.supervisors.otp.actors import EventLog, settle
from tests.supervisors.otp.probe import Is, Probe, Step, after, go, insert, insert_a_hook, postpone, repeat


@pytest.mark.otp("SM-01", "SM-15")
async def test_a_machine_starts_and_answers_as_any_actor(autojump_clock: MockClock) -> None:
    """Under a name, or declining, or failing; hooks it does not define are not missed."""

    class Plain(StateMachine[Is]):
        async def where(self) -> Is:
            return self.state

    def decline(_: Probe) -> None:
        raise Ignore

    async with open_supervisor() as root:
        plain = await root.start_child(lambda: Plain(Is.B), name=Name("plain", Plain))
        assert await plain.call(Plain.where) is Is.B
        with pytest.raises(AlreadyStarted):
            await root.start_child(lambda: Plain(Is.B), name="plain")
        ignored = await root.start_child(lambda: Probe([], on_start=decline), name="ignored")
        assert not ignored.is_alive
        with pytest.raises(TypeError, match="expected an operation"):
            await plain.call(Plain.on_enter, Is.A)


@pytest.mark.otp("SM-02", "SM-05")
async def test_a_machine_stops_as_any_actor(autojump_clock: MockClock) -> None:
    """By order, with the reason kept, and nothing is reported as a failure."""
    log = EventLog()
    async with open_supervisor(observers=[log]) as root:
        machine = await root.start_child(lambda: Probe([]), restart="temporary")
        exit_ = await machine.stop(reason="moved")
        assert (exit_.is_clean, exit_.reason) == (True, "moved")
        with pytest.raises(ActorNotAlive):
            await machine.call(Probe.event, "late")
    assert log.of(ChildCrashed) == []


@pytest.mark.otp("SM-03")
async def test_a_call_that_timed_out_while_postponed_is_never_handled(autojump_clock: MockClock) -> None:
    """Its caller is gone: neither a late answer nor a late event."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))
        with pytest.raises(trio.TooSlowError), trio.fail_after(1):
            await machine.call(Probe.wait_for, Is.B, "late")
        await machine.call(Probe.event, "go", go(Is.B))
        await settle()
    assert log == ["enter aa", "go in a", "enter ab"]


async def test_callers_who_gave_up_are_not_kept(autojump_clock: MockClock) -> None:
    """A machine that never changes its state does not grow by those who ask it with a limit."""
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe([]))
        for _ in range(100):
            with trio.move_on_after(1):
                await machine.call(Probe.wait_for, Is.B, "late")
        assert await machine.get_state(lambda machine: len(machine._machine._postponed)) == 1


@pytest.mark.otp("SM-04")
@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        (go("b"), "state must be a member of Is, got 'b'"),  # type: ignore[arg-type]  # the point
        (insert_a_hook, "expected an operation"),
        (after(-1, "x"), "delay must be seconds >= 0 or math.inf, got -1"),
        (after(math.nan, "x", kind=TimeoutKind.EVENT), "delay must be seconds >= 0"),
    ],
)
async def test_a_wrong_wish_is_a_crash_that_names_it(step: Step, complaint: str, autojump_clock: MockClock) -> None:
    """The caller and the supervisor hear of it."""
    log = EventLog()
    async with open_supervisor(observers=[log]) as root:
        machine = await root.start_child(lambda: Probe([]))
        with pytest.raises(ActorCrashed, match=complaint):
            await machine.call(Probe.event, "wrong", step)
        await settle()
    assert len(log.of(ChildCrashed)) == 1


@pytest.mark.otp("SM-06")
async def test_waiting_callers_are_answered_in_order_before_the_machine_ends(autojump_clock: MockClock) -> None:
    """Each by the handler of its own event, retried after the change; then the machine may stop.

    Which of two tasks that became ready together runs first is trio's choice, so the order is the machine's.
    """
    log: list[str] = []
    answers: set[str] = set()

    def finish(machine: Probe) -> None:
        machine.next_state(Is.B)
        machine.ref.cast_nowait(Probe.halt)

    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log), restart="temporary")

        async def wait(name: str) -> None:
            answers.add(await machine.call(Probe.wait_for, Is.B, name))

        async with trio.open_nursery() as nursery:
            for name in ("one", "two"):
                nursery.start_soon(wait, name)
                await settle()
            await machine.call(Probe.event, "finish", finish)
        assert (await machine.ended()).is_clean
    assert [entry for entry in log if entry.endswith(" in b")] == ["one in b", "two in b"]
    assert answers == {"one", "two"}


async def test_the_postponed_are_answered_when_the_machine_ends(autojump_clock: MockClock) -> None:
    """A call has exactly one outcome, also when it waited for a state that never came."""
    async with open_supervisor() as root:
        for end in (Probe.halt, None):  # by order, and by a crash
            machine = await root.start_child(lambda: Probe([]), restart="temporary")
            outcomes: list[type[Exception]] = []

            async def wait(machine: Any = machine, outcomes: Any = outcomes) -> None:
                try:
                    await machine.call(Probe.wait_for, Is.B, "never")
                except (ActorCrashed, ActorNotAlive) as error:
                    outcomes.append(type(error))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await settle()
                if end is None:
                    machine.cast_nowait(Probe.event, "crash", go("x"))  # type: ignore[arg-type]  # a bug, on purpose
                else:
                    machine.cast_nowait(end)
            assert outcomes == [ActorNotAlive if end else ActorCrashed]


@pytest.mark.otp("SM-07")
async def test_entering_happens_at_the_start_and_on_every_change_and_repeat(autojump_clock: MockClock) -> None:
    """Before anything else; a timeout set while entering counts for the state that is entered."""
    log: list[str] = []
    hooks = {Is.B: after(2, "tick", go(Is.C))}
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log, hooks))
        await machine.call(Probe.event, "change", go(Is.B), insert("inserted"))
        await machine.call(Probe.event, "stay")
        await machine.call(Probe.event, "repeat", repeat)
        await trio.sleep(5)
    assert log == [
        "enter aa", "change in a", "enter ab", "inserted in b", "stay in b", "repeat in b", "enter bb",
        "tick in b", "enter bc",
    ]  # fmt: skip


@pytest.mark.otp("SM-18")
async def test_the_state_can_be_read_without_being_an_event(autojump_clock: MockClock) -> None:
    """Looking is no event: the event timeout goes on."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))
        await machine.call(Probe.event, "set", after(1, "idle", kind=TimeoutKind.EVENT))
        await trio.sleep(0.5)
        assert await machine.get_state(lambda machine: (machine.state, len(machine._log))) == (Is.A, 2)
        await trio.sleep(1)
    assert log[-1] == "idle in a"


@pytest.mark.otp("SM-20", "SM-21")
@pytest.mark.parametrize(("step", "expected"), [(go(Is.A), []), (repeat, ["enter aa"])])
async def test_only_another_state_is_a_change(step: Step, expected: list[str], autojump_clock: MockClock) -> None:
    """The same state is not entered, a repeated one is; postponed events are retried in neither case."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))
        machine.cast_nowait(Probe.wait_for, Is.B, "postponed")
        await machine.call(Probe.event, "same", step)
        await settle()
    assert log == ["enter aa", "same in a", *expected]


@pytest.mark.otp("SM-25")
@pytest.mark.parametrize("step", [go(Is.B), insert("x"), postpone, repeat])
async def test_entering_may_only_set_timeouts(step: Step, autojump_clock: MockClock) -> None:
    """Anything else would make the order of events a riddle: it is a bug, and crashes as one."""
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe([], {Is.C: step}))
        with pytest.raises(ActorCrashed, match="is not for on_enter, which may only set timeouts"):
            await machine.call(Probe.event, "go", go(Is.C))


async def test_a_handler_that_raises_has_changed_nothing(autojump_clock: MockClock) -> None:
    """An expected error is an answer; the wishes made before it are void."""
    log: list[str] = []

    class Picky(Probe):
        expected_errors = (ValueError,)

        async def refuse(self) -> None:
            """Wish for much, and raise."""
            self.next_state(Is.B)
            self.next_event(Probe.event, "never")
            self.named_timeout("n", 1, Probe.event, "never")
            raise ValueError("no")

    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Picky(log))
        with pytest.raises(ValueError, match="no"):
            await machine.call(Picky.refuse)
        await trio.sleep(5)
    assert log == ["enter aa"]


async def test_a_handler_may_leave_its_turn_and_change_the_state_it_finds(autojump_clock: MockClock) -> None:
    """Each handler has its own wishes, also while another is handled meanwhile."""
    log: list[str] = []

    class Slow(Probe):
        async def work(self) -> Is:
            """Wait for the world, then go on to C."""
            self.next_event(Probe.event, "inserted")
            async with self.off_turn():
                await trio.sleep(2)
            self.next_state(Is.C)
            return self.state

    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Slow(log))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(machine.call, Slow.work)
            await trio.sleep(1)
            await machine.call(Probe.event, "go", go(Is.B))
    assert log == ["enter aa", "go in a", "enter ab", "enter bc", "inserted in c"]


async def test_wishes_are_refused_where_nothing_would_apply_them(autojump_clock: MockClock) -> None:
    """From a helper task, from outside, and postponing a start."""
    crashes = EventLog()

    class Helper(Probe):
        async def help(self) -> None:
            """Change the state beside the turn."""
            self.start_soon(self._beside)
            await trio.sleep(1)

        async def _beside(self) -> None:
            self.next_state(Is.B)

    async with open_supervisor(observers=[crashes]) as root:
        with pytest.raises(StartError, match="postpone is for the handler of an event"):
            await root.start_child(lambda: Probe([], on_start=postpone))
        machine = await root.start_child(lambda: Helper([]))
        with pytest.raises(ActorCrashed, match=r"from elsewhere, cast to self\.ref"):
            await machine.call(Helper.help)


async def test_a_start_may_choose_another_state_and_set_timeouts(autojump_clock: MockClock) -> None:
    """``on_start`` is a handler too; the state it chooses is the first to be entered."""
    log: list[str] = []

    def begin(machine: Probe) -> None:
        machine.next_state(Is.B)
        machine.state_timeout(1, Probe.event, "tick")
        machine.next_event(Probe.event, "first")

    async with open_supervisor() as root:
        await root.start_child(lambda: Probe(log, on_start=begin))
        await trio.sleep(2)
    assert log == ["enter bb", "first in b", "tick in b"]


async def test_a_new_life_begins_with_the_first_state_and_no_old_timeouts(autojump_clock: MockClock) -> None:
    """What was pending died with the old life."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log))
        await machine.call(Probe.event, "go", go(Is.B), after(2, "never"), after(2, "never", kind="n"))
        machine.kill()
        await trio.sleep(9)
    assert log == ["enter aa", "go in a", "enter ab", "enter aa"]


async def test_a_postponed_cast_is_kept_for_the_next_life_if_the_mailbox_is(autojump_clock: MockClock) -> None:
    """It is a message that was not handled, wherever it waits."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Probe(log), keep_mailbox=True)
        machine.cast_nowait(Probe.wait_for, Is.B, "kept")
        await settle()
        with pytest.raises(ActorCrashed):
            await machine.call(Probe.event, "crash", go("x"))  # type: ignore[arg-type]  # a bug, on purpose
        await machine.call(Probe.event, "go", go(Is.B))
        await settle()
    assert log[-1] == "kept in b"


async def test_arguments_that_do_not_fit_are_the_senders_mistake(autojump_clock: MockClock) -> None:
    """As with any actor: an answer, and no crash."""
    events = EventLog()
    async with open_supervisor(observers=[events]) as root:
        machine = await root.start_child(lambda: Probe([]))
        with pytest.raises(TypeError):
            await machine.call(Probe.event)  # type: ignore[call-arg]  # the point
        machine.cast_nowait(Probe.halt, 1)  # type: ignore[call-arg]  # the point
        await settle()
        assert machine.life == 1
    assert len(events.of(CastFailed)) == 1


async def test_a_machine_that_forgot_its_first_state_says_so() -> None:
    """The one mistake everybody makes once."""

    class Forgetful(Probe):
        def __init__(self) -> None:
            pass

    async with open_supervisor() as root:
        with pytest.raises(StartError, match=r"Forgetful.__init__ must call super\(\).__init__"):
            await root.start_child(Forgetful)

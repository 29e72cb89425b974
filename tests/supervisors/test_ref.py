"""Calls and casts: order, the four outcomes, and what a gone caller means."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

from typing import Any

import pytest
import trio

from supervisors import (
    Actor,
    ActorCrashed,
    ActorNotAlive,
    CallCycle,
    Ref,
    RestartLimitExceeded,
    Supervisor,
    open_supervisor,
)
from tests.supervisors.cast import Bug, Clerk, open_clerk, outcome_of, settle


@pytest.mark.otp("GS-09")
async def test_a_call_returns_the_answer_at_once_or_later(autojump_clock: trio.testing.MockClock) -> None:
    """An answer in time is an answer, whether the actor was quick or not."""
    async with open_clerk() as (_, clerk):
        assert await clerk.call(Clerk.echo, "a") == "a"
        with trio.fail_after(3):
            assert await clerk.call(Clerk.wait, 2) == "waited"
        assert trio.current_time() == 2


@pytest.mark.otp("GS-11", "GS-26")
async def test_a_caller_waits_no_longer_than_it_wants(autojump_clock: trio.testing.MockClock) -> None:
    """Timeouts are the caller's scopes: the actor is not told and finishes its turn."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk):
        with pytest.raises(trio.TooSlowError), trio.fail_after(1):
            await clerk.call(Clerk.wait, 2)
        assert trio.current_time() == 1
        await clerk.call(Clerk.echo, "next")
        assert log == ["wait 2", "waited", "next"]


@pytest.mark.otp("GS-43")
async def test_a_late_answer_has_nobody_to_go_to(autojump_clock: trio.testing.MockClock) -> None:
    """The answer of an abandoned call is dropped; the caller's next call gets its own."""
    async with open_clerk() as (_, clerk):
        with trio.move_on_after(1):
            await clerk.call(Clerk.wait, 2)
        assert await clerk.call(Clerk.echo, "mine") == "mine"


async def test_a_queued_request_of_a_gone_caller_never_starts(autojump_clock: trio.testing.MockClock) -> None:
    """D-4: work that nobody waits for any more is what keeps an overloaded actor overloaded."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk):
        clerk.cast_nowait(Clerk.wait, 2)
        with trio.move_on_after(1):
            await clerk.call(Clerk.echo, "nobody waits")
        await clerk.call(Clerk.echo, "last")
        assert log == ["wait 2", "waited", "last"]


async def test_a_call_from_a_cancelled_scope_raises_and_is_not_begun() -> None:
    """A call is a checkpoint, whatever the state of the actor."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk):
        with trio.CancelScope() as scope:
            scope.cancel()
            await clerk.call(Clerk.wait, 0)
        assert scope.cancelled_caught
        await settle()
        assert log in ([], ["wait 0", "waited"])


@pytest.mark.otp("GS-12")
async def test_arguments_that_do_not_fit_are_the_callers_mistake() -> None:
    """OTP crashes the server on nonsense; here the signature says so before anything of the actor runs."""
    async with open_clerk() as (_, clerk):
        with pytest.raises(TypeError, match="value"):
            await clerk.call(Clerk.echo)  # type: ignore[call-arg]  # the mistake
        clerk.cast_nowait(Clerk.echo, 1, 2)  # type: ignore[call-arg, arg-type]  # the mistake
        assert await clerk.call(Clerk.echo, "alive") == "alive"
        assert clerk.life == 1


async def test_an_expected_error_is_an_answer_and_no_crash() -> None:
    """What the class lists belongs to the caller."""
    async with open_clerk() as (_, clerk):
        with pytest.raises(ValueError, match="no"):
            await clerk.call(Clerk.refuse)
        assert clerk.life == 1


@pytest.mark.otp("GS-19", "OR-11")
async def test_casts_and_calls_of_one_sender_are_served_in_order(autojump_clock: trio.testing.MockClock) -> None:
    """One queue: a call behind casts sees what they did."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk):
        clerk.cast_nowait(Clerk.wait, 1)
        await clerk.cast(Clerk.echo, "a")
        clerk.cast_nowait(Clerk.echo, "b")
        assert await clerk.call(Clerk.echo, "c") == "c"
        assert log == ["wait 1", "waited", "a", "b", "c"]


@pytest.mark.otp("GS-19")
async def test_a_cast_may_stop_the_actor_and_clean_up_runs() -> None:
    """The turn finishes, then ``on_stop``, then the exit is known."""
    log: list[str] = []
    async with open_clerk(log, restart="temporary") as (_, clerk):
        clerk.cast_nowait(Clerk.finish, "done")
        exit_ = await clerk.ended()
        assert (exit_.kind.value, exit_.reason, log) == ("normal", "done", ["stop normal"])


@pytest.mark.otp("GS-20")
async def test_casting_to_an_actor_that_is_gone_returns_at_once() -> None:
    """A cast promises nothing, so it has nothing to complain about."""
    async with open_clerk(restart="temporary") as (_, clerk):
        await clerk.stop()
        clerk.cast_nowait(Clerk.echo, "a")
        await clerk.cast(Clerk.echo, "b")


@pytest.mark.otp("OR-12")
async def test_each_senders_order_is_kept() -> None:
    """Between two senders anything goes; within one, nothing does."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk), trio.open_nursery() as nursery:

        async def send(letter: str) -> None:
            for number in range(20):
                await clerk.call(Clerk.echo, f"{letter}{number}")

        nursery.start_soon(send, "a")
        nursery.start_soon(send, "b")
    for letter in "ab":
        assert [entry for entry in log if entry[0] == letter] == [f"{letter}{number}" for number in range(20)]


class Loop(Actor):
    """Calls itself and others."""

    def __init__(self) -> None:
        self.other: Ref[Loop] | None = None

    async def meet(self, other: "Ref[Loop]") -> None:
        self.other = other

    async def call_self(self) -> None:
        await self.ref.call(Loop.rest)

    async def stop_self(self) -> None:
        await self.ref.stop()

    async def pass_on(self) -> None:
        if self.other is not None:
            await self.other.call(Loop.pass_on)

    async def call_self_off_turn(self) -> str:
        async with self.off_turn():
            return await self.ref.call(Loop.rest)

    async def rest(self) -> str:
        return "rested"

    async def pass_on_in_a_nursery(self) -> None:
        """Wait for the other one in a task of an own nursery."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(self._pass_on)

    async def _pass_on(self) -> None:
        if self.other is not None:
            await self.other.call(Loop.pass_on_in_a_nursery)


async def start_loops(root: Supervisor, count: int) -> list[Ref[Loop]]:
    """A ring of actors, each knowing the next."""
    ring = [await root.start_child(Loop, name=f"loop{number}", restart="temporary") for number in range(count)]
    for number, ref in enumerate(ring):
        await ref.call(Loop.meet, ring[(number + 1) % count])
    return ring


@pytest.mark.otp("GS-24")
async def test_a_call_to_oneself_in_ones_turn_raises_at_once() -> None:
    """It could never be answered; waiting for a timeout would only hide that."""
    async with open_supervisor() as root:
        (loop,) = await start_loops(root, 1)
        with pytest.raises(ActorCrashed) as caught:
            await loop.call(Loop.call_self)
        assert isinstance(caught.value.__cause__, CallCycle)
        assert caught.value.__cause__.ring == ("root/loop0",)


@pytest.mark.otp("GS-28")
async def test_waiting_for_ones_own_end_in_ones_turn_raises_at_once() -> None:
    """``self.stop()`` is how an actor stops itself."""
    async with open_supervisor() as root:
        (loop,) = await start_loops(root, 1)
        with pytest.raises(ActorCrashed) as caught:
            await loop.call(Loop.stop_self)
        assert isinstance(caught.value.__cause__, CallCycle)


@pytest.mark.parametrize("count", [2, 3, 10])
async def test_a_ring_of_calls_raises_at_once_and_is_named(count: int) -> None:
    """Rule 8: the actor that would close the ring gets the error, and it says who waits for whom."""
    async with open_supervisor() as root:
        ring = await start_loops(root, count)
        with pytest.raises(ActorCrashed) as caught:
            await ring[0].call(Loop.pass_on)
        error: BaseException | None = caught.value
        while isinstance(error, ActorCrashed):
            error = error.__cause__
        assert isinstance(error, CallCycle)
        assert set(error.ring) == {f"root/loop{number}" for number in range(count)}


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_a_ring_through_nurseries_is_found_too(count: int) -> None:
    """An operation cannot end before the tasks it has opened, so their waiting is its own."""
    async with open_supervisor() as root:
        ring = await start_loops(root, count)
        heard: list[Any] = []
        await outcome_of(heard, ring[0].call, Loop.pass_on_in_a_nursery)
        error: Any = heard[0]
        while not isinstance(error, CallCycle):
            error = error.__cause__ if isinstance(error, ActorCrashed) else error.exceptions[0]
        assert len(error.ring) == count


async def test_waiting_for_a_busy_actor_is_no_ring(autojump_clock: trio.testing.MockClock) -> None:
    """Many may wait for one, and it for another, in nurseries and out of them."""
    async with open_supervisor() as root:
        first, second = await start_loops(root, 2)
        busy = await root.start_child(Clerk)

        class Fan(Loop):
            async def fan_out(self) -> int:
                async with trio.open_nursery() as nursery:
                    for _ in range(5):
                        nursery.start_soon(outcome_of, list[Any](), busy.call, Clerk.wait, 1.0)
                        nursery.start_soon(outcome_of, list[Any](), first.call, Loop.rest)
                return 5

        fans = [await root.start_child(Fan) for _ in range(3)]
        async with trio.open_nursery() as nursery:
            for fan in fans:
                nursery.start_soon(outcome_of, list[Any](), fan.call, Fan.fan_out)
            nursery.start_soon(outcome_of, list[Any](), second.call, Loop.rest)
        assert [fan.life for fan in fans] == [1, 1, 1]
        assert trio.current_time() == 15


async def test_a_call_to_oneself_off_turn_is_served() -> None:
    """Outside the turn the mailbox goes on, so this is no cycle."""
    async with open_supervisor() as root:
        (loop,) = await start_loops(root, 1)
        assert await loop.call(Loop.call_self_off_turn) == "rested"


@pytest.mark.otp("GS-25")
async def test_calling_a_stopped_actor_names_it_and_how_it_ended() -> None:
    """The true exit, not a bare "no process" (D-8)."""
    async with open_clerk(restart="temporary") as (_, clerk):
        await clerk.stop(reason="moved")
        with pytest.raises(ActorNotAlive, match=r"root/clerk is not alive \(shutdown: 'moved'\)") as caught:
            await clerk.call(Clerk.echo, "a")
        assert caught.value.exit is not None
        assert caught.value.exit.reason == "moved"


async def test_what_is_no_operation_is_refused_with_the_ones_that_are() -> None:
    """Misuse is told at the call, in words that say what to do instead."""
    async with open_clerk() as (_, clerk):
        wrongs: list[Any] = [Clerk.on_stop, Loop.rest, Clerk._consult, Clerk().echo, "echo", [], Clerk.stop]
        for wrong in wrongs:
            with pytest.raises(TypeError, match="its operations are: crash, echo"):
                await clerk.call(wrong)
            with pytest.raises(TypeError, match="public async method"):
                clerk.cast_nowait(wrong)


async def test_an_actor_that_is_not_made_yet_takes_messages() -> None:
    """What it can do is not known before its factory has run; a message that may be for it waits, and is served."""
    refs: list[Ref[Clerk]] = []
    wrongs: list[Any] = [Clerk.on_stop, Clerk._consult, Clerk().echo, "echo", Clerk.stop]

    def make() -> Clerk:
        ref = sup.child("clerk")
        assert isinstance(ref, Ref)
        ref.cast_nowait(Clerk.echo, "early")
        for wrong in wrongs:
            with pytest.raises(TypeError, match="its operations are: none"):
                ref.cast_nowait(wrong)
        refs.append(ref)
        return Clerk(log)

    log: list[str] = []
    async with open_supervisor() as sup:
        clerk = await sup.start_child(make, name="clerk")
        assert refs == [clerk]
        assert await clerk.call(Clerk.echo, "late") == "late"
        assert log == ["early", "late"]


@pytest.mark.otp("GS-42")
@pytest.mark.parametrize("end", ["crash", "kill", "finish"])
async def test_callers_hear_at_once_that_the_actor_died(end: str, autojump_clock: trio.testing.MockClock) -> None:
    """The running call and the queued ones each get one outcome, the moment the life is over."""
    async with open_clerk(restart="temporary") as (_, clerk), trio.open_nursery() as nursery:
        running: list[Any] = []
        queued: list[Any] = []
        nursery.start_soon(outcome_of, running, clerk.call, Clerk.wait, 1)
        await settle()
        if end != "kill":
            clerk.cast_nowait(Clerk.crash if end == "crash" else Clerk.finish)
        nursery.start_soon(outcome_of, queued, clerk.call, Clerk.echo, "queued")
        nursery.start_soon(outcome_of, queued, clerk.call, Clerk.echo, "queued too")
        await settle()
        if end == "kill":
            clerk.kill()
    expected = ActorCrashed if end == "crash" else ActorNotAlive
    assert running == ["waited"] or isinstance(running[0], ActorNotAlive)
    assert [type(error) for error in queued] == [expected, expected]
    assert queued[0] is not queued[1]
    assert trio.current_time() == (0 if end == "kill" else 1)


async def test_each_waiter_of_a_crash_gets_its_own_exception_with_the_same_cause() -> None:
    """Two tasks raising one object would write into each other's tracebacks."""
    async with open_clerk() as (_, clerk), trio.open_nursery() as nursery:
        heard: list[Any] = []
        nursery.start_soon(outcome_of, heard, clerk.call, Clerk.wait, 0)
        for _ in range(3):
            nursery.start_soon(outcome_of, heard, clerk.call, Clerk.crash)
    errors = [error for error in heard if isinstance(error, ActorCrashed)]
    assert len(set(map(id, errors))) == len(errors) >= 1
    assert all(isinstance(error.__cause__, Bug) for error in errors)


async def test_calls_made_while_a_child_restarts_wait_for_the_new_life(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Rule 6: a ref is an address; who calls between two lives does not notice."""
    starts: list[float] = []

    class Slow(Clerk):
        async def on_start(self) -> None:
            starts.append(trio.current_time())
            await trio.sleep(5)

    async with open_supervisor() as root:
        clerk = await root.start_child(Slow)
        with pytest.raises(ActorCrashed):
            await clerk.call(Clerk.crash)
        assert await clerk.call(Clerk.echo, "new") == "new"
        assert (clerk.life, trio.current_time(), starts) == (2, 10, [0, 5])


async def test_calls_waiting_for_a_new_life_fail_when_the_supervisor_gives_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Never a hang: the hope ends with the supervisor's."""
    lives: list[int] = []

    class Once(Clerk):
        async def on_start(self) -> None:
            lives.append(1)
            if len(lives) > 1:
                await trio.sleep(1)
                raise Bug("not again")

    heard: list[Any] = []

    async def program(nursery: trio.Nursery) -> None:
        async with open_supervisor() as root:
            clerk = await root.start_child(Once)
            nursery.start_soon(outcome_of, heard, clerk.call, Clerk.wait, 1)
            await settle()
            clerk.cast_nowait(Clerk.crash)
            await trio.sleep(1.5)
            nursery.start_soon(outcome_of, heard, clerk.call, Clerk.echo, "a")
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        with pytest.raises(RestartLimitExceeded):
            await program(nursery)
    assert [type(error) for error in heard] == [str, ActorNotAlive]

"""Starts, ends, requests and odd mistakes, as OTP's suites have them: the rest of EX, PL, GS and TM."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from supervisors import (
    Actor,
    ActorCrashed,
    ActorNotAlive,
    ChildCrashed,
    ChildSpec,
    ChildStopped,
    Exit,
    LifeTimer,
    Name,
    Ref,
    StartError,
    open_supervisor,
)
from supervisors._reply import Request
from tests.supervisors.cast import Bug, Clerk, open_clerk, outcome_of, settle
from tests.supervisors.otp.actors import EventLog
from tests.supervisors.test_monitor import Watcher, seen


@pytest.mark.otp("EX-10")
async def test_a_reason_that_reads_like_a_kill_is_a_reason_like_any_other() -> None:
    """Only being killed is a kill: a payload decides nothing."""
    async with open_clerk(restart="transient") as (_, clerk):
        await clerk.call(Clerk.finish, "killed")
        exit_ = await clerk.ended()
        assert (exit_.kind.value, exit_.reason, exit_.is_clean) == ("normal", "killed", True)


@pytest.mark.otp("EX-16")
async def test_a_monitor_cancelled_right_after_a_kill_tells_nothing() -> None:
    """No race: cancelling is final, wherever the end is on its way."""
    for _ in range(20):
        async with open_clerk(restart="temporary") as (root, clerk):
            watcher = await root.start_child(Watcher)
            await watcher.call(Watcher.watch, clerk)
            (monitor,) = await watcher.get_state(lambda it: it.monitors)
            clerk.kill()
            monitor.cancel()
            await settle()
            assert await seen(watcher) == []


@pytest.mark.otp("PL-03", "PL-04")
async def test_who_monitors_a_child_it_started_hears_of_its_normal_end_once() -> None:
    """One message, and nothing else."""
    async with open_supervisor() as root:
        watcher = await root.start_child(Watcher)
        clerk = await root.start_child(Clerk, restart="temporary")
        await watcher.call(Watcher.watch, clerk)
        await clerk.call(Clerk.finish)
        await settle()
        assert await seen(watcher) == [("down", 1, "normal")]


class Sleepy(Actor):
    """Never starts."""

    async def on_start(self) -> None:
        await trio.sleep_forever()


class Starter(Watcher):
    """Starts and monitors from inside an operation."""

    async def start_sleepy(self) -> str:
        try:
            await self.get_root().start_child(Sleepy, start_timeout=0.5)
        except StartError as error:
            return type(error.__cause__).__name__
        return "started"

    def get_root(self) -> Any:
        """Set by the test."""
        raise AssertionError


@pytest.mark.otp("PL-06", "PL-16", "GS-03")
async def test_a_start_that_timed_out_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    """One error for the starter; no message, no task, no entry, no second outcome."""
    async with open_supervisor() as root:

        class Here(Starter):
            def get_root(self) -> Any:
                return root

        starter = await root.start_child(Here)
        before = trio.lowlevel.current_statistics().tasks_living
        assert await starter.call(Starter.start_sleepy) == "TooSlowError"
        await trio.sleep(5)
        assert await seen(starter) == []
        assert trio.lowlevel.current_statistics().tasks_living == before
        assert root.count_children().specs == 1


@pytest.mark.otp("PL-08", "GS-07", "GS-08")
@pytest.mark.parametrize("end", ["finish", "stop", "finish with a payload", "crash"])
async def test_only_a_failure_is_reported_as_one_with_everything_there_is_to_know(end: str) -> None:
    """Who, which life, in which operation, the error with its traceback; clean ends are no failures."""
    log = EventLog()
    async with open_supervisor(observers=[log]) as root:
        clerk = await root.start_child(Clerk, name="clerk", restart="temporary")
        match end:
            case "stop":
                await clerk.stop()
            case "crash":
                clerk.cast_nowait(Clerk.crash)
            case _:
                clerk.cast_nowait(Clerk.finish, None if end == "finish" else {"moved": True})
        await clerk.ended()
    reports = log.of(ChildCrashed)
    assert len(log.of(ChildStopped)) == (0 if end == "crash" else 1)
    assert len(reports) == (1 if end == "crash" else 0)
    for report in reports:
        assert (report.path, report.life, report.operation) == ("root/clerk", 1, "crash")
        assert isinstance(report.exit.error, Bug)
        assert report.exit.error.__traceback__ is not None


class Thrower(Actor):
    """Raises what it is given."""

    async def throw(self, error: Exception) -> None:
        raise error


@pytest.mark.otp("PL-09")
@pytest.mark.parametrize("error", [Bug("error"), LookupError("exit"), StopAsyncIteration("throw")])
async def test_whatever_is_raised_is_the_reason_with_its_stack(error: Exception) -> None:
    """There is one way to fail, an exception, and it is kept as it is."""
    async with open_supervisor() as root:
        thrower = await root.start_child(Thrower, restart="temporary")
        thrower.cast_nowait(Thrower.throw, error)
        exit_ = await thrower.ended()
        reason = exit_.error
        assert reason is error or (isinstance(reason, RuntimeError) and reason.__cause__ is error)
        assert reason is not None
        trace = reason.__traceback__
        names: list[str] = []
        while trace is not None:
            names.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        assert names[-1] == "throw"


@pytest.mark.otp("PL-11")
async def test_stop_tells_how_the_life_really_ended(autojump_clock: MockClock) -> None:
    """OTP raises at the stopper when the reason is not the asked one; here the true exit is what stop returns."""
    async with open_clerk(restart="temporary") as (_, clerk), trio.open_nursery() as nursery:
        clerk.cast_nowait(Clerk.wait, 1)
        await settle()
        exits: list[Exit] = []

        async def stop() -> None:
            exits.append(await clerk.stop())

        nursery.start_soon(stop)
        await settle()
        clerk.kill()
        await settle()
        assert exits[0].kind.value == "killed"


@pytest.mark.otp("GS-06")
async def test_an_impossible_timeout_is_refused_before_anything_is_sent() -> None:
    """Timeouts are trio's, and so is the refusal."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk):
        with pytest.raises(ValueError, match="non-negative"):
            with trio.fail_after(-1):
                await clerk.call(Clerk.echo, "never")
        assert (log, clerk.is_alive) == ([], True)


class Idler(Actor):
    """Notices when nobody wants anything."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.was_idle = False

    async def wait_for_silence(self, seconds: float) -> None:
        self.was_idle = False
        self.send_when_idle(seconds, Idler.on_silence)

    async def send_then_wait_for_silence(self) -> None:
        self.ref.cast_nowait(Idler.note, "message")
        self.send_when_idle(0, Idler.on_silence)

    async def on_silence(self) -> None:
        self.was_idle = True
        self.log.append("silence")

    async def note(self, what: str) -> None:
        self.log.append(what)

    async def ask(self) -> str:
        return "timed out" if self.was_idle else "in time"


@pytest.mark.otp("GS-10")
@pytest.mark.parametrize(("pause", "answer"), [(0.5, "in time"), (1.5, "timed out")])
async def test_an_idle_timeout_fires_only_if_nothing_came_first(
    pause: float, answer: str, autojump_clock: MockClock
) -> None:
    """The next operation takes it back."""
    async with open_supervisor() as root:
        idler = await root.start_child(Idler)
        await idler.call(Idler.wait_for_silence, 1.0)
        await trio.sleep(pause)
        assert await idler.call(Idler.ask) == answer
        await trio.sleep(5)
        assert await idler.call(Idler.ask) == answer


@pytest.mark.otp("GS-23")
async def test_an_idle_timeout_of_zero_does_not_overtake_what_is_queued(autojump_clock: MockClock) -> None:
    """What is queued is no silence."""
    async with open_supervisor() as root:
        idler = await root.start_child(Idler)
        await idler.call(Idler.send_then_wait_for_silence)
        await trio.sleep(1)
        assert await idler.get_state(lambda it: it.log) == ["message"]


@asynccontextmanager
async def open_requests(
    clerk: Ref[Clerk], delays: list[float]
) -> AsyncGenerator["tuple[trio.CancelScope, trio.MemoryReceiveChannel[tuple[float, Any]]]"]:
    """OTP's request collections, in trio's words: a nursery of calls, and a channel of labelled results."""
    send, receive = trio.open_memory_channel[tuple[float, Any]](len(delays))

    async def request(delay: float) -> None:
        results: list[Any] = []
        await outcome_of(results, clerk.call, Clerk.wait_off_turn, delay)
        await send.send((delay, results[0]))

    async with trio.open_nursery() as nursery:
        for delay in delays:
            nursery.start_soon(request, delay)
        yield nursery.cancel_scope, receive


@pytest.mark.otp("GS-15", "GS-18")
async def test_results_of_requests_come_in_the_order_of_completion_with_their_labels(
    autojump_clock: MockClock,
) -> None:
    """Waiting with a limit abandons nothing: the results are still to come."""
    async with open_clerk() as (_, clerk), open_requests(clerk, [4.0, 1.0, 2.0]) as (_, results):
        with trio.move_on_after(0.5) as scope:
            await results.receive()
        assert scope.cancelled_caught
        assert [await results.receive() for _ in range(3)] == [
            (1.0, "came back"),
            (2.0, "came back"),
            (4.0, "came back"),
        ]
        with pytest.raises(trio.WouldBlock):
            results.receive_nowait()


@pytest.mark.otp("GS-16")
async def test_leaving_the_block_abandons_what_is_outstanding(autojump_clock: MockClock) -> None:
    """And the actor is told: blocks off turn are cancelled."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk):
        async with open_requests(clerk, [1.0, 50.0, 60.0]) as (scope, results):
            assert await results.receive() == (1.0, "came back")
            scope.cancel()
        await settle()
        assert (log.count("back"), trio.current_time()) == (3, 1)


@pytest.mark.otp("GS-13", "GS-14", "GS-17")
async def test_one_failing_request_is_an_outcome_among_others(autojump_clock: MockClock) -> None:
    """To the living an answer, to the dead an error with the reason; neither disturbs the others."""
    async with open_clerk(restart="temporary") as (root, dead), trio.open_nursery() as nursery:
        await dead.stop()
        alive = await root.start_child(Clerk)
        heard: list[Any] = []
        for ref in (alive, dead, alive):
            nursery.start_soon(outcome_of, heard, ref.call, Clerk.wait_off_turn, 0.05)
        with trio.move_on_after(0):
            await trio.lowlevel.checkpoint()
        await trio.sleep(1)
        assert [type(item) for item in heard] == [ActorNotAlive, str, str]


@pytest.mark.otp("GS-27")
@pytest.mark.parametrize("name", ["", "a/b", 7, ("via", "x"), b"bytes"])
async def test_an_impossible_name_is_refused_with_the_possible_ones(name: Any) -> None:
    """Before anything is started."""
    async with open_supervisor() as root:
        with pytest.raises((TypeError, ValueError), match="name must be a"):
            await root.start_child(Clerk, name=name)
        with pytest.raises(ValueError, match="non-empty string without '/'"):
            Name("a/b", Clerk)


@pytest.mark.otp("GS-31")
async def test_a_call_does_not_look_at_the_callers_own_mailbox() -> None:
    """A reply never passes a mailbox, so a caller's full one costs its calls nothing."""

    class Caller(Actor):
        async def call_often(self, clerk: Ref[Clerk]) -> int:
            for _ in range(100):
                await clerk.call(Clerk.echo, "x")
            return self.ref.snapshot().queued

        async def nothing(self) -> None:
            """Fills the mailbox."""

    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            del task
            self.count += 1

    async def steps_with(queued: int) -> int:
        async with open_clerk() as (root, clerk):
            caller = await root.start_child(Caller)
            steps = Steps()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(outcome_of, list[Any](), caller.call, Caller.call_often, clerk)
                await trio.lowlevel.checkpoint()
                trio.lowlevel.add_instrument(steps)
                for _ in range(queued):
                    caller.cast_nowait(Caller.nothing)
                await caller.get_state(lambda _: None)
            trio.lowlevel.remove_instrument(steps)
            return steps.count

    assert await steps_with(50_000) - await steps_with(0) <= 50_000 / 32


@pytest.mark.otp("GS-32", "GS-33")
async def test_what_the_actor_has_not_is_the_senders_mistake() -> None:
    """OTP crashes the server, or warns; here it is known before anything is sent."""

    class Other(Actor):
        async def something(self) -> None:
            """Not a clerk's."""

    async with open_clerk() as (_, clerk):
        with pytest.raises(TypeError, match="its operations are"):
            await clerk.call(Other.something)  # type: ignore[arg-type]  # the mistake
        with pytest.raises(TypeError, match="its operations are"):
            clerk.cast_nowait(Other.something)  # type: ignore[arg-type]  # the mistake
        assert clerk.life == 1


@pytest.mark.otp("GS-37")
async def test_an_operation_that_calls_what_is_not_there_crashes() -> None:
    """Its own mistake is not taken for the sender's, though it is a TypeError too."""

    class Clumsy(Actor):
        async def stumble(self) -> None:
            self.fall(1, 2, 3)  # type: ignore[call-arg]  # the mistake

        def fall(self) -> None:
            """Takes nothing."""

        async def stumble_waiting(self) -> None:
            await self.stumble_off(1)  # type: ignore[call-arg]  # the mistake

        async def stumble_off(self) -> None:
            """Takes nothing either."""

    async with open_supervisor(max_restarts=10) as root:
        clumsy = await root.start_child(Clumsy)
        for operation in (Clumsy.stumble, Clumsy.stumble_waiting):
            with pytest.raises(ActorCrashed):
                await clumsy.call(operation)
            await settle()
            clumsy.cast_nowait(operation)
            await clumsy.ended()
            await settle()


@pytest.mark.otp("GS-45")
async def test_an_answer_is_given_once() -> None:
    """The first ends the wait; a second has nobody to go to, and says so."""
    request = Request(None, "op", (), {})  # type: ignore[arg-type]  # no cell is needed to wait
    async with trio.open_nursery() as nursery:
        heard: list[Any] = []
        nursery.start_soon(outcome_of, heard, request.wait)
        await settle()
        request.answer("first")
        request.answer("second")
        assert request.fail(Bug("third")) is False
        await settle()
        assert heard == ["first"]


@pytest.mark.otp("GS-46", "GS-47")
async def test_the_owners_order_runs_on_stop_and_a_strangers_error_does_nothing() -> None:
    """Nobody's end is anybody's order."""
    log: list[str] = []
    async with open_supervisor() as root:
        await root.start_child(lambda: Clerk(log), name="clerk")
        stranger = await root.start_child(Clerk, restart="temporary")
        stranger.cast_nowait(Clerk.crash)
        await stranger.ended()
        assert log == []
        await root.terminate_child("clerk")
        assert log == ["stop shutdown"]


@pytest.mark.otp("GS-48")
async def test_a_spec_is_a_value_with_defaults_and_overrides() -> None:
    """The child is called after its class, and fields can be replaced."""
    spec = ChildSpec(Clerk)
    assert (spec.restart.value, spec.shutdown, spec.significant) == ("permanent", 5.0, False)
    other = attrs.evolve(spec, restart="transient", shutdown=1.0)
    assert (other.factory, other.restart.value, other.shutdown) == (Clerk, "transient", 1.0)
    async with open_supervisor() as root:
        assert (await root.start_child(other)).path == "root/clerk-1"


class Timed(Clerk):
    """Ends itself by a timer."""

    async def end_after(self, seconds: float, reason: str) -> None:
        self.send_after(seconds, Clerk.finish, reason)

    async def arm_and_cancel(self) -> bool:
        timer: LifeTimer = self.send_after(0, Clerk.echo, "never")
        await trio.sleep(1)
        return timer.cancel()


@pytest.mark.otp("TM-12")
async def test_an_actor_can_end_itself_later_with_a_reason(autojump_clock: MockClock) -> None:
    """A timer performs an operation, and an operation may stop its actor."""
    async with open_supervisor() as root:
        timed = await root.start_child(Timed, restart="temporary")
        await timed.call(Timed.end_after, 2.0, "time is up")
        exit_ = await timed.ended()
        assert (exit_.kind.value, exit_.reason, trio.current_time()) == ("normal", "time is up", 2)


@pytest.mark.otp("TM-14")
async def test_a_timer_of_zero_is_cancelled_like_any_other(autojump_clock: MockClock) -> None:
    """OTP has sent the message already; here cancelling is final until it is begun."""
    async with open_supervisor() as root:
        timed = await root.start_child(Timed)
        assert await timed.call(Timed.arm_and_cancel) is True
        await trio.sleep(1)
        assert await timed.get_state(lambda it: it.log) == []


@pytest.mark.otp("TM-16")
async def test_cancelling_what_is_over_is_fine(autojump_clock: MockClock) -> None:
    """A handle may be cancelled at any time, any number of times, after its life as well."""
    async with open_supervisor() as root:
        timed = await root.start_child(Timed, restart="temporary")
        await timed.call(Timed.end_after, 0.0, "now")
        timers = [await Ended.timer_of(root)]
        await timed.ended()
        for timer in timers * 2:
            assert timer.cancel() is False


class Ended(Clerk):
    """Hands a timer out, and ends."""

    async def hand_out(self) -> LifeTimer:
        timer = self.send_after(100, Clerk.echo, "x")
        self.stop()
        return timer

    @staticmethod
    async def timer_of(root: Any) -> LifeTimer:
        """A timer whose life is over."""
        ref: Ref[Ended] = await root.start_child(Ended, restart="temporary")
        timer = await ref.call(Ended.hand_out)
        await ref.ended()
        return timer

"""What may and may not escape from a child, and how the surrounding program ends a tree (catalogue, section 16)."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import math
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    BRUTAL_KILL,
    Actor,
    ActorCrashed,
    ActorNotAlive,
    ChildCrashed,
    ChildKilled,
    ChildSpec,
    Event,
    Exit,
    RestartLimitExceeded,
    StartError,
    SupervisorSpec,
    open_supervisor,
)
from tests.supervisors.cast import Bug, Clerk, outcome_of, settle


class Worker(Actor):
    """Ends slowly, and says when."""

    def __init__(self, name: str, log: list[str], *, stop_takes: float = 0.0) -> None:
        self.name = name
        self.log = log
        self.stop_takes = stop_takes

    async def on_stop(self, reason: Exit, /) -> None:
        await trio.sleep(self.stop_takes)
        self.log.append(f"{self.name} {reason.kind.value}")

    async def fail(self, error: BaseException) -> None:
        raise error

    async def nap(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def nap_shielded(self, seconds: float) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)

    async def swallow(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise Bug("while being cancelled")


class Log:
    """Remembers events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event, /) -> None:
        self.events.append(event)


def worker(name: str, log: list[str], **options: Any) -> ChildSpec[Worker]:
    """A child spec; *options* of both the worker and the spec."""
    stop_takes = options.pop("stop_takes", 0.0)
    return ChildSpec(lambda: Worker(name, log, stop_takes=stop_takes), name=name, **options)


@pytest.mark.parametrize(
    "error", [Bug("plain"), ExceptionGroup("a group", [Bug("a"), ExceptionGroup("deep", [Bug("b")])]), StopIteration()]
)
async def test_every_ordinary_exception_is_contained(error: Exception) -> None:
    """Groups of them too: no exception of a child reaches the nursery."""
    async with open_supervisor() as root:
        sick = await root.start_child(worker("sick", []))
        well = await root.start_child(worker("well", []))
        with pytest.raises(ActorCrashed) as caught:
            await sick.call(Worker.fail, error)
        assert caught.value.__cause__ is error or isinstance(caught.value.__cause__, RuntimeError)
        await settle()
        assert (sick.life, well.life, sick.is_alive) == (2, 1, True)


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("make", [KeyboardInterrupt, SystemExit, lambda: BaseExceptionGroup("", [KeyboardInterrupt()])])
async def test_an_interrupt_is_never_a_crash(depth: int, make: Callable[[], BaseException]) -> None:
    """The tree stops in order, nothing is restarted or told as a crash, and the interrupt leaves the root bare."""
    log: list[str] = []
    events = Log()
    error = make()

    async def program() -> None:
        async with open_supervisor(observers=[events]) as root:
            supervisor = root
            await root.start_child(worker("first", log))
            for level in range(depth):
                supervisor = await supervisor.start_supervisor(f"level{level}")
            sick = await supervisor.start_child(worker("sick", log))
            await supervisor.start_child(worker("last", log))
            await outcome_of([], sick.call, Worker.fail, error)
            await trio.sleep_forever()

    with pytest.raises((KeyboardInterrupt, SystemExit)) as caught:
        await program()
    assert caught.value is error or isinstance(error, BaseExceptionGroup)
    assert log == ["last shutdown", "first shutdown"]
    assert not [event for event in events.events if isinstance(event, ChildCrashed)]


async def test_the_ordinary_part_of_a_mixed_group_is_recorded() -> None:
    """The interrupt goes on; what was a bug is in the exit record."""
    mixed = BaseExceptionGroup("mixed", [KeyboardInterrupt(), Bug("bug")])
    exits: list[Exit] = []

    async def program() -> None:
        async with open_supervisor() as root:
            sick = await root.start_child(worker("sick", [], restart="temporary"))
            sick.cast_nowait(Worker.fail, mixed)
            exits.append(await sick.ended())
            await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        await program()
    assert isinstance(exits[0].error, ExceptionGroup)


async def test_cancelling_the_surrounding_scope_stops_in_order_and_goes_on(autojump_clock: MockClock) -> None:
    """Reverse start order at every level, one after the other, then ``Cancelled`` again: rule 10."""
    log: list[str] = []
    with trio.move_on_after(1) as scope:
        async with open_supervisor() as root:
            await root.start_child(worker("a", log, stop_takes=1))
            inner = await root.start_supervisor("inner")
            await inner.start_child(worker("b", log, stop_takes=1))
            await inner.start_child(worker("c", log, stop_takes=1))
            await root.start_child(worker("d", log, stop_takes=1))
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert log == ["d shutdown", "c shutdown", "b shutdown", "a shutdown"]
    assert trio.current_time() == 5


async def test_children_are_stopped_even_while_the_block_does_not_react(autojump_clock: MockClock) -> None:
    """A watcher sees the cancellation at once; the block may be behind a shield."""
    log: list[str] = []
    with trio.move_on_after(1):
        async with open_supervisor() as root:
            await root.start_child(worker("a", log))
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
                assert log == ["a shutdown"]


async def test_a_second_cancellation_does_not_skip_the_stop(autojump_clock: MockClock) -> None:
    """A deadline inside a deadline may shorten the wait of the block, never the clean-up of the children."""
    log: list[str] = []
    with trio.move_on_after(2), trio.move_on_after(1):
        async with open_supervisor() as root:
            await root.start_child(worker("a", log, stop_takes=3))
            await trio.sleep_forever()
    assert (log, trio.current_time()) == (["a shutdown"], 4)


async def test_nothing_is_restarted_once_stopping(autojump_clock: MockClock) -> None:
    """A child that crashes while its siblings stop stays down."""
    log: list[str] = []
    async with open_supervisor() as root:
        early = await root.start_child(worker("early", log))
        await root.start_child(worker("late", log, stop_takes=2))
        early.cast_nowait(Worker.nap, 1)
        early.cast_nowait(Worker.fail, Bug("late bug"))
    assert (early.life, log) == (1, ["early crashed", "late shutdown"])


async def test_leaving_the_block_stops_the_children_and_raises_what_it_raised() -> None:
    """Bare, not in a group: the nursery inside is nobody's business."""
    log: list[str] = []

    async def program() -> None:
        async with open_supervisor() as root:
            await root.start_child(worker("a", log))
            raise Bug("mine")

    with pytest.raises(Bug, match="mine"):
        await program()
    assert log == ["a shutdown"]


async def give_up_under(depth: int) -> None:
    """A leaf that crashes for ever under *depth* supervisors that allow nothing."""
    async with open_supervisor(max_restarts=0) as root:
        supervisor = root
        for level in range(depth):
            supervisor = await supervisor.start_supervisor(f"s{level}", max_restarts=0)
        leaf = await supervisor.start_child(worker("leaf", []))
        leaf.cast_nowait(Worker.fail, Bug("last straw"))
        await trio.sleep_forever()


async def test_giving_up_is_loud_bare_and_tells_why() -> None:
    """Rule 11: the path, the limit, the window, the failures, and the last straw as the cause."""
    with pytest.raises(RestartLimitExceeded) as caught:
        await give_up_under(0)
    error = caught.value
    assert (error.path, error.limit, error.window) == ("root", 0, 5.0)
    assert str(error) == "root gave up: more than 0 restarts within 5 s"
    assert [str(failure) for failure in error.failures.exceptions] == ["last straw"]
    assert isinstance(error.__cause__, Bug)


async def test_giving_up_can_be_caught_as_a_group_member_too() -> None:
    """``except*`` sees the same thing."""
    caught: list[BaseException] = []
    try:
        await give_up_under(0)
    except* RestartLimitExceeded as group:
        caught.extend(group.exceptions)
    assert len(caught) == 1


async def test_giving_up_climbs_level_by_level() -> None:
    """A nested give-up is that child's crash, and the chain of causes ends at the bug (D-1)."""
    with pytest.raises(RestartLimitExceeded) as caught:
        await give_up_under(2)
    chain: list[str] = []
    error: BaseException | None = caught.value
    while isinstance(error, RestartLimitExceeded):
        chain.append(error.path)
        error = error.__cause__
    assert (chain, str(error)) == (["root", "root/s0", "root/s0/s1"], "last straw")


async def test_the_blocks_own_error_is_the_context_of_a_give_up() -> None:
    """Usually a consequence, so it must not hide the reason."""

    async def program() -> None:
        async with open_supervisor(max_restarts=0) as root:
            leaf = await root.start_child(worker("leaf", []))
            leaf.cast_nowait(Worker.fail, Bug("bug"))
            await leaf.ended()
            await leaf.call(Worker.nap, 0)

    with pytest.raises(RestartLimitExceeded) as caught:
        await program()
    assert caught.value.__context__ is None or isinstance(caught.value.__context__, ActorNotAlive | Bug)


async def test_a_failing_declared_child_stops_the_ones_before_it_and_is_raised_bare() -> None:
    """Nothing was open, so nothing stays open."""
    log: list[str] = []

    def broken() -> Worker:
        raise Bug("factory")

    async def program() -> None:
        async with open_supervisor(children=[worker("a", log), ChildSpec(broken, name="b"), worker("c", log)]):
            raise AssertionError("not entered")

    with pytest.raises(StartError, match="root/b did not start: Bug: factory") as caught:
        await program()
    assert isinstance(caught.value.__cause__, Bug)
    assert log == ["a shutdown"]


async def test_cancelling_during_the_start_of_declared_children_stops_what_had_started(
    autojump_clock: MockClock,
) -> None:
    """D-3: a stop order does not wait for an ``on_start``."""
    log: list[str] = []

    class Endless(Worker):
        async def on_start(self) -> None:
            await trio.sleep_forever()

    with trio.move_on_after(1) as scope:
        async with open_supervisor(
            children=[worker("a", log), SupervisorSpec("s", children=[ChildSpec(lambda: Endless("e", log), name="e")])]
        ):
            raise AssertionError("not entered")
    assert scope.cancelled_caught
    assert (log, trio.current_time()) == (["a shutdown"], 1)


@pytest.mark.parametrize("shutdown", [0.0, 0.5, BRUTAL_KILL])
async def test_a_child_that_does_not_stop_in_time_is_cancelled(shutdown: Any, autojump_clock: MockClock) -> None:
    """And that is an event."""
    observer = Log()
    async with open_supervisor(observers=[observer]) as root:
        busy = await root.start_child(worker("busy", [], shutdown=shutdown))
        busy.cast_nowait(Worker.nap, 100)
        await settle()
    exit_ = await busy.ended()
    assert (exit_.kind.value, trio.current_time()) == ("killed", 0.0 if shutdown is BRUTAL_KILL else shutdown)
    assert [event.path for event in observer.events if isinstance(event, ChildKilled)] == ["root/busy"]


async def test_a_clean_up_that_takes_too_long_is_cancelled_too(autojump_clock: MockClock) -> None:
    """Its shield has a deadline."""
    log: list[str] = []
    async with open_supervisor() as root:
        slow = await root.start_child(worker("slow", log, stop_takes=100, shutdown=1))
    assert ((await slow.ended()).kind.value, log, trio.current_time()) == ("killed", [], 1)


async def test_an_unlimited_budget_waits(autojump_clock: MockClock) -> None:
    """``math.inf`` means what it says."""
    log: list[str] = []
    async with open_supervisor() as root:
        await root.start_child(worker("slow", log, stop_takes=1000, shutdown=math.inf))
    assert (log, trio.current_time()) == (["slow shutdown"], 1000)


async def test_a_shielded_child_is_waited_for_and_never_declared_ended(autojump_clock: MockClock) -> None:
    """Trio cannot drop a task, so the runtime does not pretend to."""
    async with open_supervisor() as root:
        stuck = await root.start_child(worker("stuck", [], shutdown=1))
        stuck.cast_nowait(Worker.nap_shielded, 10)
        await settle()
    assert trio.current_time() == 10
    assert (await stuck.ended()).kind.value == "killed"


async def test_an_error_raised_while_an_ordered_kill_is_delivered_is_no_crash(autojump_clock: MockClock) -> None:
    """It is kept in the record; who asked first decides the kind."""
    async with open_supervisor() as root:
        ref = await root.start_child(worker("a", [], restart="transient", shutdown=1))
        ref.cast_nowait(Worker.swallow)
        await settle()
        await root.terminate_child("a")
        exit_ = await ref.ended()
        assert (exit_.kind.value, str(exit_.error), root.count_children().active) == (
            "killed",
            "while being cancelled",
            0,
        )


async def test_an_observer_that_raises_is_dropped_and_reported() -> None:
    """Watching must not change what is watched."""

    class Broken:
        def notify(self, _: Event, /) -> None:
            raise Bug("observer")

    observer = Log()
    async with open_supervisor(observers=[Broken(), observer]) as root:
        await root.start_child(Clerk)
        await root.start_child(Clerk)
    names = [type(event).__name__ for event in observer.events]
    assert names.count("ObserverFailed") == 1
    assert names.count("ChildStarted") == 2


async def test_no_task_is_left_whatever_happened(autojump_clock: MockClock) -> None:
    """Ends of every kind, then the same number of tasks as before."""
    before = trio.lowlevel.current_statistics().tasks_living
    async with open_supervisor(max_restarts=100) as root, trio.open_nursery() as nursery:
        for number in range(10):
            clerk = await root.start_child(Clerk, restart="transient")
            for fn in (Clerk.wait_off_turn, Clerk.wait):
                nursery.start_soon(outcome_of, list[Any](), clerk.call, fn, 5.0)
            await settle()
            if number % 3 == 0:
                clerk.kill()
            elif number % 3 == 1:
                clerk.cast_nowait(Clerk.crash)
            else:
                nursery.start_soon(clerk.stop)
    assert trio.lowlevel.current_statistics().tasks_living == before

"""Ends: the record, waiting for it, and being told of it (sections EX of the catalogue)."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import gc
import weakref
from contextlib import suppress
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisors import Actor, Down, Exit, Monitor, Name, Ref, SupervisorSpec, open_supervisor
from tests.supervisors.cast import Bug, Clerk, open_clerk, settle


class Watcher(Actor):
    """Notes the ends it is told of."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.monitors: list[Monitor] = []

    async def watch(self, ref: Ref[Any], note: str = "down") -> None:
        self.monitors.append(self.monitor(ref, Watcher.on_down, note))

    async def watch_self(self) -> None:
        self.monitors.append(self.monitor(self.ref, Watcher.on_down, "self"))

    async def unwatch(self) -> None:
        for monitor in self.monitors:
            monitor.cancel()
            monitor.cancel()

    async def on_down(self, down: Down, note: str) -> None:
        self.seen.append((note, down.life, down.exit.kind.value))

    async def note(self, what: str) -> None:
        self.seen.append(what)

    async def be_busy(self, seconds: float) -> None:
        await trio.sleep(seconds)


async def seen(watcher: Ref[Watcher]) -> list[Any]:
    """What the watcher was told."""
    return await watcher.get_state(lambda it: list(it.seen))


@pytest.mark.otp("EX-01", "EX-02", "EX-05")
@pytest.mark.parametrize("how", ["finish", "stop", "kill", "crash"])
async def test_the_exit_record_says_who_ended_the_life_and_why(how: str) -> None:
    """The payload and the error arrive intact."""
    payload = {"large": list(range(100))}
    async with open_clerk(restart="temporary") as (_, clerk):
        match how:
            case "finish":
                await clerk.call(Clerk.finish, payload)
            case "stop":
                await clerk.stop(reason=payload)
            case "kill":
                clerk.kill()
            case _:
                clerk.cast_nowait(Clerk.crash)
        exit_ = await clerk.ended()
    kinds = {"finish": "normal", "stop": "shutdown", "kill": "killed", "crash": "crashed"}
    assert exit_.kind.value == kinds[how]
    assert exit_.is_clean is (how in {"finish", "stop"})
    assert exit_.reason is (payload if exit_.is_clean else None)
    assert isinstance(exit_.error, Bug) is (how == "crash")


@pytest.mark.otp("EX-04")
async def test_an_actor_that_stops_itself_ends_normally() -> None:
    """And not before its running operation is finished."""
    async with open_clerk(restart="temporary") as (_, clerk):
        assert await clerk.call(Clerk.finish) == "last words"
        assert (await clerk.ended()).kind.value == "normal"


@pytest.mark.otp("EX-03", "EX-08", "EX-15")
async def test_the_end_of_a_sibling_ends_nobody_else() -> None:
    """There are no links between siblings: an end, clean or not, is the supervisor's business."""
    async with open_clerk(restart="temporary") as (root, clerk):
        sibling = await root.start_child(Clerk)
        for end in (Clerk.finish, Clerk.crash):
            other = await root.start_child(Clerk, restart="temporary")
            other.cast_nowait(end)
            await other.ended()
        assert (clerk.life, sibling.life, clerk.is_alive) == (1, 1, True)


@pytest.mark.otp("EX-07")
async def test_of_two_ends_the_first_counts(autojump_clock: MockClock) -> None:
    """Exactly one end per life, however many ask for it."""
    async with open_clerk(restart="temporary") as (_, clerk), trio.open_nursery() as nursery:
        clerk.cast_nowait(Clerk.wait, 1)
        await settle()
        nursery.start_soon(lambda: clerk.stop(reason="first"))
        await settle()
        nursery.start_soon(lambda: clerk.stop(reason="second"))
        assert (await clerk.ended()).reason == "first"


@pytest.mark.otp("EX-09", "EX-25")
@pytest.mark.parametrize("depth", [1, 2, 9, 10])
async def test_killing_a_supervisor_ends_everything_below_it(depth: int) -> None:
    """A child cannot outlive its supervisor's nursery; ``finally`` blocks run on the way."""
    async with open_supervisor() as root:
        supervisor = top = await root.start_supervisor("s", restart="temporary")
        leaves: list[Ref[Clerk]] = []
        for level in range(depth):
            leaves.append(await supervisor.start_child(Clerk))
            supervisor = await supervisor.start_supervisor(f"s{level}")
        life = root._team.slots["s"].life
        assert life is not None
        life.kill()
        exits = [await leaf.ended() for leaf in leaves]
        await settle()
        assert [exit_.kind.value for exit_ in exits] == ["killed"] * depth
        assert root.count_children().specs == 0
        with pytest.raises(Exception, match="not running"):
            await top.start_child(Clerk)


@pytest.mark.otp("EX-11")
async def test_no_message_sent_after_the_order_to_stop_is_served() -> None:
    """What was sent to a life that was asked to end is not begun."""
    for _ in range(100):
        log: list[str] = []
        async with open_clerk(log, restart="temporary") as (_, clerk), trio.open_nursery() as nursery:
            for letter in "abc":
                clerk.cast_nowait(Clerk.echo, letter)
            nursery.start_soon(clerk.stop)
            await settle()
            for letter in "def":
                clerk.cast_nowait(Clerk.echo, letter)
        assert [entry for entry in log if entry in "def"] == []


@pytest.mark.otp("EX-12", "EX-13")
async def test_the_down_message_comes_after_what_the_dead_had_sent() -> None:
    """Also when the messages came from its helper tasks."""

    class Chatty(Clerk):
        async def chat(self, to: Ref[Watcher]) -> None:
            to.cast_nowait(Watcher.note, "one")
            to.cast_nowait(Watcher.note, "two")
            self.stop()

    async with open_supervisor() as root:
        watcher = await root.start_child(Watcher)
        chatty = await root.start_child(Chatty, restart="temporary")
        await watcher.call(Watcher.watch, chatty)
        chatty.cast_nowait(Chatty.chat, watcher)
        await settle()
        assert await seen(watcher) == ["one", "two", ("down", 1, "normal")]


@pytest.mark.otp("EX-14", "EX-18", "EX-24")
@pytest.mark.parametrize("end", ["finish", "crash", "kill"])
async def test_monitoring_what_is_long_dead_tells_the_true_end_at_once(end: str) -> None:
    """D-8: the record is kept, so there is no bare "no process"."""
    async with open_clerk(restart="temporary") as (root, clerk):
        watcher = await root.start_child(Watcher)
        if end == "kill":
            clerk.kill()
        else:
            clerk.cast_nowait(Clerk.crash if end == "crash" else Clerk.finish)
        exit_ = await clerk.ended()
        await watcher.call(Watcher.watch, clerk)
        assert await seen(watcher) == [("down", 1, exit_.kind.value)]
        assert await clerk.ended() == exit_


@pytest.mark.otp("EX-18", "EX-23")
async def test_when_the_down_is_seen_the_name_is_free() -> None:
    """Whoever reacts to an end can start a successor under the name."""
    name = Name("leader", Clerk)

    class Successor(Watcher):
        async def on_down(self, down: Down, note: str) -> None:
            del down, note
            self.start_soon(self._take_over)

        async def _take_over(self) -> None:
            await root.start_child(Clerk, name=name)

    async with open_supervisor() as root:
        leader = await root.start_child(Clerk, name=name, restart="temporary")
        watcher = await root.start_child(Successor)
        await watcher.call(Watcher.watch, leader)
        await leader.stop()
        await settle()
        assert root.whereis(name) != leader
        assert root.whereis(name).is_alive


@pytest.mark.otp("EX-19", "EX-20", "EX-17", "OR-04")
async def test_a_cancelled_monitor_tells_nothing_even_if_it_was_queued(autojump_clock: MockClock) -> None:
    """Cancelling is final, may be done twice, and leaves nothing behind."""
    async with open_clerk(restart="temporary") as (root, clerk):
        watcher = await root.start_child(Watcher)
        await watcher.call(Watcher.watch, clerk)
        (monitor,) = await watcher.get_state(lambda it: it.monitors)
        watcher.cast_nowait(Watcher.be_busy, 1.0)
        await settle()
        await clerk.stop()
        monitor.cancel()
        monitor.cancel()
        assert await seen(watcher) == []


@pytest.mark.otp("EX-19")
async def test_a_monitor_cancelled_before_the_end_is_forgotten() -> None:
    """By both sides."""
    async with open_clerk(restart="temporary") as (root, clerk):
        watcher = await root.start_child(Watcher)
        await watcher.call(Watcher.watch, clerk)
        await watcher.call(Watcher.unwatch)
        life = clerk._cell.life
        assert life is not None
        assert life._endings == {}
        await clerk.stop()
        assert await seen(watcher) == []


@pytest.mark.otp("EX-18", "OR-08")
async def test_every_monitor_is_a_new_one_and_carries_its_own_arguments() -> None:
    """Two monitors of one life tell twice."""
    async with open_clerk() as (root, clerk):
        watcher = await root.start_child(Watcher)
        await watcher.call(Watcher.watch, clerk, "a")
        await watcher.call(Watcher.watch, clerk, "b")
        clerk.kill()
        await settle()
        assert await seen(watcher) == [("a", 1, "killed"), ("b", 1, "killed")]


@pytest.mark.otp("EX-22")
async def test_monitoring_oneself_tells_nobody() -> None:
    """The dead hear nothing, and the next life did not ask."""
    async with open_supervisor() as root:
        watcher = await root.start_child(Watcher)
        await watcher.call(Watcher.watch_self)
        watcher.kill()
        await settle()
        assert await seen(watcher) == []


@pytest.mark.otp("EX-21")
async def test_a_wrong_argument_is_refused_at_once() -> None:
    """No monitor is left."""
    async with open_supervisor() as root:
        watcher = await root.start_child(Watcher, restart="temporary")
        with pytest.raises(Exception, match="expected a Ref of an actor, got 'not a ref'"):
            await watcher.call(Watcher.watch, "not a ref")  # type: ignore[arg-type]  # the mistake


async def test_a_monitor_dies_with_the_life_that_wanted_it() -> None:
    """The next life of the watcher is told nothing it did not ask for."""
    async with open_clerk(restart="temporary") as (root, clerk):
        watcher = await root.start_child(Watcher)
        await watcher.call(Watcher.watch, clerk)
        watcher.kill()
        await settle()
        await clerk.stop()
        assert await seen(watcher) == []


async def test_waiting_for_an_end_is_about_the_life_there_is(autojump_clock: MockClock) -> None:
    """Not about the next one, which may live for ever."""
    async with open_clerk() as (_, clerk):
        clerk.kill()
        exit_ = await clerk.ended()
        assert (exit_.kind.value, clerk.life) == ("killed", 2)


async def test_the_exits_of_earlier_lives_are_kept() -> None:
    """Whoever remembered a life's number can ask for its end later; the last eight and the newest are known."""
    async with open_clerk() as (_, clerk):
        for number in range(1, 12):
            assert clerk.life == number
            clerk.cast_nowait(Clerk.crash if number % 2 else Clerk.finish)
            await clerk.ended(life=number)
            await settle()
        assert (await clerk.ended(life=11)).kind.value == "crashed"
        assert (await clerk.ended(life=10)).kind.value == "normal"
        assert (await clerk.ended(life=3)).kind.value == "crashed"
        for unknown in (1, 13, 0):
            with pytest.raises(ValueError, match="up to 12"):
                await clerk.ended(life=unknown)


async def test_a_kept_crash_does_not_keep_a_dead_actor_alive() -> None:
    """The error stays, with its lines; what its frames held goes with the next end."""

    class Large(Clerk):
        """Something to be freed."""

    async with open_supervisor(max_restarts=10) as root:
        large = await root.start_child(Large)
        first = await large.get_state(weakref.ref)
        for number in (1, 2):
            large.cast_nowait(Clerk.crash)
            await large.ended(life=number)
        await settle()
        gc.collect()
        assert first() is None
        error = (await large.ended(life=1)).error
        assert error is not None
        assert error.__traceback__ is not None


@pytest.mark.otp("EX-06")
async def test_an_end_cannot_be_caught_inside(autojump_clock: MockClock) -> None:
    """Catching one's own cancellation and returning does not make it a normal end: who asked first decides."""

    class Stubborn(Clerk):
        async def hold_on(self) -> str:
            with suppress(trio.Cancelled):
                await trio.sleep_forever()
            return "still here"

    async with open_supervisor() as root:
        ref = await root.start_child(Stubborn, restart="temporary")
        ref.cast_nowait(Stubborn.hold_on)
        await settle()
        ref.kill()
        assert (await ref.ended()).kind.value == "killed"


async def test_a_nested_supervisors_end_is_recorded_like_an_actors() -> None:
    """It is a child like any other."""
    async with open_supervisor() as root:
        inner = await root.start_supervisor(SupervisorSpec("inner", restart="transient"))
        inner.stop()
        await settle()
        node = root.tree().find("root/inner")
        assert node is not None
        assert node.exit == Exit(kind=node.exit.kind) if node.exit is not None else False
        assert node.status == "down"

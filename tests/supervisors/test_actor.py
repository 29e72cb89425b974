"""What an actor can do with itself: starting, continuing, helper tasks, stopping."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

from contextlib import suppress

import pytest
import trio

from supervisors import (
    Actor,
    ActorCrashed,
    AlreadyStarted,
    ChildNotFound,
    Exit,
    Ignore,
    Name,
    StartError,
    open_supervisor,
)
from tests.supervisors.cast import Bug, Clerk, open_clerk, outcome_of, settle

CLERK = Name("clerk", Clerk)


class Slow(Clerk):
    """Starts slowly."""

    async def on_start(self) -> None:
        self.log.append("starting")
        await trio.sleep(2)
        self.log.append("started")


@pytest.mark.otp("PL-01", "PL-02", "GS-01")
async def test_start_child_returns_when_on_start_has(autojump_clock: trio.testing.MockClock) -> None:
    """An acknowledged start: what is returned works."""
    log: list[str] = []
    async with open_supervisor() as root:
        await root.start_child(lambda: Slow(log))
        assert (trio.current_time(), log) == (2, ["starting", "started"])


@pytest.mark.otp("PL-05", "GS-02")
async def test_a_start_that_takes_too_long_fails_and_leaves_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """The half-started child is cancelled and gone before the starter hears of it."""
    log: list[str] = []
    async with open_supervisor() as root:
        with pytest.raises(StartError) as caught:
            await root.start_child(lambda: Slow(log), name=CLERK, start_timeout=0.5)
        assert isinstance(caught.value.__cause__, trio.TooSlowError)
        assert (trio.current_time(), log) == (0.5, ["starting"])
        assert root.count_children().specs == 0
        await root.start_child(Clerk, name=CLERK)


async def fail() -> None:
    raise Bug("no start")


class Stillborn(Actor):
    """Cannot start."""

    async def on_start(self) -> None:
        await fail()

    async def on_stop(self, _: Exit) -> None:
        raise AssertionError("on_stop is for what had started")


def broken_factory() -> Clerk:
    raise Bug("no factory")


@pytest.mark.otp("PL-07", "GS-02", "GS-34")
@pytest.mark.parametrize("factory", [Stillborn, broken_factory])
async def test_a_start_that_raises_tells_the_starter(factory: type[Actor]) -> None:
    """Nobody hangs, the original is the cause, and the supervisor is unharmed."""
    async with open_supervisor() as root:
        with pytest.raises(StartError, match="did not start: Bug: no") as caught:
            await root.start_child(factory)
        assert isinstance(caught.value.__cause__, Bug)
        assert root.count_children().specs == 0


class Shy(Clerk):
    """Declines to run."""

    async def on_start(self) -> None:
        raise Ignore("not today")


@pytest.mark.otp("PL-14", "GS-02")
@pytest.mark.parametrize("factory", [Shy, Stillborn, broken_factory])
async def test_the_name_is_free_when_the_starter_hears_that_there_is_no_child(factory: type[Clerk]) -> None:
    """OTP >= 26: first the process is gone, then the name, then the starter resumes."""
    async with open_supervisor() as root:
        for _ in range(100):
            with suppress(StartError):
                await root.start_child(factory, name=Name("shy", Clerk), restart="temporary")
            with pytest.raises(ChildNotFound):
                root.whereis(Name("shy", Clerk))


@pytest.mark.otp("GS-01", "PL-15")
async def test_a_second_start_under_a_name_answers_who_has_it(autojump_clock: trio.testing.MockClock) -> None:
    """Also while the owner is still starting, and under another supervisor: a name is reserved first."""
    async with open_supervisor() as root, trio.open_nursery() as nursery:
        other = await root.start_supervisor("other")
        nursery.start_soon(lambda: root.start_child(Slow, name=CLERK))
        await settle()
        with pytest.raises(AlreadyStarted):
            await other.start_child(Clerk, name=CLERK)
        assert trio.current_time() == 0
        await trio.sleep(3)
        with pytest.raises(AlreadyStarted) as caught:
            await other.start_child(Clerk, name=CLERK)
        assert caught.value.ref == root.whereis(CLERK)


@pytest.mark.otp("GS-01", "GS-29")
async def test_children_are_found_by_id_name_and_ref() -> None:
    """An anonymous child is called after its class; a name is known in the whole tree."""
    async with open_supervisor() as root:
        anonymous = await root.start_child(Clerk)
        inner = await root.start_supervisor("inner")
        named = await inner.start_child(Clerk, name=CLERK)
        assert anonymous.path == "root/clerk-1"
        assert root.child("clerk-1") == anonymous
        assert root.whereis(CLERK) == named == inner.child("clerk")
        with pytest.raises(TypeError, match="is a Clerk, not a Stillborn"):
            root.whereis(Name("clerk", Stillborn))


async def test_a_cancelled_starter_takes_the_start_with_it(autojump_clock: trio.testing.MockClock) -> None:
    """There is never an unowned, half-started actor."""
    log: list[str] = []
    async with open_supervisor() as root:
        with trio.move_on_after(1):
            await root.start_child(lambda: Slow(log), name="slow")
        assert (log, root.count_children().specs, trio.current_time()) == (["starting"], 0, 1)


class Continuing(Clerk):
    """Begins with a continuation, and has continuations in operations."""

    async def on_start(self) -> None:
        self.log.append("on_start")
        self.ref.cast_nowait(Clerk.echo, "continued")
        self.ref.cast_nowait(Clerk.echo, "continued again")

    async def begin_chain(self) -> str:
        self.continue_with(Continuing.go_on)
        self.continue_with(Clerk.echo, "second link")
        return "began"

    async def go_on(self) -> None:
        self.log.append("first link")
        self.continue_with(Clerk.echo, "link of the first link")


@pytest.mark.otp("GS-21", "GS-22")
async def test_what_on_start_sends_to_itself_runs_before_anything_queued() -> None:
    """A message that waits for the new life does not overtake the rest of its start."""
    log: list[str] = []
    async with open_supervisor() as root:
        ref = await root.start_child(lambda: Continuing(log))
        ref.cast_nowait(Clerk.crash)
        await ref.ended()
        assert await ref.call(Clerk.echo, "from outside") == "from outside"
        assert log[-4:] == ["on_start", "continued", "continued again", "from outside"]


@pytest.mark.otp("GS-21")
async def test_a_continuation_runs_before_any_queued_message(autojump_clock: trio.testing.MockClock) -> None:
    """Chained ones too, in the order they were asked for; the answer does not wait for them."""
    log: list[str] = []
    async with open_supervisor() as root:
        ref = await root.start_child(lambda: Continuing(log))
        ref.cast_nowait(Clerk.wait, 1)
        ref.cast_nowait(Continuing.begin_chain)
        await ref.call(Clerk.echo, "queued before")
        assert log[4:] == ["waited", "first link", "link of the first link", "second link", "queued before"]


class Host(Clerk):
    """Has helper tasks."""

    async def host(self, seconds: float) -> None:
        self.start_soon(self._help, seconds)

    async def host_a_bug(self) -> None:
        self.start_soon(fail)

    async def _help(self, seconds: float) -> None:
        try:
            await trio.sleep(seconds)
            self.ref.cast_nowait(Clerk.echo, "helped")
        finally:
            self.log.append("helper ends")


async def test_helper_tasks_end_before_on_stop_and_before_the_next_life(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Rule 9: a new life finds nothing of the old one."""
    log: list[str] = []
    async with open_supervisor() as root:
        ref = await root.start_child(lambda: Host(log))
        await ref.call(Host.host, 100)
        with pytest.raises(ActorCrashed):
            await ref.call(Clerk.crash)
        assert await ref.call(Clerk.echo, "new life") == "new life"
        assert log == ["helper ends", "stop crashed", "new life"]


async def test_a_helper_that_finishes_tells_its_actor_by_a_cast(autojump_clock: trio.testing.MockClock) -> None:
    """Only turns touch the state; a helper sends a message like everybody else."""
    async with open_supervisor() as root:
        ref = await root.start_child(Host)
        await ref.call(Host.host, 1)
        await trio.sleep(2)
        assert await ref.get_state(lambda host: host.log) == ["helper ends", "helped"]


async def test_a_helpers_bug_is_its_actors_crash() -> None:
    """A task nobody waits for must not fail in silence."""
    async with open_supervisor() as root:
        ref = await root.start_child(Host, restart="temporary")
        await ref.call(Host.host_a_bug)
        exit_ = await ref.ended()
        assert (exit_.kind.value, type(exit_.error)) == ("crashed", Bug)


@pytest.mark.otp("GS-38", "GS-36")
async def test_a_clean_up_that_raises_is_how_the_life_ended() -> None:
    """Silence about a failed clean-up would be a lie in the exit record."""

    class Messy(Actor):
        async def on_stop(self, _: Exit) -> None:
            raise Bug("mess")

    async with open_supervisor() as root:
        ref = await root.start_child(Messy, restart="temporary")
        exit_ = await ref.stop()
        assert (exit_.kind.value, str(exit_.error)) == ("crashed", "mess")


@pytest.mark.otp("GS-35")
async def test_an_actor_without_on_stop_ends_as_asked() -> None:
    """Clean-up is optional."""

    class Plain(Actor):
        """Has nothing at all."""

    async with open_supervisor() as root:
        ref = await root.start_child(Plain, restart="temporary")
        assert (await ref.stop(reason=7)).reason == 7


async def test_what_needs_a_life_says_so_before_there_is_one() -> None:
    """``__init__`` runs before the actor is anywhere."""
    with pytest.raises(RuntimeError, match="Clerk has no life yet"):
        _ = Clerk().ref


@pytest.mark.otp("GS-04", "GS-05", "PL-10")
async def test_stop_waits_for_the_end_and_a_second_stop_says_that_it_is_over() -> None:
    """By ref; the reason is kept in the record."""
    log: list[str] = []
    async with open_clerk(log, restart="temporary") as (_, clerk):
        exit_ = await clerk.stop(reason="enough")
        assert (exit_.kind.value, exit_.reason, log) == ("shutdown", "enough", ["stop shutdown"])
        with pytest.raises(Exception, match="not alive"):
            await clerk.stop()


@pytest.mark.otp("PL-12", "PL-13")
async def test_a_stopper_who_goes_away_leaves_the_order_standing(autojump_clock: trio.testing.MockClock) -> None:
    """The order is delivered at once; only the waiting has a limit."""
    async with open_clerk(restart="temporary") as (_, clerk):
        clerk.cast_nowait(Clerk.wait, 10)
        await settle()
        with trio.move_on_after(0):
            await clerk.stop()
        exit_ = await clerk.ended()
        assert (exit_.kind.value, trio.current_time()) == ("shutdown", 10)


async def test_stop_with_drain_serves_what_is_queued_first(autojump_clock: trio.testing.MockClock) -> None:
    """Nothing that was accepted is lost; nothing new is accepted."""
    log: list[str] = []
    async with open_clerk(log, restart="temporary") as (_, clerk), trio.open_nursery() as nursery:
        clerk.cast_nowait(Clerk.wait, 1)
        nursery.start_soon(outcome_of, list[object](), clerk.call, Clerk.echo, "queued")
        await settle()
        await clerk.stop(drain=True)
        assert log == ["wait 1", "waited", "queued", "stop shutdown"]


@pytest.mark.parametrize("what", ["helper tasks", "timers"])
async def test_nothing_that_ends_before_on_stop_can_begin_in_it(what: str) -> None:
    """It would belong to nobody: what is to be done there is awaited there."""

    class Late(Clerk):
        async def on_stop(self, _: Exit, /) -> None:
            if what == "timers":
                self.send_after(0, Clerk.echo, "late")
            else:
                self.start_soon(fail)

    async with open_supervisor() as root:
        ref = await root.start_child(Late, restart="temporary")
        exit_ = await ref.stop()
        assert f"{what} of root/late-1 end before on_stop" in str(exit_.error)


async def test_an_actor_that_is_gone_begins_nothing() -> None:
    """Whoever still holds the object cannot start tasks with it that nobody would end."""
    async with open_supervisor() as root:
        ref = await root.start_child(Clerk, restart="temporary")
        actor = await ref.get_state(lambda it: it)
        await ref.stop()
        with pytest.raises(RuntimeError, match="end before on_stop"):
            actor.start_soon(fail)

"""Children started at run time, over the restart of their supervisor; and small promises of supervisors."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    Actor,
    ActorNotAlive,
    Backoff,
    ChildNotFound,
    ChildSpec,
    Name,
    Ref,
    Supervisor,
    SupervisorSpec,
    SupervisorStopped,
    open_supervisor,
)
from tests.supervisors.cast import Clerk, open_clerk, outcome_of, settle

CLERK = Name("kept", Clerk)


async def crash_supervisor(supervisor: Supervisor) -> None:
    """Have a supervisor without restart budget give up."""
    culprit = await supervisor.start_child(Clerk, name="culprit", restart="permanent")
    culprit.cast_nowait(Clerk.crash)
    await culprit.ended()
    await settle()


async def test_children_started_at_run_time_are_gone_after_a_restart_of_their_supervisor() -> None:
    """OTP's rule: only what the spec declares is back; the refs of the others say so."""
    async with open_supervisor(max_restarts=10) as root:
        declared = ChildSpec(Clerk, name="declared")
        inner = await root.start_supervisor(SupervisorSpec("inner", children=[declared], max_restarts=0))
        stranger = await inner.start_child(Clerk, name="stranger")
        await crash_supervisor(inner)
        assert [child.name for child in inner.which_children()] == ["declared"]
        with pytest.raises(ActorNotAlive):
            await stranger.call(Clerk.echo, "a")


async def test_keep_children_brings_them_back_under_the_same_refs(autojump_clock: MockClock) -> None:
    """A ref is an address also over the restart of the supervisor: calls made meanwhile are served."""

    class Slow(Clerk):
        async def on_start(self) -> None:
            await trio.sleep(1)

    async with open_supervisor(max_restarts=10) as root, trio.open_nursery() as nursery:
        inner = await root.start_supervisor("inner", keep_children=True, max_restarts=0)
        kept = await inner.start_child(Slow, name=CLERK)
        stopped = await inner.start_child(Clerk, name="stopped")
        once = await inner.start_child(Clerk, name="once", restart="temporary")
        await inner.terminate_child("stopped")
        heard: list[Any] = []
        await crash_supervisor(inner)
        for ref in (kept, stopped, once):
            nursery.start_soon(outcome_of, heard, ref.call, Clerk.echo, ref.path)
        await trio.sleep(2)
        assert kept.life == 2
        assert root.whereis(CLERK) == kept
        assert "root/inner/kept" in heard
        assert [type(item) for item in heard if item != "root/inner/kept"] == [ActorNotAlive] * 2
        assert [child.status for child in inner.which_children()][:2] == ["running", "down"]


async def test_calls_to_the_children_of_a_supervisor_that_stays_down_fail() -> None:
    """The hope ends with the supervisor's."""
    async with open_supervisor(max_restarts=10) as root:
        inner = await root.start_supervisor(
            SupervisorSpec("inner", children=[ChildSpec(Clerk, name="clerk")], restart="transient")
        )
        ref: Any = inner.child("clerk")
        inner.stop()
        await settle()
        with pytest.raises(ActorNotAlive):
            await ref.call(Clerk.echo, "a")
        with pytest.raises(SupervisorStopped):
            await inner.start_child(Clerk)


async def test_an_actor_is_no_supervisor_and_says_so() -> None:
    """Looking the wrong kind up is an error of its own."""
    async with open_clerk() as (root, _):
        with pytest.raises(ChildNotFound, match="root/clerk is an actor, not a supervisor"):
            root.supervisor("clerk")


async def test_a_drawing_shows_what_waits_and_how_often_it_was_restarted(autojump_clock: MockClock) -> None:
    """One line per child."""
    async with open_clerk() as (root, clerk):
        clerk.kill()
        await settle()
        clerk.cast_nowait(Clerk.wait, 1)
        clerk.cast_nowait(Clerk.wait, 1)
        await settle()
        assert str(root.tree()) == "root (running)\n└─ clerk Clerk (running, 1 restart, 1 queued)"
        assert repr(clerk) == "<Ref root/clerk, life 2, running>"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Backoff(factor=0.5), "factor must be >= 1, got 0.5"),
        (lambda: Backoff(jitter=1.5), r"jitter must be within \[0, 1\], got 1.5"),
        (lambda: SupervisorSpec("s", max_children=3), "max_children needs dynamic=True"),
    ],
)
def test_values_that_cannot_work_are_refused_when_written(make: Any, message: str) -> None:
    """Before anything starts."""
    with pytest.raises(ValueError, match=message):
        make()


async def test_waiting_for_the_end_of_a_child_that_has_not_begun_waits_for_its_first(
    autojump_clock: MockClock,
) -> None:
    """A declared child has an address before it has a life."""
    ends: list[Any] = []

    class Slow(Clerk):
        async def on_start(self) -> None:
            await trio.sleep(1)

    async with open_supervisor() as root, trio.open_nursery() as nursery:
        spec = SupervisorSpec(
            "inner", children=[ChildSpec(Slow, name="first"), ChildSpec(Clerk, name="second", restart="temporary")]
        )
        nursery.start_soon(outcome_of, list[Any](), root.start_supervisor, spec)
        await settle()
        second: Any = root.supervisor("inner").child("second")
        nursery.start_soon(outcome_of, ends, second.ended)
        await trio.sleep(2)
        assert ends == []
        await second.stop()
        await settle()
        assert [end.kind.value for end in ends] == ["shutdown"]


async def test_two_helpers_that_fail_at_once_are_one_crash() -> None:
    """The first is the reason."""

    class Fragile(Actor):
        async def break_twice(self) -> None:
            self.start_soon(self._break, "one")
            self.start_soon(self._break, "two")

        async def _break(self, which: str) -> None:
            raise LookupError(which)

    async with open_supervisor() as root:
        ref = await root.start_child(Fragile, restart="temporary")
        ref.cast_nowait(Fragile.break_twice)
        exit_ = await ref.ended()
        assert exit_.kind.value == "crashed"
        assert isinstance(exit_.error, LookupError)


async def test_helpers_of_a_killed_supervisors_children_end_with_them(autojump_clock: MockClock) -> None:
    """And one that is started while everything unwinds is cancelled at once."""
    log: list[str] = []

    class Late(Actor):
        async def hold_on(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                self.start_soon(self._help)

        async def help_now(self) -> None:
            self.start_soon(self._help)

        async def _help(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                log.append("ended")

    async with open_supervisor() as root:
        inner = await root.start_supervisor("inner", restart="temporary")
        late: Ref[Late] = await inner.start_child(Late)
        await late.call(Late.help_now)
        late.cast_nowait(Late.hold_on)
        await settle()
        life = root._team.slots["inner"].life
        assert life is not None
        life.kill()
        assert (await late.ended()).kind.value == "killed"
        assert log == ["ended", "ended"]

"""Turns: who may touch the state, leaving the turn, and having it back."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

from contextvars import ContextVar
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from supervisors import Actor, ActorCrashed, ActorNotAlive, open_supervisor
from tests.supervisors.cast import Clerk, open_clerk, outcome_of, settle


class Ledger(Actor):
    """Counts how many operations are in their turn at the same time."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.done: list[int] = []

    async def work(self, number: int, seconds: float) -> None:
        """Be in the turn, leave it, be in it again."""
        await self._be_inside()
        async with self.off_turn():
            await trio.sleep(seconds)
        await self._be_inside()
        self.done.append(number)

    async def _be_inside(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await trio.sleep(0.01)
        self.inside -= 1

    async def leave_twice(self) -> None:
        """Leave the turn inside a block that has left it."""
        async with self.off_turn(), self.off_turn():
            pass

    async def leave_with_a_limit(self, limit: float) -> str:
        """An operation's own timeout around a block."""
        with trio.move_on_after(limit):
            async with self.off_turn():
                await trio.sleep(10)
        await self._be_inside()
        return "in the turn again"


@pytest.mark.otp("GS-44")
async def test_the_mailbox_goes_on_while_an_operation_is_off_turn(autojump_clock: MockClock) -> None:
    """This replaces deferred replies: the caller gets its answer when the world has answered."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk), trio.open_nursery() as nursery:
        heard: list[Any] = []
        nursery.start_soon(outcome_of, heard, clerk.call, Clerk.wait_off_turn, 1.0)
        await settle()
        assert await clerk.call(Clerk.echo, "meanwhile") == "meanwhile"
        await trio.sleep(2)
        assert (log, heard) == (["leave", "meanwhile", "back"], ["came back"])


@pytest.mark.parametrize("count", [2, 3, 40])
async def test_never_two_operations_in_their_turn(count: int, autojump_clock: MockClock) -> None:
    """However many leave and come back at the same instant."""
    async with open_supervisor() as root:
        ledger = await root.start_child(Ledger)
        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(outcome_of, list[Any](), ledger.call, Ledger.work, number, 1.0)
        assert await ledger.get_state(lambda it: (it.most, sorted(it.done))) == (1, list(range(count)))


async def test_an_operation_back_from_the_world_goes_before_the_next_message(autojump_clock: MockClock) -> None:
    """A busy mailbox must not hold up what has begun."""
    async with open_supervisor() as root:
        ledger = await root.start_child(Ledger)
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(outcome_of, list[Any](), ledger.call, Ledger.work, number, 0.0)
                if number == 0:
                    await settle()
        done = await ledger.get_state(lambda it: it.done)
        assert done[0] == 0


async def test_idle_helpers_do_not_pile_up(autojump_clock: MockClock) -> None:
    """After a burst of operations off turn the actor is one task again, give or take one in reserve."""
    async with open_supervisor() as root:
        ledger = await root.start_child(Ledger)
        before = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(outcome_of, list[Any](), ledger.call, Ledger.work, number, 1.0)
        await settle()
        assert trio.lowlevel.current_statistics().tasks_living <= before + 1


async def test_a_gone_caller_cancels_the_block_and_the_operation_unwinds(autojump_clock: MockClock) -> None:
    """Rule 3: nobody waits any more, so the wait for the world ends too; what follows the block does not run."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk):
        with trio.move_on_after(1):
            await clerk.call(Clerk.wait_off_turn, 10.0)
        assert trio.current_time() == 1
        assert await clerk.call(Clerk.echo, "alive") == "alive"
        await settle()
        assert (sorted(log), clerk.life) == (["alive", "back", "leave"], 1)


async def test_a_caller_who_left_before_the_block_cancels_it_too(autojump_clock: MockClock) -> None:
    """It makes no difference when the caller went."""

    class Late(Clerk):
        async def sleep_then_leave(self) -> None:
            await trio.sleep(1)
            async with self.off_turn():
                await trio.sleep(10)
            self.log.append("not reached")

    async with open_supervisor() as root:
        late = await root.start_child(Late)
        with trio.move_on_after(0.5):
            await late.call(Late.sleep_then_leave)
        assert await late.call(Clerk.echo, "next") == "next"
        assert trio.current_time() == 1
        assert await late.get_state(lambda it: it.log) == ["next"]


async def test_an_operations_own_timeout_around_a_block_has_its_turn_afterwards(autojump_clock: MockClock) -> None:
    """Code after the block touches the state, so it needs the turn, cancelled or not."""
    async with open_supervisor() as root:
        ledger = await root.start_child(Ledger)
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(outcome_of, list[Any](), ledger.call, Ledger.work, number, 0.99)
            assert await ledger.call(Ledger.leave_with_a_limit, 1.0) == "in the turn again"
        assert await ledger.get_state(lambda it: it.most) == 1


async def test_leaving_the_turn_twice_is_a_mistake_and_says_so() -> None:
    """There is only one turn to give away."""
    async with open_supervisor() as root:
        ledger = await root.start_child(Ledger, restart="temporary")
        with pytest.raises(ActorCrashed, match="does not nest"):
            await ledger.call(Ledger.leave_twice)


async def test_a_stop_cancels_the_blocks_and_tells_the_callers(autojump_clock: MockClock) -> None:
    """What waits for the world does not hold up the end; ``on_stop`` comes after it."""
    log: list[str] = []
    heard: list[Any] = []
    async with trio.open_nursery() as nursery, open_clerk(log, restart="temporary") as (_, clerk):
        for _ in range(3):
            nursery.start_soon(outcome_of, heard, clerk.call, Clerk.wait_off_turn, 10.0)
        await settle()
        await clerk.stop()
        assert trio.current_time() == 0
        assert log == ["leave"] * 3 + ["back"] * 3 + ["stop shutdown"]
        await settle()
        assert [type(error) for error in heard] == [ActorNotAlive] * 3


async def test_a_drained_stop_lets_the_blocks_finish(autojump_clock: MockClock) -> None:
    """Draining means that everybody gets an answer."""
    heard: list[Any] = []
    async with trio.open_nursery() as nursery, open_clerk(restart="temporary") as (_, clerk):
        nursery.start_soon(outcome_of, heard, clerk.call, Clerk.wait_off_turn, 10.0)
        await settle()
        await clerk.stop(drain=True)
        await settle()
        assert (heard, trio.current_time()) == (["came back"], 10)


@pytest.mark.parametrize("how", ["crash", "kill"])
async def test_a_sudden_end_unwinds_the_blocks_and_tells_the_callers(how: str, autojump_clock: MockClock) -> None:
    """Every task of the life is gone before the next one begins."""
    log: list[str] = []
    heard: list[Any] = []
    async with trio.open_nursery() as nursery, open_clerk(log) as (_, clerk):
        for _ in range(3):
            nursery.start_soon(outcome_of, heard, clerk.call, Clerk.wait_off_turn, 10.0)
        await settle()
        if how == "kill":
            clerk.kill()
        else:
            clerk.cast_nowait(Clerk.crash)
        await settle()
        expected = ActorCrashed if how == "crash" else ActorNotAlive
        assert [type(error) for error in heard] == [expected] * 3
        assert log[3:6] == ["back"] * 3
        assert await clerk.call(Clerk.echo, "new") == "new"
        assert clerk.life == 2


async def test_an_actor_that_stops_itself_off_turn_still_answers(autojump_clock: MockClock) -> None:
    """``self.stop()`` lets the running operation finish, wherever it is."""

    class Leaver(Actor):
        async def leave(self) -> str:
            async with self.off_turn():
                self.stop()
                await trio.sleep(1)
            return "bye"

    async with open_supervisor() as root:
        leaver = await root.start_child(Leaver, restart="temporary")
        assert await leaver.call(Leaver.leave) == "bye"
        assert (await leaver.ended()).kind.value == "normal"


BOUND: ContextVar[str] = ContextVar("bound", default="nothing")


class Witness(Actor):
    """Says what is bound in its turn."""

    async def wait(self) -> None:
        """Be away, so that the next turn is another task's."""
        async with self.off_turn():
            await trio.sleep_forever()

    async def look(self) -> str:
        """Tell."""
        return BOUND.get()


async def test_a_turn_is_in_its_actors_context_whoever_sent_the_message() -> None:
    """What a sender has bound, for its logs or its traces, is not what the actor works on, then or in later turns."""
    async with open_supervisor() as root:
        witness = await root.start_child(Witness)
        witness.cast_nowait(Witness.wait)
        await trio.testing.wait_all_tasks_blocked()
        BOUND.set("the sender's")
        assert await witness.call(Witness.look) == "nothing"
        assert await witness.call(Witness.look) == "nothing"

"""A crash ends a life whatever its other operations are doing away from their turn."""

import math

import trio
import trio.testing
from trio.testing import MockClock

from supervisors import Actor, Restart, open_supervisor


class Traveller(Actor):
    async def travel(self, seconds: float = math.inf) -> None:
        async with self.off_turn():
            await trio.sleep(seconds)

    async def fall(self) -> None:
        raise LookupError


async def test_a_crash_in_the_turn_ends_operations_that_are_away() -> None:
    """An operation that comes back from its cancelled block must not wait for a turn that crashed with its holder."""
    async with open_supervisor() as root:
        traveller = await root.start_child(Traveller, restart=Restart.PERMANENT)
        traveller.cast_nowait(Traveller.travel)
        await trio.testing.wait_all_tasks_blocked()
        traveller.cast_nowait(Traveller.fall)
        with trio.fail_after(2):
            await traveller.ended()
            await trio.testing.wait_all_tasks_blocked()
        assert traveller.life == 2


async def test_a_crash_of_who_came_back_ends_operations_that_are_away(autojump_clock: MockClock) -> None:  # noqa: ARG001 - virtual time
    """Whichever of the life's tasks crashes: the one that began it, too, while another serves the one that is away."""
    async with open_supervisor() as root:
        traveller = await root.start_child(Traveller, restart=Restart.PERMANENT)
        traveller.cast_nowait(Traveller.travel, 1)
        traveller.cast_nowait(Traveller.travel)
        await trio.sleep(2)
        traveller.cast_nowait(Traveller.fall)
        with trio.fail_after(2):
            await traveller.ended()
        assert traveller.life == 2

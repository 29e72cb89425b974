"""A crash ends a life whatever its other operations are doing away from their turn."""

import trio
import trio.testing

from supervisors import Actor, Restart, open_supervisor


class Traveller(Actor):
    async def travel(self) -> None:
        async with self.off_turn():
            await trio.sleep_forever()

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

"""Seats are given first come first served, and all that a request needs at once."""

import trio
import trio.testing

from tinkex_actors.local.seats import Seats


async def test_who_came_first_sits_first_even_if_a_later_one_would_fit(autojump_clock: trio.testing.MockClock) -> None:
    """Else a request of many samples would starve behind small ones."""
    del autojump_clock
    seats, order = Seats(4), list[str]()

    async def sit(name: str, number: int, arrives: float) -> None:
        await trio.sleep(arrives)
        async with seats.take(number):
            order.append(name)
            await trio.sleep(10)

    async with trio.open_nursery() as nursery:
        for arrives, (name, number) in enumerate([("a", 3), ("many", 4), ("small", 1)]):
            nursery.start_soon(sit, name, number, float(arrives))
        await trio.sleep(5)
        assert (order, seats.waiting) == (["a"], 2)
    assert order == ["a", "many", "small"]
    assert trio.current_time() >= 30


async def test_two_that_fit_beside_each_other_are_let_in_together(autojump_clock: trio.testing.MockClock) -> None:
    """What one leaves may be room for several."""
    del autojump_clock
    seats, begun = Seats(4), list[float]()

    async def sit(number: int) -> None:
        async with seats.take(number):
            begun.append(trio.current_time())
            await trio.sleep(10)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sit, 4)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(2):
            nursery.start_soon(sit, 2)
    first, second, third = begun
    assert second == third == first + 10


async def test_who_gives_up_waiting_lets_the_next_one_in(autojump_clock: trio.testing.MockClock) -> None:
    """A cancelled request must not block the queue."""
    del autojump_clock
    seats = Seats(2)
    async with trio.open_nursery() as nursery, seats.take(1):
        with trio.move_on_after(1):
            async with seats.take(2):
                raise AssertionError

        async def sit() -> None:
            async with seats.take(1):
                pass

        nursery.start_soon(sit)
        await trio.testing.wait_all_tasks_blocked()
        assert seats.waiting == 0


async def test_a_request_larger_than_the_room_has_it_for_itself() -> None:
    """Better than waiting for ever."""
    seats = Seats(2)
    async with seats.take(5):
        assert seats.waiting == 0

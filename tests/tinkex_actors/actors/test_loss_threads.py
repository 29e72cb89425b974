"""Threads for losses: so many at once, each with a time of its own, and a bounded number left behind."""

import threading

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tinkex_actors.actors.loss_threads import LossThreads
from tinkex_actors.compute.loss_errors import LossError


async def test_waiting_for_a_thread_does_not_count_as_taking_long(mock_clock: MockClock) -> None:
    """Of many terms and few threads, the last would time out without having begun."""
    threads, gate = LossThreads(1), threading.Event()
    async with trio.open_nursery() as nursery:

        async def first() -> None:
            await threads.run(gate.wait, seconds=100.0, name="first")

        async def second() -> None:
            await threads.run(list[int], seconds=1.0, name="second")

        nursery.start_soon(first)
        await wait_all_tasks_blocked()
        nursery.start_soon(second)
        await wait_all_tasks_blocked()
        mock_clock.jump(50)
        assert threads.running == 1
        gate.set()
    assert threads.running == 0


async def test_threads_left_behind_are_counted_until_they_end(mock_clock: MockClock) -> None:
    """They cannot be stopped, so there may not be too many; those that end make room again."""
    threads, gate = LossThreads(1), threading.Event()

    async def too_slow() -> None:
        with pytest.raises(trio.TooSlowError):
            await threads.run(gate.wait, seconds=1.0, name="slow")

    for number in (1, 2):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(too_slow)
            await wait_all_tasks_blocked()
            mock_clock.jump(2)
        assert threads.running == number
    with pytest.raises(LossError, match="expected at most 2 threads at work on losses, got as many"):
        await threads.run(list[int], seconds=1.0, name="refused")
    gate.set()
    while threads.running:
        await wait_all_tasks_blocked(0.001)
    assert await threads.run(lambda: 7, seconds=1.0, name="welcome") == 7

"""The work done by actors under a supervisor."""

import trio

from benchmarks.measure import Stopwatch
from supervisors import Actor, Mailbox, Overflow, Restart, open_supervisor
from supervisors._timer import Timers


class Counter(Actor):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.total = 0

    async def add(self, by: int) -> int:
        self.total += by
        return self.total

    async def crash(self) -> None:
        raise ValueError

    async def tick(self) -> None:
        self.total += 1


async def call(count: int) -> float:
    async with open_supervisor("root") as root:
        counter = await root.start_child(Counter)
        with Stopwatch() as watch:
            for _ in range(count):
                await counter.call(Counter.add, 1)
    return watch.seconds


async def call_in_time(count: int) -> float:
    async with open_supervisor("root") as root:
        counter = await root.start_child(Counter)
        with Stopwatch() as watch:
            for _ in range(count):
                with trio.fail_after(5):
                    await counter.call(Counter.add, 1)
    return watch.seconds


async def hundred_callers(count: int) -> float:
    async with open_supervisor("root") as root:
        counter = await root.start_child(Counter)

        async def ask() -> None:
            for _ in range(count // 100):
                await counter.call(Counter.add, 1)

        with Stopwatch() as watch:
            async with trio.open_nursery() as callers:
                for _ in range(100):
                    callers.start_soon(ask)
    return watch.seconds


async def cast_sender(count: int) -> float:
    async with open_supervisor("root") as root:
        counter = await root.start_child(Counter)
        with Stopwatch() as watch:
            for _ in range(count):
                counter.cast_nowait(Counter.add, 1)
        await counter.call(Counter.add, 1)
    return watch.seconds


async def cast_through(count: int) -> float:
    async with open_supervisor("root") as root:
        counter = await root.start_child(Counter)
        with Stopwatch() as watch:
            for _ in range(count):
                counter.cast_nowait(Counter.add, 1)
            await counter.call(Counter.add, 1)
    return watch.seconds


async def cast_bounded(count: int) -> float:
    async with open_supervisor("root") as root:
        counter = await root.start_child(Counter, mailbox=Mailbox(100, Overflow.WAIT))
        with Stopwatch() as watch:
            for _ in range(count):
                await counter.cast(Counter.add, 1)
            await counter.call(Counter.add, 1)
    return watch.seconds


async def start_and_stop(count: int) -> float:
    async with open_supervisor("root") as root:
        with Stopwatch() as watch:
            for _ in range(count):
                counter = await root.start_child(Counter, restart=Restart.TEMPORARY)
                await counter.stop()
    return watch.seconds


async def restart_among(siblings: int, count: int) -> float:
    async with open_supervisor("root", max_restarts=count + 1, max_seconds=1e9) as root:
        counter = await root.start_child(Counter)
        for _ in range(siblings - 1):
            await root.start_child(Counter)
        with Stopwatch() as watch:
            for _ in range(count):
                counter.cast_nowait(Counter.crash)
                await counter.ended()
                await counter.call(Counter.add, 1)
    return watch.seconds


class Clock(Counter):
    """Arms timers that stay pending, and many that fire at once."""

    async def arm(self, pending: int, firing: int) -> None:
        for number in range(pending):
            self.send_after(1e6 + number, Clock.tick)
        for _ in range(firing):
            self.send_after(0, Clock.tick)


async def timers(count: int) -> float:
    async with open_supervisor("root") as root:
        clock = await root.start_child(Clock)
        await clock.call(Clock.arm, 10_000, 0)
        with Stopwatch() as watch:
            await clock.call(Clock.arm, 0, count)
            while await clock.call(Clock.add, 0) < count:
                await trio.lowlevel.checkpoint()
    return watch.seconds


async def timer_heap(count: int) -> float:
    """The tree's timers alone: a hundred armed, then fired, over and over, among ten thousand that stay pending."""
    timers = Timers()
    for number in range(10_000):
        timers.at(1e9 + number * 7919 % 10_000, _do_nothing)
    with Stopwatch() as watch:
        for first in range(0, count, 100):
            for number in range(first, first + 100):
                timers.at(-1.0 - number * 104_729 % 10_000, _do_nothing)
            timers._fire_due()
    return watch.seconds


def _do_nothing() -> None:
    pass

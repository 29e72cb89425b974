"""The same work with nothing but trio: what no runtime on trio can beat by much."""

from collections import deque
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush

import outcome
import trio
import trio.testing
from trio.lowlevel import Abort, Task, current_task, reschedule, wait_task_rescheduled

from benchmarks.measure import Stopwatch, Subject


def on_trio(fn: Callable[[int], Awaitable[float]]) -> Subject:
    """Run an async subject in a trio run of its own."""
    return lambda count: trio.run(fn, count)


def _abort(_: object) -> Abort:
    return Abort.SUCCEEDED


class Pair:
    """Two tasks that wake each other."""

    def __init__(self) -> None:
        self.left: Task | None = None
        self.right: Task | None = None

    async def answer(self) -> None:
        self.right = current_task()
        while True:
            await wait_task_rescheduled(_abort)
            assert self.left is not None
            reschedule(self.left, outcome.Value(None))

    async def ask(self, count: int) -> None:
        assert self.right is not None
        self.left = current_task()
        for _ in range(count):
            reschedule(self.right, outcome.Value(None))
            await wait_task_rescheduled(_abort)

    async def ask_in_time(self, count: int) -> None:
        assert self.right is not None
        self.left = current_task()
        for _ in range(count):
            with trio.fail_after(5):
                reschedule(self.right, outcome.Value(None))
                await wait_task_rescheduled(_abort)


async def two_switches(count: int) -> float:
    """Park and reschedule, there and back."""
    pair = Pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pair.answer)
        await trio.testing.wait_all_tasks_blocked()
        with Stopwatch() as watch:
            await pair.ask(count)
        nursery.cancel_scope.cancel()
    return watch.seconds


async def two_switches_in_time(count: int) -> float:
    """The same inside ``fail_after``."""
    pair = Pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pair.answer)
        await trio.testing.wait_all_tasks_blocked()
        with Stopwatch() as watch:
            await pair.ask_in_time(count)
        nursery.cancel_scope.cancel()
    return watch.seconds


async def hundred_pairs(count: int) -> float:
    """A hundred pairs side by side, *count* round trips in all."""
    pairs = [Pair() for _ in range(100)]
    async with trio.open_nursery() as nursery:
        for pair in pairs:
            nursery.start_soon(pair.answer)
        await trio.testing.wait_all_tasks_blocked()
        with Stopwatch() as watch:
            async with trio.open_nursery() as askers:
                for pair in pairs:
                    askers.start_soon(pair.ask, count // 100)
        nursery.cancel_scope.cancel()
    return watch.seconds


def append_and_pop(count: int) -> float:
    """A message with nobody to read it."""
    queue: deque[int] = deque()
    with Stopwatch() as watch:
        for number in range(count):
            queue.append(number)
            queue.popleft()
    return watch.seconds


async def through_channel(count: int) -> float:
    """Messages through trio's own bounded channel, to a task that reads them."""
    send, receive = trio.open_memory_channel[int](100)

    async def read() -> None:
        async for _ in receive:
            pass

    with Stopwatch() as watch:
        async with trio.open_nursery() as nursery, send:
            nursery.start_soon(read)
            for number in range(count):
                await send.send(number)
    return watch.seconds


async def park_and_cancel(count: int) -> float:
    """Start a task with a scope, let it park, cancel it, wait for its end."""
    async with trio.open_nursery() as nursery:
        with Stopwatch() as watch:
            for _ in range(count):
                scope, ended = trio.CancelScope(), trio.Event()
                nursery.start_soon(_park, scope, ended)
                await trio.lowlevel.checkpoint()
                scope.cancel()
                await ended.wait()
    return watch.seconds


async def _park(scope: trio.CancelScope, ended: trio.Event) -> None:
    with scope:
        await wait_task_rescheduled(_abort)
    ended.set()


async def crash_and_start(count: int) -> float:
    """A server that crashes, a new one, one question: without a supervisor."""
    me = current_task()
    async with trio.open_nursery() as nursery:
        with Stopwatch() as watch:
            for _ in range(count):
                died = trio.Event()
                nursery.start_soon(_crash, died)
                await died.wait()
                scope = trio.CancelScope()
                nursery.start_soon(_answer_once, scope, me)
                await wait_task_rescheduled(_abort)
                scope.cancel()
    return watch.seconds


async def _crash(died: trio.Event) -> None:
    try:
        _raise()
    except ValueError:
        died.set()


def _raise() -> None:
    raise ValueError


async def _answer_once(scope: trio.CancelScope, asker: Task) -> None:
    with scope:
        reschedule(asker, outcome.Value(None))
        await wait_task_rescheduled(_abort)


def push_and_pop(count: int) -> float:
    """A heap of ten thousand times, and the same pushes and pops as our timers make: with nothing to do at any of them."""
    heap: list[float] = []
    for number in range(10_000):
        heappush(heap, 1e9 + number * 7919 % 10_000)
    with Stopwatch() as watch:
        for first in range(0, count, 100):
            for number in range(first, first + 100):
                heappush(heap, -1.0 - number * 104_729 % 10_000)
            for _ in range(100):
                heappop(heap)
    return watch.seconds


def push_and_pop_actions(count: int) -> float:
    """The same, of tuples with an order and something to do: what every timer that is a heap has to keep."""
    heap: list[tuple[float, int, object]] = []
    for number in range(10_000):
        heappush(heap, (1e9 + number * 7919 % 10_000, number, push_and_pop))
    with Stopwatch() as watch:
        for first in range(0, count, 100):
            for number in range(first, first + 100):
                heappush(heap, (-1.0 - number * 104_729 % 10_000, number, push_and_pop))
            for _ in range(100):
                heappop(heap)
    return watch.seconds

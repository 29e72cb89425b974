"""The cheapest thing that has the signature of our casts: what the shape costs before there is an actor in it.

``method, *args, **kwargs`` go in, are kept, and are awaited one after the other. No look-up, no check, no bound but that
of the last subject, no life, nobody to crash, nothing to see.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import outcome
import trio
import trio.testing
from trio.lowlevel import Abort, Task, current_task, reschedule, wait_task_rescheduled

from benchmarks.actors.ours import Counter
from benchmarks.measure import Stopwatch

_CAPACITY = 100


class Box:
    """Keeps messages, and performs them when told to."""

    __slots__ = ("counter", "inbox", "reader", "sender")

    def __init__(self) -> None:
        self.inbox: deque[tuple[Any, ...]] = deque()
        self.counter = Counter()
        self.reader: Task | None = None
        self.sender: Task | None = None

    def tell(self, operation: Callable[..., Awaitable[object]], /, *args: Any, **kwargs: Any) -> None:
        """Keep a message."""
        self.inbox.append((operation, args, kwargs) if kwargs else (operation, args))

    async def tell_in_turn(self, operation: Callable[..., Awaitable[object]], /, *args: Any, **kwargs: Any) -> None:
        """Keep a message; a cancellation point, and where a full box is waited for."""
        await trio.lowlevel.checkpoint_if_cancelled()
        inbox = self.inbox
        inbox.append((operation, args, kwargs) if kwargs else (operation, args))
        if len(inbox) >= _CAPACITY:
            await self._wait()

    async def _wait(self) -> None:
        self.sender = current_task()
        if self.reader is not None:
            reschedule(self.reader, outcome.Value(None))
        await wait_task_rescheduled(_abort)

    async def perform(self) -> None:
        """Perform what there is."""
        inbox, counter = self.inbox, self.counter
        while inbox:
            message = inbox.popleft()
            if len(message) == 2:
                await message[0](counter, *message[1])
            else:
                await message[0](counter, *message[1], **message[2])

    async def read(self) -> None:
        """Perform what there is, for ever."""
        self.reader = current_task()
        while True:
            await wait_task_rescheduled(_abort)
            await self.perform()
            if self.sender is not None:
                reschedule(self.sender, outcome.Value(None))


def _abort(_: object) -> Abort:
    return Abort.SUCCEEDED


async def sender(count: int) -> float:
    """Messages that nobody reads."""
    box = Box()
    with Stopwatch() as watch:
        for _ in range(count):
            box.tell(Counter.add, 1)
    await trio.lowlevel.checkpoint()
    return watch.seconds


async def through(count: int) -> float:
    """Messages that are performed."""
    box = Box()
    with Stopwatch() as watch:
        for _ in range(count):
            box.tell(Counter.add, 1)
        await box.perform()
    await trio.lowlevel.checkpoint()
    return watch.seconds


async def bounded(count: int) -> float:
    """Messages to a box of a hundred, which another task empties."""
    box = Box()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.read)
        await trio.testing.wait_all_tasks_blocked()
        with Stopwatch() as watch:
            for _ in range(count):
                await box.tell_in_turn(Counter.add, 1)
            await box.perform()
        nursery.cancel_scope.cancel()
    return watch.seconds

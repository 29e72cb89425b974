"""Room for so many sequences at once, given first come first served.

Not trio's limiter: a request takes a seat for each of its samples, all of them at once, so that two requests that both
need many cannot each hold half and wait for the other.
"""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
from attrs import define, field


@define(eq=False)
class Seats:
    """Seats that are free, and who waits for some."""

    total: int
    whole: "Seats | None" = None
    """The seats these are a share of, if they are."""
    _taken: int = field(default=0, init=False)
    _queue: deque[trio.Event] = field(factory=deque[trio.Event], init=False)
    waiting: int = field(default=0, init=False)
    """How many requests wait, for these seats or for a share of them."""

    def share(self, total: int) -> "Seats":
        """Make seats of which *total* may be taken; who has one then takes one of the whole as well."""
        return Seats(total, whole=self)

    @asynccontextmanager
    async def take(self, number: int) -> AsyncGenerator[None]:
        """Hold *number* seats, or all of them if there are fewer, until the block is left."""
        number = min(number, self.total)
        await self._wait_for(number)
        self._taken += number
        try:
            yield
        finally:
            self._taken -= number
            self._wake_first()

    async def _wait_for(self, number: int) -> None:
        if not self._queue and self._fits(number):
            return
        turn = trio.Event()
        self._queue.append(turn)
        self._count(1)
        try:
            while self._queue[0] is not turn or not self._fits(number):
                await turn.wait()
                if not self._fits(number):
                    turn = self._queue[0] = trio.Event()
        finally:
            self._queue.remove(turn)
            self._count(-1)
            # The next may fit beside this one, or fit now that this one has gone away.
            self._wake_first()

    def _fits(self, number: int) -> bool:
        return self._taken + number <= self.total

    def _count(self, change: int) -> None:
        seats: Seats | None = self
        while seats is not None:
            seats.waiting += change
            seats = seats.whole

    def _wake_first(self) -> None:
        if self._queue:
            self._queue[0].set()

"""Budgets: how many requests of a lane, and how many estimated bytes, may be on their way at once.

A budget is held only while a request is being sent: neither the delay before another attempt nor the wait for a result
occupies it. The byte budget is soft, as the service's own is: a request waits while the balance is negative and may then
take it far below zero, so that one request larger than the whole budget still passes, alone.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from math import inf

import trio

from tinkex_actors.transport.seam import Answer, Body, Lane, Route, Sending, Transport


class ByteBudget:
    """A soft semaphore of bytes; first come, first served.

    Cancelling while waiting gives the place in the line up; whatever was taken comes back at the end of the block.
    """

    def __init__(self, size_bytes: Callable[[], float] | float) -> None:
        """Make a budget of *size_bytes*; a callable is asked each time, since the server may say otherwise later."""
        self._size = size_bytes if callable(size_bytes) else lambda: size_bytes
        self._in_use = 0
        self._line: OrderedDict[trio.Event, None] = OrderedDict()

    @property
    def in_use_bytes(self) -> int:
        """What is taken at the moment; more than the size if the last one in was large."""
        return self._in_use

    @asynccontextmanager
    async def hold(self, size_bytes: int) -> AsyncGenerator[None, None]:
        """Hold *size_bytes* for the block; wait first while the balance is negative or others wait."""
        await self.take(size_bytes)
        try:
            yield
        finally:
            self.give_back(size_bytes)

    async def take(self, size_bytes: int) -> None:
        """Take *size_bytes*, which the caller gives back; wait first while the balance is negative or others wait.

        Where there is room this neither waits nor lets other tasks run: a request does that anyway.
        """
        if not self.take_now(size_bytes):
            await self._queue()
            self._in_use += size_bytes
            self._wake_next()

    def take_now(self, size_bytes: int) -> bool:
        """Take *size_bytes* if that needs no waiting, and say whether it was taken."""
        if self._line or self._in_use > self._size():
            return False
        self._in_use += size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        """Give back what was taken."""
        self._in_use -= size_bytes
        if self._line:
            self._wake_next()

    async def _queue(self) -> None:
        turn = trio.Event()
        self._line[turn] = None
        try:
            await turn.wait()
        except trio.Cancelled:
            self._line.pop(turn, None)
            self._wake_next()
            raise
        del self._line[turn]

    def _wake_next(self) -> None:
        """Wake the first in line. It leaves the line itself, so that nobody overtakes it in between."""
        if self._line and self._in_use <= self._size():
            next(iter(self._line)).set()


class Budgeted:
    """Keeps each lane within its count and its bytes."""

    def __init__(
        self, below: Transport, *, counts: Mapping[Lane, int], sizes: Mapping[Lane, Callable[[], float] | float]
    ) -> None:
        """Wrap *below*; lanes without a figure are unlimited. A size that is a callable is asked each time."""
        self._below = below
        # A count is a budget in which every request weighs one, and whose last place overdraws it.
        self._held = {
            lane: (ByteBudget(counts.get(lane, inf) - 1), ByteBudget(sizes.get(lane, inf)))
            for lane in {*counts, *sizes}
        }

    def send(self, route: Route, body: Body, /) -> Sending:
        """Wait for room in the route's lane, then send."""
        held = self._held.get(route.lane)
        return self._below.send(route, body) if held is None else self._send_within(held, route, body)

    async def _send_within(self, held: tuple[ByteBudget, ByteBudget], route: Route, body: Body) -> Answer:
        (count, budget), weight = held, body.weight_bytes
        body.standing.wait("room among the requests on their way")
        if not count.take_now(1):
            await count.take(1)
        try:
            if not budget.take_now(weight):
                await budget.take(weight)
            try:
                body.standing.wait("the server's answer")
                return await self._below.send(route, body)
            finally:
                budget.give_back(weight)
        finally:
            count.give_back(1)

"""Budgets: how many requests of a lane, and how many estimated bytes, may be on their way at once.

A budget is held only while a request is being sent: neither the delay before another attempt nor the wait for a result
occupies it. The byte budget is soft, as the service's own is: a request waits while the balance is negative and may then
take it far below zero, so that one request larger than the whole budget still passes, alone.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager

import trio

from tinkex_actors.transport.seam import Answer, Body, Lane, Route, Transport


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
        if self._line or self._is_overdrawn():
            await self._queue()
        self._in_use += size_bytes
        if self._line:
            self._wake_next()

    def give_back(self, size_bytes: int) -> None:
        """Give back what was taken."""
        self._in_use -= size_bytes
        if self._line:
            self._wake_next()

    def _is_overdrawn(self) -> bool:
        return self._in_use > self._size()

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
        if self._line and not self._is_overdrawn():
            next(iter(self._line)).set()


class Budgeted:
    """Keeps each lane within its count and its bytes."""

    def __init__(
        self, below: Transport, *, counts: Mapping[Lane, int], sizes: Mapping[Lane, Callable[[], float] | float]
    ) -> None:
        """Wrap *below*; lanes without a figure are unlimited. A size that is a callable is asked each time."""
        self._below = below
        # A count is a budget in which every request weighs one, and whose last place overdraws it.
        self._counts = {lane: ByteBudget(count - 1) for lane, count in counts.items()}
        self._budgets = {lane: ByteBudget(size) for lane, size in sizes.items()}

    async def send(self, route: Route, body: Body, /) -> Answer:
        """Wait for room in the route's lane, then send."""
        count, budget = self._counts.get(route.lane), self._budgets.get(route.lane)
        if count is None:
            return await self._send_within(budget, route, body)
        body.standing.wait("room among the requests on their way")
        await count.take(1)
        try:
            return await self._send_within(budget, route, body)
        finally:
            count.give_back(1)

    async def _send_within(self, budget: ByteBudget | None, route: Route, body: Body) -> Answer:
        if budget is not None:
            body.standing.wait("room among the requests on their way")
            await budget.take(body.weight_bytes)
        body.standing.wait("the server's answer")
        try:
            return await self._below.send(route, body)
        finally:
            if budget is not None:
                budget.give_back(body.weight_bytes)

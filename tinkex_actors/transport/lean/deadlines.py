"""Deadlines without a cancel scope for each request: one task looks after all of them.

A scope around every request costs more than the rest of the request's scheduling. So every connection carries the time at
which its patience ends, and one task, which belongs to the pool, sleeps until the earliest and closes what is late: closing
wakes whoever waits there. Moving a deadline costs a store; only one earlier than all others wakes the task. It looks at
most ten times a second, so a deadline may be noticed a tenth of a second late, never early.
"""

from math import inf
from typing import Protocol

import httpx
import trio

_TICK = 0.1
"""Seconds between two looks, at least."""


class Mortal(Protocol):
    """What a sweeper ends."""

    @property
    def deadline(self) -> "Deadline":
        """When."""
        ...

    def expire(self) -> None:
        """End it, waking whoever waits for it. Called at most once a deadline."""
        ...


class Sweeper:
    """Ends what is late. :meth:`run` is a task of the pool."""

    def __init__(self) -> None:
        self.now = trio.lowlevel.current_clock().current_time
        """The time. Asking the clock itself is a third of what ``trio.current_time()`` is, and a request asks often."""
        self._watched: set[Mortal] = set()
        self._next = inf
        self._woken = trio.Event()

    def add(self, mortal: Mortal) -> None:
        """Look after *mortal* until it is removed."""
        self._watched.add(mortal)

    def remove(self, mortal: Mortal) -> None:
        """Look after it no more."""
        self._watched.discard(mortal)

    @property
    def next_look(self) -> float:
        """When the next look is, on trio's clock."""
        return self._next

    def look_by(self, when: float) -> None:
        """Look at *when* at the latest."""
        self._next = when
        self._woken.set()

    async def run(self) -> None:
        """End whatever is late, for ever."""
        while True:
            with trio.move_on_at(self._next):
                await self._woken.wait()
            self._woken = trio.Event()
            if self.now() >= self._next:
                self._sweep()
                await trio.sleep(_TICK)

    def _sweep(self) -> None:
        now = self.now()
        for mortal in [mortal for mortal in self._watched if mortal.deadline.at <= now]:
            mortal.expire()
        # Closing removes; what was not closed has moved its deadline.
        self._next = min((mortal.deadline.at for mortal in self._watched), default=inf)


class Deadline:
    """When one connection's patience ends, and what that would mean."""

    __slots__ = ("_sweeper", "_within", "at", "fault", "has_struck")

    def __init__(self, sweeper: Sweeper) -> None:
        self._sweeper = sweeper
        self._within = inf
        self.at = inf
        self.fault: type[httpx.TimeoutException] | None = None
        self.has_struck = False
        """Whether it came: set by whoever is ended by it."""

    def arm(self, within: float | None, fault: type[httpx.TimeoutException] | None) -> None:
        """Allow *within* seconds from now on; after them comes *fault*, or for ``None`` nobody minds."""
        self.fault = fault
        self._within = inf if within is None else within
        self.refresh()

    def refresh(self) -> None:
        """Something has happened: the same patience again, from now on."""
        self.at = at = self._sweeper.now() + self._within
        if at < self._sweeper.next_look:
            self._sweeper.look_by(at)

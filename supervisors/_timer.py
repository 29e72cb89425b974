"""Timers of one tree: a heap and one task that sleeps until the earliest.

A timer that fires only appends a message or begins a restart, so ten thousand of them cost a heap push and pop each,
not a task each. Never early; equal times fire in the order they were armed; a cancelled timer never fires.
"""

import math
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from supervisors._reply import Request

if TYPE_CHECKING:
    from supervisors._turn import ActorLife


HeapTimer: TypeAlias = list[Any]
"""A pending action, ``[when, order, action]``; whoever may want to cancel it keeps it. None for the action: it is over.

It is its own entry of the heap: a list display is the cheapest object that can be both compared and changed.
"""


class Timers:
    """The heap, and the task that watches it."""

    __slots__ = ("_cancelled", "_due", "_heap", "_order", "_scope")

    def __init__(self) -> None:
        self._heap: list[HeapTimer] = []
        self._order = 0
        self._cancelled = 0
        self._due = -math.inf
        """When the watching task wakes up by itself."""
        self._scope: trio.CancelScope | None = None

    def at(self, when: float, action: Callable[[], None]) -> HeapTimer:
        """Do *action* at *when*, in the watching task: it must not raise and not block."""
        self._order = order = self._order + 1
        timer: HeapTimer = [when, order, action]
        heappush(self._heap, timer)
        if when < self._due:
            self._wake_at(when)
        return timer

    def _wake_at(self, when: float) -> None:
        self._due = when
        if self._scope is not None:
            self._scope.deadline = when

    def cancel(self, timer: HeapTimer) -> bool:
        """Make sure the timer's action does not happen any more. Returns whether it was still to come."""
        if timer[2] is None:
            return False
        timer[2] = None
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._heap):  # noqa: PLR2004 - small heaps are not worth it
            self._sweep()
        return True

    def _sweep(self) -> None:
        """Take the cancelled out of the heap: memory follows the living."""
        self._heap[:] = [timer for timer in self._heap if timer[2] is not None]
        heapify(self._heap)
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    @trio.lowlevel.enable_ki_protection
    async def watch(self) -> None:
        """Fire what is due, for ever."""
        while True:
            self._fire_due()
            self._due = self._heap[0][0] if self._heap else math.inf
            with trio.CancelScope(deadline=self._due) as self._scope:
                await trio.sleep_forever()

    def _fire_due(self) -> None:
        now = trio.current_time()
        heap = self._heap
        while heap and heap[0][0] <= now:
            timer = heappop(heap)
            action, timer[2] = timer[2], None
            if action is None:
                self._cancelled -= 1
            else:
                action()


class LifeTimer:
    """A timer of an actor's life: ``send_after`` and ``send_every``."""

    __slots__ = ("_interval", "_life", "_queued", "_request", "_served", "_timer")

    def __init__(self, life: "ActorLife", when: float, interval: float | None, request: Request) -> None:
        self._life = life
        self._interval = interval
        self._request = request
        self._queued: Request | None = None
        self._served: int | None = None
        self._timer: HeapTimer | None = life.slot.team.runtime.timers.at(when, self._fire)

    @property
    def is_pending(self) -> bool:
        """It has something more to do, or what it did is still queued."""
        return self._timer is not None

    @property
    def remaining(self) -> float | None:
        """Seconds until it fires next; None when it does not any more."""
        return None if self._timer is None else max(0.0, self._timer[0] - trio.current_time())

    def cancel(self) -> bool:
        """Make sure that nothing more happens, not even what is queued. Returns whether something was to come."""
        waits = self._queued is not None and not self._queued.is_begun and not self._queued.is_gone
        if self._queued is not None:
            self._queued.is_gone = True
        was_pending = self._timer is not None and self._life.slot.team.runtime.timers.cancel(self._timer)
        self._timer = None
        self._life.disarm(self)
        return was_pending or waits

    def only_if_idle(self) -> None:
        """Fire only if the actor has begun nothing from now until then."""
        self._served = self._life.served

    def _fire(self) -> None:
        timer, self._timer = self._timer, None
        if self._interval is not None and timer is not None:
            self._timer = self._life.slot.team.runtime.timers.at(timer[0] + self._interval, self._fire)
        else:
            self._life.disarm(self)
        if self._served is not None and not self._life.is_idle_since(self._served):
            return
        if self._life.cell.server is self._life and (self._queued is None or self._queued.is_begun):
            request = self._request
            self._queued = Request(request.cell, request.operation, request.args, request.kwargs)
            self._life.cell.post_own(self._queued)

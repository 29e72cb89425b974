"""What a state machine does between two events: the wishes of a handler, and their order of execution.

The mailbox's deque serves as gen_statem's queues: what comes next is put at its head, so that one place decides the
order. Only the holder of the turn does that, and without a checkpoint in between.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any

import trio
from attrs import define, field, frozen

from supervisors._errors import Misfit
from supervisors._exit import Exit
from supervisors._life import Life
from supervisors._reply import Message, Request, to_request
from supervisors._timer import HeapTimer
from supervisors._turn import ActorLife, Postponed

if TYPE_CHECKING:
    from supervisors._state_machine import StateMachine


class TimeoutKind(Enum):
    """The two timeouts that have no name."""

    EVENT = "event"
    STATE = "state"


@frozen
class TimeoutOrder:
    """Set a timeout (a finite delay), cancel it (infinity), or give it another event (None)."""

    name: Hashable
    delay: float | None
    request: Request


@define
class Plan:
    """What one handler has asked for."""

    target: Enum | None = None
    is_repeat: bool = False
    is_entering: bool = False
    inserted: list[Request] = field(factory=list[Request])
    timeouts: list[TimeoutOrder] = field(factory=list[TimeoutOrder])


class Timeout:
    """A pending timeout, or one that fired and whose event is still queued."""

    __slots__ = ("_life", "_timer", "request")

    def __init__(self, life: ActorLife, delay: float, request: Request) -> None:
        self._life = life
        self.request = request
        self._timer: HeapTimer | None = None
        if delay > 0:
            self._timer = life.slot.team.runtime.timers.at(trio.current_time() + delay, self._fire)

    @property
    def is_pending(self) -> bool:
        """It has not fired."""
        return self._timer is not None and self._timer[2] is not None

    def cancel(self) -> None:
        """Make sure that its event does not happen, even if it is queued."""
        if self._timer is not None:
            self._life.slot.team.runtime.timers.cancel(self._timer)
        if not self.request.is_begun:
            self.request.is_gone = True

    def _fire(self) -> None:
        self._life.cell.post_own(self.request)


class Machine:
    """The state of one state machine, its plans, postponed events and timeouts."""

    __slots__ = ("_actor", "_life", "_plans", "_postponed", "_timeouts", "state")

    def __init__(self, state: Enum) -> None:
        self.state = state
        self._plans: dict[trio.lowlevel.Task, Plan] = {}
        """One per handler, by its task: more than one while some are off their turn."""
        self._postponed: deque[Request] = deque()
        self._timeouts: dict[Hashable, Timeout] = {}

    def bind(self, actor: "StateMachine[Any]", life: ActorLife) -> None:
        """Be the machine of *life*."""
        self._actor = actor
        self._life = life
        life.at_end(self, self._end)

    def plan(self, wish: str, *, is_for_enter: bool = False) -> Plan:
        """The plan of the running handler.

        Raises:
            RuntimeError: There is none, or it is ``on_enter`` and this wish is not for it.
        """
        me = trio.lowlevel.current_task()
        plan = self._plans.get(me)
        if plan is None or self._life.turn is not me:
            raise RuntimeError(f"{wish} is for a handler that holds its turn; from elsewhere, cast to self.ref")
        if plan.is_entering and not is_for_enter:
            raise RuntimeError(f"{wish} is not for on_enter, which may only set timeouts; do it in the handler")
        return plan

    async def start(self) -> None:
        """Start the actor, and enter its first state."""
        me = trio.lowlevel.current_task()
        plan = self._plans[me] = Plan()
        try:
            await self._actor.on_start()
            self.state = self.state if plan.target is None else plan.target
            plan.target, plan.is_repeat = None, True
            await self._apply(plan, None)
        finally:
            del self._plans[me]

    async def perform(self, handler: Awaitable[object]) -> object:
        """Have an event handled, and do what the handler asked for."""
        me = trio.lowlevel.current_task()
        self._cancel(TimeoutKind.EVENT)
        plan = self._plans[me] = Plan()
        try:
            try:
                value = await handler
            except Postponed:
                await self._apply(plan, self._life.running)
                raise
            await self._apply(plan, None)
        finally:
            del self._plans[me]
        return value

    async def _apply(self, plan: Plan, postponed: Message | None) -> None:
        previous = self.state
        is_change = plan.target is not None and plan.target is not previous
        if plan.target is not None and is_change:
            self.state = plan.target
            self._cancel(TimeoutKind.STATE)
        if is_change or plan.is_repeat:
            plan.is_entering = True
            await self._actor.on_enter(previous)
        if postponed is not None:
            request = to_request(self._life.cell, postponed)
            request.is_begun = False
            self._keep(request)
        self._put_first(plan.inserted)
        self._put_first([due for order in plan.timeouts if (due := self._obey(order)) is not None])
        if is_change and self._life.is_serving:
            self._put_first(self._postponed)
            self._postponed.clear()

    def _keep(self, request: Request) -> None:
        # Callers give up in about the order in which they called: those who did are not kept for ever.
        while self._postponed and self._postponed[0].is_gone:
            self._postponed.popleft()
        self._postponed.append(request)

    def _obey(self, order: TimeoutOrder) -> Request | None:
        """Do to the timeout what was asked for. Returns an event that is due now."""
        known = self._timeouts.get(order.name)
        if order.delay is None and known is not None and known.is_pending:
            known.request = order.request
            return None
        self._cancel(order.name)
        delay = order.delay or 0.0
        if delay == math.inf:
            return None
        self._timeouts[order.name] = Timeout(self._life, delay, order.request)
        return order.request if delay == 0 else None

    def _cancel(self, name: Hashable) -> None:
        timeout = self._timeouts.pop(name, None)
        if timeout is not None:
            timeout.cancel()

    def _put_first(self, requests: Iterable[Request]) -> None:
        life = self._life
        if life.is_serving:
            queue = life.cell.open_queue()
            for request in requests:
                queue.insert(life.firsts, request)
                life.firsts += 1

    def _end(self, _: Life, exit_: Exit) -> None:
        """Answer who is postponed, and fire no more."""
        for timeout in self._timeouts.values():
            timeout.cancel()
        cell = self._life.cell
        kept: deque[Request] = deque()
        for request in self._postponed:
            if not request.fail(cell.ended_error(exit_)) and cell.spec.keep_mailbox and not request.is_gone:
                kept.append(request)
        if kept:
            cell.open_queue().extendleft(reversed(kept))


class Performer:
    """Stands between the mailbox and the actor: every operation is an event. Has no public names of its own."""

    __slots__ = ("_actor", "_machine")

    def __init__(self, actor: "StateMachine[Any]", machine: Machine) -> None:
        self._actor = actor
        self._machine = machine

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        method: Callable[..., Awaitable[object]] = getattr(self._actor, name)
        if name.startswith("_"):
            return method  # the runtime looks at the actor: no event
        if name == "on_start":
            return self._machine.start

        def perform(*args: Any, **kwargs: Any) -> Awaitable[object]:
            try:
                handler = method(*args, **kwargs)
            except TypeError as error:
                raise Misfit(str(error)) from None
            return self._machine.perform(handler)

        return perform

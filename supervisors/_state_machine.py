"""An actor whose answer to an event depends on a state, and which may keep events for a later one.

gen_statem's contract, without its return values. An event is an operation; a handler looks at :attr:`state` (``match``
makes that exhaustive) and says what is to follow: :meth:`next_state`, :meth:`postpone`, :meth:`next_event`, timeouts.
These are collected, and applied when the handler has returned; a handler that raises has changed nothing.

Then, in this order:

1. On a change (the new state is another one) the state timeout is cancelled. On a change, and on ``repeat_state``,
   :meth:`on_enter` runs. Only then is the caller answered.
2. Timeouts are set, replaced and cancelled, in the order in which that was asked for.
3. Next come the inserted events, in order, then timeouts of zero seconds, then, after a change, the postponed events,
   oldest first, and then the mailbox.

Every event cancels the event timeout.
"""

import math
from collections.abc import Awaitable, Callable, Hashable, Mapping
from enum import Enum
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, TypeVar, cast

from supervisors._actor import Actor
from supervisors._checks import is_number
from supervisors._exit import describe
from supervisors._machine import Machine, Performer, TimeoutKind, TimeoutOrder
from supervisors._reply import Request
from supervisors._turn import Postponed

S = TypeVar("S", bound=Enum)
P = ParamSpec("P")


class StateMachine(Actor, Generic[S]):
    """An actor with a state out of an enumeration.

    ::

        class Door(StateMachine[Is]):
            def __init__(self) -> None:
                super().__init__(Is.CLOSED)

            async def push(self) -> None:
                match self.state:
                    case Is.CLOSED:
                        self.next_state(Is.OPEN)
                        self.state_timeout(5, Door.swing)
                    case Is.LOCKED:
                        self.postpone()
                    case Is.OPEN:
                        pass
    """

    _hooks = frozenset({"on_start", "on_stop", "on_enter"})

    def __init__(self, state: S) -> None:
        if not isinstance(state, Enum):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
            raise TypeError(f"state must be a member of an Enum, got {describe(state)}")
        self._machine = Machine(state)

    async def on_enter(self, previous: S) -> None:
        """Enter :attr:`state`, coming from *previous*; for the first one, the state itself.

        May set timeouts; may not change the state, postpone, or insert events.
        """

    @property
    def state(self) -> S:
        """The state; a change asked for by the running handler is not yet in it."""
        return cast(S, self._machine.state)

    def next_state(self, state: S) -> None:
        """Be in *state* once the handler has returned. The last wish counts; the same state is no change.

        Raises:
            TypeError: *state* is no member of the machine's enumeration.
        """
        kind = type(self._machine.state)
        if not isinstance(state, kind):
            raise TypeError(f"state must be a member of {kind.__name__}, got {describe(state)}")
        self._machine.plan("next_state").target = state

    def repeat_state(self) -> None:
        """Enter the state again even if it does not change: :meth:`on_enter` runs, postponed events stay postponed."""
        self._machine.plan("repeat_state").is_repeat = True

    def postpone(self) -> NoReturn:
        """End this handler, and give its event again after the next change of state; its caller waits meanwhile."""
        self._machine.plan("postpone")
        if self._living.running is None:
            raise RuntimeError("postpone is for the handler of an event, and on_start is none")
        raise Postponed

    def next_event(
        self, operation: Callable[Concatenate[Any, P], Awaitable[object]], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Insert an event: after those inserted before it by this handler, before everything else."""
        self._machine.plan("next_event").inserted.append(self._request(operation, args, kwargs))

    def state_timeout(
        self,
        delay: float,
        operation: Callable[Concatenate[Any, P], Awaitable[object]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Give the event in *delay* seconds, unless the state changes before. Replaces the one there was.

        ``math.inf`` cancels; zero comes right behind the inserted events.

        Raises:
            ValueError: *delay* is negative or not a number.
        """
        self._set(TimeoutKind.STATE, delay, self._request(operation, args, kwargs))

    def event_timeout(
        self,
        delay: float,
        operation: Callable[Concatenate[Any, P], Awaitable[object]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Give the event in *delay* seconds, unless any other comes before. Else as :meth:`state_timeout`."""
        self._set(TimeoutKind.EVENT, delay, self._request(operation, args, kwargs))

    def named_timeout(
        self,
        name: Hashable,
        delay: float,
        operation: Callable[Concatenate[Any, P], Awaitable[object]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Give the event in *delay* seconds, whatever else happens. Any number of names; else as the others."""
        self._set(name, delay, self._request(operation, args, kwargs))

    def update_timeout(
        self,
        name: Hashable,
        operation: Callable[Concatenate[Any, P], Awaitable[object]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Give the timeout another event without touching its time; one that is not pending fires at once.

        Args:
            name: A name, ``TimeoutKind.STATE`` or ``TimeoutKind.EVENT``.
            operation: The new event.
            *args: Its arguments.
            **kwargs: Its arguments.
        """
        order = TimeoutOrder(name, None, self._request(operation, args, kwargs))
        self._machine.plan("update_timeout").timeouts.append(order)

    def cancel_timeout(self, name: Hashable) -> None:
        """Cancel the timeout of that name or :class:`TimeoutKind`, even if its event is queued already."""
        request = Request(self._living.cell, "", (), {})
        self._machine.plan("cancel_timeout").timeouts.append(TimeoutOrder(name, math.inf, request))

    def _request(self, operation: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
        cell = self._living.cell
        return Request(cell, cell.resolve(operation), args, kwargs)

    def _set(self, name: Hashable, delay: float, request: Request) -> None:
        if not is_number(delay) or not delay >= 0:
            raise ValueError(f"delay must be seconds >= 0 or math.inf, got {describe(delay)}")
        plan = self._machine.plan("timeout", is_for_enter=True)
        plan.timeouts.append(TimeoutOrder(name, delay, request))

    def _make_performer(self) -> Performer:
        machine = getattr(self, "_machine", None)
        if machine is None:
            raise RuntimeError(f"{type(self).__name__}.__init__ must call super().__init__(<its first state>)")
        self._machine.bind(self, self._living)
        return Performer(self, self._machine)

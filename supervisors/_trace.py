"""Seeing every operation of one actor: trace hooks, and statistics made of them.

Hooks stand between the mailbox and the actor only while there are any; an actor without them serves its mail as if
this file did not exist. They belong to the address: a new life is traced too.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import trio
from attrs import define, frozen

from supervisors._errors import Misfit
from supervisors._events import ObserverFailed
from supervisors._exit import describe

if TYPE_CHECKING:
    from supervisors._turn import ActorLife


@frozen
class OperationBegan:
    """An operation has its turn. ``str`` of it is a line for a log."""

    at: float
    path: str
    life: int
    operation: str

    def __str__(self) -> str:
        return f"{self.at:.6f} {self.path} began {self.operation}"


@frozen
class OperationEnded:
    """An operation is over. ``str`` of it is a line for a log."""

    at: float
    path: str
    life: int
    operation: str
    seconds: float
    """From its first line to its last, off turn included."""
    error: str | None
    """What it raised, in one line."""

    def __str__(self) -> str:
        outcome = "ended" if self.error is None else f"raised {self.error} in"
        return f"{self.at:.6f} {self.path} {outcome} {self.operation} after {self.seconds:.6f} s"


TraceEvent: TypeAlias = OperationBegan | OperationEnded
"""What a trace hook is told."""

TraceHook: TypeAlias = Callable[[TraceEvent], object]
"""Called in the actor's task; must return at once. One that raises is dropped and reported as ``ObserverFailed``."""


@define
class Statistics:
    """What an actor has done since statistics were switched on, over its lives."""

    since: float
    """When that was, on trio's clock."""
    received: int = 0
    """Operations begun."""
    answered: int = 0
    """Operations that returned."""
    failed: int = 0
    """Operations that raised, expected errors included."""
    busy: float = 0.0
    """Seconds spent in operations, off turn included."""

    def __call__(self, event: TraceEvent) -> None:
        if isinstance(event, OperationBegan):
            self.received += 1
            return
        self.busy += event.seconds
        if event.error is None:
            self.answered += 1
        else:
            self.failed += 1


class Tracer:
    """Performs operations, and tells hooks of them."""

    __slots__ = ("_hooks", "_life", "inner")

    def __init__(self, life: "ActorLife", inner: object, hooks: list[TraceHook]) -> None:
        self._life = life
        self._hooks = hooks
        self.inner = inner
        """Whose methods really are the operations."""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name.startswith("_") or name == "on_start":
            return method

        def perform(*args: Any, **kwargs: Any) -> Awaitable[Any]:
            try:
                operation = method(*args, **kwargs)
            except TypeError as error:
                raise Misfit(str(error)) from None
            return self._perform(name, operation)

        return perform

    async def _perform(self, name: str, operation: Awaitable[Any]) -> Any:
        path, number = self._life.slot.path, self._life.number
        began = trio.current_time()
        self._tell(OperationBegan(began, path, number, name))
        error: str | None = None
        try:
            return await operation
        except BaseException as raised:
            error = describe(raised)
            raise
        finally:
            now = trio.current_time()
            self._tell(OperationEnded(now, path, number, name, now - began, error))

    def _tell(self, event: TraceEvent) -> None:
        for hook in tuple(self._hooks):
            try:
                hook(event)
            except Exception as error:  # noqa: BLE001 - a hook's bug must not become the actor's
                self._hooks.remove(hook)
                self._life.slot.emit(ObserverFailed(trio.current_time(), describe(hook), error))

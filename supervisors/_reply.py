"""One message on its way to an actor, and the one answer it gets.

The caller's parked task is the reply slot: whoever ends the wait (answer, crash, stop, the caller's cancellation)
takes :attr:`Request.task` and leaves ``None``, so exactly one of them wakes the caller, and a late answer has nobody
to go to. A cancellation that lands after the wake-up does not lose the answer: trio delivers it at the next checkpoint.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import outcome
import trio

if TYPE_CHECKING:
    from supervisors._cell import Cell


NO_KEYWORDS: Final[Mapping[str, Any]] = MappingProxyType({})
"""Shared by all requests without keywords."""

Cast: TypeAlias = tuple[Any, ...]
"""A cast at its cheapest: the operation's name, then the arguments. A :class:`Request` where somebody must hold on to it.

One flat tuple: of plain values, it is nothing that the cyclic garbage collector looks at twice.
"""


class KeywordCast(tuple[Any, ...]):
    """A cast with keywords: the operation's name, the arguments, the keywords."""

    __slots__ = ()


class Request:
    """An operation to perform: for a caller who waits, for a timer that can be cancelled, or for a cast off its turn."""

    __slots__ = ("args", "cell", "is_begun", "is_call", "is_gone", "kwargs", "operation", "scope", "task")

    def __init__(self, cell: "Cell[Any]", operation: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self.cell = cell
        self.operation = operation
        self.args = args
        self.kwargs = kwargs
        self.task: trio.lowlevel.Task | None = None
        """The parked caller; None for a cast, and once the wait has ended."""
        self.is_call = False
        """Somebody wants the answer."""
        self.is_gone = False
        """The caller went away: not to be begun."""
        self.is_begun = False
        """The operation is running, or has run."""
        self.scope: trio.CancelScope | None = None
        """The ``off_turn`` block the operation is in."""

    async def wait(self) -> Any:
        """Park the caller until the answer. At most once, right after the request was posted."""
        self.task = task = trio.lowlevel.current_task()
        task.custom_sleep_data = self
        return await trio.lowlevel.wait_task_rescheduled(self.abandon)

    @trio.lowlevel.enable_ki_protection
    def answer(self, value: object) -> None:
        """Wake the caller with *value*, if there still is one."""
        task = self.task
        if task is not None:
            self.task = None
            trio.lowlevel.reschedule(task, outcome.Value(value))

    @trio.lowlevel.enable_ki_protection
    def fail(self, error: BaseException) -> bool:
        """Wake the caller with *error*. Returns whether there was one."""
        task = self.task
        if task is None:
            return False
        self.task = None
        trio.lowlevel.reschedule(task, outcome.Error(error))
        return True

    def abandon(self, _: object) -> trio.lowlevel.Abort:
        """Note that the caller is gone: the abort function of its wait."""
        self.task = None
        self.is_gone = True
        if self.scope is not None:
            self.scope.cancel()
        return trio.lowlevel.Abort.SUCCEEDED


Message: TypeAlias = Request | Cast
"""What a mailbox holds."""


def to_request(cell: "Cell[Any]", message: Message) -> Request:
    """The request that *message* is, or would be."""
    if isinstance(message, Request):
        return message
    if isinstance(message, KeywordCast):
        return Request(cell, *message)
    return Request(cell, message[0], message[1:], NO_KEYWORDS)


def to_cast(operation: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Cast:
    """The cast of *operation* with these arguments."""
    return KeywordCast((operation, args, kwargs)) if kwargs else (operation, *args)


def to_message(request: Request) -> Message:
    """What stands in a mailbox for a sender's *request*: a cast needs no more than its tuple."""
    return request if request.is_call else to_cast(request.operation, request.args, request.kwargs)

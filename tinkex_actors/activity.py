"""On whose behalf a task works: the ids that its log records carry, and the span that its requests belong to.

Users' operations do not travel in messages: they lie in ledgers, as plain data, and whoever works on one, in whatever task
and after whatever crash, says so with :class:`working_on`. Everything below, a record in a retry or a request of a poll,
then knows what it is about, without being told.

One context variable is set, and nothing is looked up before somebody asks: an operation that is not logged and not traced
pays a fraction of a microsecond.
"""

from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Protocol

from tinkex_actors.tracing import Span, as_attributes


class Activity(Protocol):
    """What is worked on."""

    @property
    def span(self) -> Span | None:
        """The user's call that it belongs to, where that is traced."""
        ...

    def ids(self) -> Mapping[str, object]:
        """Name it for a log: ``session_id``, ``model_id``, ``request_id``, … as far as they are known by now."""
        ...


def current_activity() -> Activity | None:
    """Say what the running task works on."""
    current = _current.get()
    return None if current is None else current.activity


def current_span() -> Span | None:
    """Say which part of its trace the running task is."""
    current = _current.get()
    return None if current is None else current.span


def current_ids() -> Mapping[str, object]:
    """Name what the running task works on; nothing if it is nothing in particular."""
    current = _current.get()
    return {} if current is None else current.activity.ids()


class working_on:  # noqa: N801 - a context manager, named as what it is used as
    """A block that works on *activity*; tasks that are started in it do so too.

    In a trace it is the span *step*, or else goes for the call itself.
    """

    __slots__ = ("_step", "_token", "activity", "span")

    def __init__(self, activity: Activity, step: str = "") -> None:
        self.activity = activity
        self.span: Span | None = activity.span
        """The part of its trace that the task is."""
        self._step = step
        self._token: Token[working_on | None]

    def __enter__(self) -> None:
        call = self.activity.span
        if call is not None and self._step:
            ids = as_attributes(self.activity.ids()) if call.is_recorded else {}
            self.span = call.begin(self._step, ids)
        self._token = _current.set(self)

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        _current.reset(self._token)
        span = self.span
        if self._step and span is not None and span.is_recorded:
            # With what was learnt meanwhile, such as the server's promise.
            span.tell(as_attributes(self.activity.ids()))
            span.end(error)


_current: ContextVar[working_on | None] = ContextVar("tinkex_actors_activity", default=None)

"""On whose behalf a task works: the ids that its log records carry, and the span that its requests belong to.

Users' operations do not travel in messages: they lie in ledgers, as plain data, and whoever works on one, in whatever task
and after whatever crash, says so with :class:`working_on`. Everything below, a record in a retry or a request of a poll,
then knows what it is about, without being told.

One context variable is set, and nothing is looked up before somebody asks: an operation that is not logged and not traced
pays a fraction of a microsecond.
"""

from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Protocol


class Activity(Protocol):
    """What is worked on."""

    def ids(self) -> Mapping[str, object]:
        """Name it for a log: ``session_id``, ``model_id``, ``request_id``, … as far as they are known by now."""
        ...


_current: ContextVar[Activity | None] = ContextVar("tinkex_actors_activity", default=None)


def current_activity() -> Activity | None:
    """Say what the running task works on."""
    return _current.get()


def current_ids() -> Mapping[str, object]:
    """Name what the running task works on; nothing if it is nothing in particular."""
    activity = _current.get()
    return {} if activity is None else activity.ids()


class working_on:  # noqa: N801 - a context manager, named as what it is used as
    """A block that works on *activity*; tasks that are started in it do so too."""

    __slots__ = ("_activity", "_token")

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._token: Token[Activity | None]

    def __enter__(self) -> None:
        self._token = _current.set(self._activity)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)

"""What the page knows of a process: its trees, the last events, and the traces that somebody looks at.

A `Watch` is an observer of trees. It keeps the last few hundred events and wakes whoever waits for news; it runs nothing.
"""

import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import trio
from attrs import define, field, frozen

from supervisors import (
    ChildCrashed,
    ChildKilled,
    ChildNotFound,
    Event,
    Exit,
    Ref,
    Supervisor,
    Task,
    TraceEvent,
)
from tinkex_actors.clients import TinkerClient
from tinkex_actors.metrics import Metrics

_EVENTS = 300
_TRACE = 200
_LEASE = 30.0
"""Seconds that an actor is traced after somebody looked at it last."""


@frozen
class Noted:
    """One event as the page shows it."""

    number: int
    """From 1, without gaps: a gap means that events were too many to keep."""
    at: float
    """Seconds since 1970."""
    kind: str
    path: str
    text: str
    traceback: str = ""


@define
class _Trace:
    """The operations of one actor, while somebody looks."""

    ref: Ref[Any]
    until: float
    events: deque[TraceEvent] = field(factory=lambda: deque[TraceEvent](maxlen=_TRACE))

    def hear(self, event: TraceEvent, /) -> None:
        """Keep one."""
        self.events.append(event)


@define(eq=False)
class Watch:
    """Hears the events of any number of trees, and knows where they are. Give it to them as an observer."""

    events: deque[Noted] = field(factory=lambda: deque[Noted](maxlen=_EVENTS))
    """The last ones, the newest last."""
    numbered: int = 0
    """Events so far."""
    roots: dict[str, Supervisor] = field(factory=dict[str, Supervisor])
    """The trees by the names of their roots."""
    metrics: dict[str, Metrics] = field(factory=dict[str, Metrics])
    """What is counted for them."""
    waits: dict[str, Callable[[], Sequence[object]]] = field(factory=dict[str, Callable[[], Sequence[object]]])
    """What says why operations wait."""
    _news: trio.Event = field(factory=trio.Event)
    _traces: dict[str, _Trace] = field(factory=dict[str, _Trace])

    def add(
        self,
        root: Supervisor,
        *,
        metrics: Metrics | None = None,
        waits: Callable[[], Sequence[object]] | None = None,
    ) -> None:
        """Show a tree. One whose root has the same name takes its place.

        Args:
            root: Its root.
            metrics: What is counted for it.
            waits: Tells, when asked, what waits and why; ``str`` of each is a line.
        """
        self.remove(root)
        self.roots[root.path] = root
        if metrics is not None:
            self.metrics[root.path] = metrics
        if waits is not None:
            self.waits[root.path] = waits
        self.wake()

    def add_client(self, tinker: TinkerClient) -> None:
        """Show a client's tree, its requests, and why its operations wait."""
        self.add(tinker.supervisor, metrics=tinker.metrics, waits=lambda: tinker.snapshot().waits)

    def remove(self, root: Supervisor) -> None:
        """Show it no more."""
        self.roots.pop(root.path, None)
        self.metrics.pop(root.path, None)
        self.waits.pop(root.path, None)
        self.wake()

    def notify(self, event: Event, /) -> None:
        """Keep one event of a tree."""
        at = time.time() - (trio.current_time() - event.at)
        path = getattr(event, "path", "")
        self.numbered += 1
        exit_: Exit | None = getattr(event, "exit", None)
        is_crash = isinstance(event, ChildCrashed | ChildKilled)
        story = write_traceback(exit_) if is_crash else ""
        self.events.append(Noted(self.numbered, at, type(event).__name__, path, describe(event), story))
        self.wake()

    def wake(self) -> None:
        """Wake whoever waits for news."""
        self._news.set()
        self._news = trio.Event()

    @property
    def news(self) -> trio.Event:
        """Set at the next event of any tree. Taken before looking, so that nothing is missed in between."""
        return self._news

    def since(self, number: int) -> list[Noted]:
        """List the events after *number* that are still kept."""
        return [noted for noted in self.events if noted.number > number]

    def find(self, path: str) -> "Ref[Any] | Supervisor":
        """Find what has that path.

        Raises:
            ChildNotFound: Nothing has, or it is a task: of that there is no more to see than its line.
        """
        place, name = self.split(path)
        child = place if name is None else place.child(name)
        if isinstance(child, Task):
            raise ChildNotFound(path, f"{path} is a task, not an actor")
        return child

    def split(self, path: str) -> tuple[Supervisor, str | None]:
        """Find the supervisor over *path*, and the child's name under it; of a root, itself and no name.

        Raises:
            ChildNotFound: There is no such supervisor.
        """
        for root_path, root in self.roots.items():
            if path == root_path:
                return root, None
            if path.startswith(f"{root_path}/"):
                *between, name = path.removeprefix(f"{root_path}/").split("/")
                place = root
                for part in between:
                    place = place.supervisor(part)
                return place, name
        raise ChildNotFound(path, f"there is no tree with {path!r}; it has ended, or was never watched")

    def trace(self, ref: Ref[Any]) -> tuple[TraceEvent, ...]:
        """Return what *ref* did while it was looked at, and look at it for half a minute more."""
        self.end_traces(before=trio.current_time())
        until = trio.current_time() + _LEASE
        known = self._traces.get(ref.path)
        if known is None or known.ref != ref:
            known = self._traces[ref.path] = _Trace(ref, until)
            ref.trace(known.hear)
        known.until = until
        return tuple(known.events)

    def end_traces(self, *, before: float) -> None:
        """Stop to trace what nobody has looked at for a while."""
        for path, one in list(self._traces.items()):
            if one.until <= before:
                del self._traces[path]
                one.ref.untrace(one.hear)


def describe(event: Event) -> str:
    """Say an event in a line, from its fields: whatever fields it has."""
    return ", ".join(f"{name} {value}" for name, value in _fields(event))


def write_traceback(exit_: Exit | None) -> str:
    """Write the traceback of the error that ended a life; nothing when none did."""
    error = None if exit_ is None else exit_.error
    return "" if error is None else "".join(traceback.format_exception(error))


def _fields(event: Event) -> Iterator[tuple[str, Any]]:
    told: Mapping[str, Any] = {
        name: getattr(event, name)
        for name in ("exit", "operation", "life", "restarts", "delay", "error", "age")
        if getattr(event, name, None) not in (None, 0, "")
    }
    yield from told.items()

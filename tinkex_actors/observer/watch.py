"""What the page knows of a process: its trees, the last events, and the traces that somebody looks at.

A `Watch` is an observer of trees. It keeps the last few hundred events and wakes whoever waits for news; it runs nothing.
"""

import itertools
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import trio
from attrs import define, field, frozen

from supervisors import (
    ChildCrashed,
    ChildKilled,
    ChildNotFound,
    ChildStarted,
    Event,
    Exit,
    Ref,
    RestartScheduled,
    Supervisor,
    Task,
    TraceEvent,
)
from tinkex_actors.clients import TinkerClient
from tinkex_actors.metrics import Metrics

Report: TypeAlias = Callable[[], Mapping[str, object]]
"""Says how a run does, when asked: ``state``, ``step``, ``steps``, ``recoveries``, ``last_failure`` and the like."""

_EVENTS = 300
_TRACE = 200
_LONG = 1.0
"""Seconds from which an operation waits, for the page: what is under way is always many."""
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


@frozen(eq=False)
class Watched:
    """One tree that is shown."""

    name: str
    """What it is called here: its root's name, with a number behind it when that is taken. Every path in it begins so."""
    root: Supervisor
    metrics: Metrics | None
    waits: Callable[[], Sequence[object]] | None

    def inside(self, path: str) -> str:
        """Put the tree's name here before a path of its own."""
        return self.name + path.removeprefix(self.root.path)

    @property
    def has_ended(self) -> bool:
        """Whether its program has closed it."""
        return self.root.tree().status == "down"


@define(eq=False)
class Watch:
    """Hears the events of any number of trees, and knows where they are. Give it to them as an observer."""

    events: deque[Noted] = field(factory=lambda: deque[Noted](maxlen=_EVENTS))
    """The last ones, the newest last."""
    numbered: int = 0
    """Events so far."""
    trees: dict[str, Watched] = field(factory=dict[str, Watched])
    """What is shown, by its name here."""
    reports: dict[Path, Report] = field(factory=dict[Path, Report])
    """What runs under way say of themselves, by their folders."""
    untouchable: set[str] = field(factory=set[str])
    """Paths that take no orders from the page, such as its own."""
    _news: trio.Event = field(factory=trio.Event)
    _traces: dict[str, _Trace] = field(factory=dict[str, _Trace])

    def add(
        self,
        root: Supervisor,
        *,
        metrics: Metrics | None = None,
        waits: Callable[[], Sequence[object]] | None = None,
    ) -> str:
        """Show a tree until it is removed; one that has ended goes when another needs its name.

        Args:
            root: Its root.
            metrics: What is counted for it.
            waits: Tells, when asked, what waits and why; ``str`` of each is a line.

        Returns:
            What it is called here: ``tinker``, and ``tinker-2`` for a second root of that name. Events carry the root's
            own name; give clients names (``open_tinker(name=...)``) to tell theirs apart.
        """
        self.remove(root)
        for one in [one for one in self.trees.values() if one.root.path == root.path and one.has_ended]:
            self.remove(one.root)
        name = next(name for name in _names(root.path) if name not in self.trees)
        self.trees[name] = Watched(name, root, metrics, waits)
        self.wake()
        return name

    def add_client(self, tinker: TinkerClient) -> str:
        """Show a client's tree, its requests, and why its operations wait; returns what it is called here."""
        return self.add(
            tinker.supervisor,
            metrics=tinker.metrics,
            waits=lambda: [wait for wait in tinker.snapshot().waits if wait.age >= _LONG],
        )

    @contextmanager
    def showing(self, tinker: TinkerClient) -> Generator[str]:
        """Show a client as long as the block lasts."""
        name = self.add_client(tinker)
        try:
            yield name
        finally:
            self.remove(tinker.supervisor)

    def remove(self, root: Supervisor) -> None:
        """Show it no more."""
        for name in [name for name, one in self.trees.items() if one.root is root]:
            del self.trees[name]
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
        tree, *between = path.split("/")
        if tree in self.trees:
            place = self.trees[tree].root
            for part in between[:-1]:
                place = place.supervisor(part)
            return place, between[-1] if between else None
        raise ChildNotFound(path, f"there is no tree with {path!r}; it has ended, or was never watched")

    def trace(self, path: str, ref: Ref[Any]) -> tuple[TraceEvent, ...]:
        """Return what *ref*, shown at *path*, did while it was looked at, and look at it for half a minute more."""
        self.end_traces(before=trio.current_time())
        until = trio.current_time() + _LEASE
        known = self._traces.get(path)
        if known is None or known.ref != ref:
            known = self._traces[path] = _Trace(ref, until)
            ref.trace(known.hear)
        known.until = until
        return tuple(known.events)

    def end_traces(self, *, before: float) -> None:
        """Stop to trace what nobody has looked at for a while."""
        for path, one in list(self._traces.items()):
            if one.until <= before:
                del self._traces[path]
                one.ref.untrace(one.hear)


def _names(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in itertools.count(2))


def describe(event: Event) -> str:
    """Say an event in a line: what its kind and its path do not say."""
    match event:
        case ChildStarted():
            return f"life {event.life}"
        case ChildCrashed():
            where = f" in {event.operation}" if event.operation else ""
            return f"{str(event.exit).removeprefix('crashed: ')}{where}, life {event.life}"
        case RestartScheduled():
            return f"restart {event.restarts}" + (f" in {event.delay:g} s" if event.delay else "")
        case _:
            return ", ".join(f"{name} {value}" for name, value in _fields(event))


def _fields(event: Event) -> Iterator[tuple[str, Any]]:
    for name in ("exit", "operation", "life", "restarts", "delay", "error", "age"):
        if (value := getattr(event, name, None)) not in (None, 0, ""):
            yield name, value


def write_traceback(exit_: Exit | None) -> str:
    """Write the traceback of the error that ended a life, files as their modules are found; nothing when none did."""
    error = None if exit_ is None else exit_.error
    text = "" if error is None else "".join(traceback.format_exception(error))
    for folder in sorted(filter(None, sys.path), key=len, reverse=True):
        text = text.replace(f'File "{folder}/', 'File "')
    return text

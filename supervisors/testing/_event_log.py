"""Everything that happened in a tree, in order: to look at, to wait for, and to compare as text."""

import re
from typing import Any, TypeAlias, TypeVar, cast

import trio
from attrs import fields, frozen

from supervisors._events import Event
from supervisors._exit import describe

E = TypeVar("E")

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@frozen
class Note:
    """A remark of the test, among the events."""

    at: float
    text: str


Entry: TypeAlias = "Event | Note"


class EventLog:
    """An observer that remembers: ``open_supervisor(observers=[log])``.

    One log may observe several trees, one after another or at once.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        """Events and notes, oldest first."""
        self._changed = trio.Event()

    def notify(self, event: Event, /) -> None:
        """Remember *event*."""
        self._add(event)

    def note(self, text: str) -> None:
        """Remember a remark, at the current time."""
        self._add(Note(trio.current_time(), text))

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._changed.set()
        self._changed = trio.Event()

    @property
    def events(self) -> tuple[Event, ...]:
        """The events, oldest first, without the notes."""
        return tuple(entry for entry in self.entries if not isinstance(entry, Note))

    def of(self, kind: type[E], *, path: str | None = None) -> tuple[E, ...]:
        """The events of one kind, oldest first; those of one child, if *path* is given."""
        return tuple(
            entry
            for entry in self.entries
            if isinstance(entry, kind) and (path is None or getattr(entry, "path", None) == path)
        )

    async def wait_for(self, kind: type[E], *, path: str | None = None, count: int = 1) -> E:
        """Wait until *count* events of one kind have been seen since the log was made, and return the last of these.

        Returns at once, without a checkpoint, when they are there.
        """
        while len(found := self.of(kind, path=path)) < count:
            await self._changed.wait()
        return found[count - 1]

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each entry: time, kind, and the fields. The same in every run that goes the same way.

        Addresses of objects are left out.
        """
        return tuple(_to_line(entry) for entry in self.entries)

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


def _to_line(entry: Entry) -> str:
    if isinstance(entry, Note):
        return f"{entry.at:.9f} {entry.text}"
    names = [field.name for field in fields(cast("Any", type(entry))) if field.name != "at"]
    words = [f"{name}={_to_word(getattr(entry, name))}" for name in names]
    return _ADDRESS.sub("", " ".join([f"{entry.at:.9f}", type(entry).__name__, *words]))


def _to_word(value: object) -> str:
    if isinstance(value, BaseException):
        return describe(value)
    return f"{value:.9g}" if isinstance(value, float) else str(value)

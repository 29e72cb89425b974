"""The cast of these tests: workers that do as their part says, and a diary of what they did.

A :class:`Part` is plain data that outlives the lives of its worker, so a test can change its mind between two of them.
"""

from typing import Any, TypeVar, Unpack

import pytest
import trio
import trio.testing
from attrs import define, field

from supervisors import Actor, ActorCrashed, ActorNotAlive, ChildSpec, Event, Exit, Ref
from supervisors._spec import ChildOptions

E = TypeVar("E")


class Boom(Exception):
    """A bug, on purpose."""


@define
class Diary:
    """What happened, in order, over all workers of a test."""

    entries: list[str] = field(factory=list[str])
    exits: dict[str, list[Exit]] = field(factory=dict[str, list[Exit]])
    """What ``on_stop`` was told, by worker."""

    def take(self) -> list[str]:
        """Read the entries, and begin a new page."""
        entries, self.entries = self.entries, []
        return entries


@define
class Part:
    """What one worker is to do, in all its lives."""

    diary: Diary
    name: str
    start_takes: float = 0.0
    stop_takes: float = 0.0
    failing_starts: float = 0
    """How many of the next starts raise."""
    start_error: Exception | None = None
    """What they raise; a :exc:`Boom` without."""
    stop_error: Exception | None = None

    def make(self) -> "Worker":
        """The factory."""
        return Worker(self)

    def spec(self, **options: Unpack[ChildOptions]) -> "ChildSpec[Worker]":
        """A child spec under the part's own name."""
        return ChildSpec(self.make, name=self.name, **options)


class Worker(Actor):
    """Plays a part."""

    def __init__(self, part: Part) -> None:
        self.part = part

    async def on_start(self) -> None:
        """Begin as the part says."""
        part = self.part
        if part.start_takes:
            await trio.sleep(part.start_takes)
        if part.failing_starts:
            part.failing_starts -= 1
            part.diary.entries.append(f"{part.name} fails")
            raise part.start_error if part.start_error is not None else Boom(part.name)
        part.diary.entries.append(f"{part.name} starts")

    async def on_stop(self, reason: Exit) -> None:
        """End as the part says."""
        part = self.part
        part.diary.exits.setdefault(part.name, []).append(reason)
        if part.stop_takes:
            await trio.sleep(part.stop_takes)
        part.diary.entries.append(f"{part.name} stops")
        if part.stop_error is not None:
            raise part.stop_error

    async def ping(self) -> str:
        """Answer, to show a life."""
        return self.part.name

    async def finish(self, reason: object = None) -> None:
        """End normally."""
        self.stop(reason)

    async def crash(self) -> None:
        """End by a bug."""
        raise Boom(self.part.name)


@define
class EventLog:
    """An observer that remembers."""

    events: list[Event] = field(factory=list[Event])

    def notify(self, event: Event, /) -> None:
        """Remember *event*."""
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def cast_of(diary: Diary, names: str) -> list[Part]:
    """One part per letter."""
    return [Part(diary, name) for name in names]


async def settle() -> None:
    """Let everything happen that needs no time."""
    await trio.testing.wait_all_tasks_blocked()


async def crash(ref: Ref[Any]) -> None:
    """Crash a worker, and let its supervisor react."""
    with pytest.raises(ActorCrashed):
        await ref.call(Worker.crash)
    await settle()


async def finish(ref: Ref[Any]) -> None:
    """Have a worker end normally, and let its supervisor react."""
    await ref.call(Worker.finish)
    await settle()


async def stop(ref: Ref[Any]) -> None:
    """Ask a worker to shut down, and let its supervisor react."""
    await ref.stop()
    await settle()


async def stop_with_reason(ref: Ref[Any]) -> None:
    """Ask a worker to shut down, with a payload."""
    await ref.stop(reason="moved")
    await settle()


async def kill(ref: Ref[Any]) -> None:
    """Kill a worker, and let its supervisor react."""
    ref.kill()
    await settle()


CLEAN_ENDS = [finish, stop, stop_with_reason]
BAD_ENDS = [crash, kill]
ALL_ENDS = [*CLEAN_ENDS, *BAD_ENDS]


async def is_dead(ref: Ref[Any]) -> bool:
    """Whether a call is refused at once."""
    try:
        with trio.fail_after(0.001):
            await ref.call(Worker.ping)
    except ActorNotAlive:
        return True
    return False

"""What mypy and pyright must make of tasks, registries, groups, topics and state machines. Checked, never run.

Seeded errors as in ``supervisors_api``.
"""

from enum import Enum
from typing import assert_never, assert_type

from supervisors import (
    Actor,
    DuplicateRegistry,
    Entry,
    Failed,
    Finished,
    Groups,
    Ref,
    Registry,
    StateMachine,
    Supervisor,
    Task,
    TaskSupervisor,
    Topic,
    gather,
    wait_tasks,
)


class Room(Actor):
    """Has a name."""

    async def enter(self, who: str) -> int:
        """Answer with a number."""
        return len(who)


async def fetch(url: str, retries: int = 0) -> bytes:
    """Some work."""
    return url.encode() * retries


async def use_tasks(tasks: TaskSupervisor) -> None:
    """Arguments and results are those of the function."""
    task = await tasks.start(fetch, "url", 3)
    assert_type(task, Task[bytes])
    assert_type(await task.result(), bytes)
    assert_type(await tasks.run(fetch, "url", 3), bytes)
    assert_type(await gather([task, task]), list[bytes])
    assert_type(await wait_tasks([task], count=1), list[Task[bytes]])
    covariant: Task[object] = task
    await tasks.run(fetch, 3, 3)  # type: ignore[arg-type]
    await tasks.start(fetch, "url", "three")  # type: ignore[arg-type]
    async with tasks.scope() as scope:
        assert_type(await scope.start(fetch, "url", 3), Task[bytes])
        await scope.start(fetch, 3, 3)  # type: ignore[arg-type]
    await covariant.wait()


async def use_streams(tasks: TaskSupervisor) -> None:
    """Inputs fit the function; items are its results."""
    async with tasks.stream(fetch, ["a", "b"], max_concurrency=2) as pages:
        async for page in pages:
            assert_type(page, bytes)
    async with tasks.stream_outcomes(fetch, ["a", "b"], max_concurrency=2) as outcomes:
        async for outcome in outcomes:
            match outcome:
                case Finished(item, value):
                    assert_type(item, str)
                    assert_type(value, bytes)
                case Failed(item, error):
                    assert_type(item, str)
                    assert_type(error, Exception)
                case _:
                    assert_never(outcome)
    tasks.stream(fetch, [1, 2], max_concurrency=2)  # type: ignore[arg-type]
    tasks.stream(fetch, ["a"])  # type: ignore[call-arg]


async def use_registries(root: Supervisor, stranger: Ref[Actor]) -> None:
    """Keys, owners and values have their types; without values none is given."""
    rooms = Registry[str, Room, int]("rooms")
    room = await root.start_child(Room, name=rooms.via("lobby", 0))
    assert_type(room, Ref[Room])
    rooms.register("hall", room, 3)
    assert_type(rooms.lookup("hall"), Entry[str, Room, int] | None)
    assert_type(await rooms.whereis("hall").call(Room.enter, "me"), int)
    assert_type(rooms.update("hall", room, lambda value: value + 1), int)
    rooms.register("hall", room)  # type: ignore[call-arg]
    rooms.register(3, room, 3)  # type: ignore[arg-type]
    rooms.register("hall", stranger, 3)  # type: ignore[arg-type]
    plain = Registry[tuple[str, int], Room, None]()
    plain.register(("hall", 1), room)
    many = DuplicateRegistry[str, Room, int]()
    assert_type(many.values("hall", room), tuple[int, ...])
    many.update("hall", room, lambda value: value + 1)  # type: ignore[attr-defined]
    groups = Groups[str, Room]()
    groups.join("red", room)
    assert_type(groups.members("red"), tuple[Ref[Room], ...])


async def use_topics(topic: Topic[bytes]) -> None:
    """One type of event."""
    topic.publish_nowait("text")  # type: ignore[arg-type]
    with topic.subscribe() as events:
        async for event in events:
            assert_type(event, bytes)


class Is(Enum):
    """States of a door."""

    OPEN = "open"
    CLOSED = "closed"


class Door(StateMachine[Is]):
    """States are exhaustive; what never returns is known not to."""

    async def push(self, by: str) -> int:  # noqa: RET503 - what follows postpone() is never reached
        """Answer in one state, wait in the other."""
        match self.state:
            case Is.OPEN:
                self.next_event(Door.push, "again")
                self.state_timeout(1.0, Door.push, by="timeout")
                self.next_event(Door.push)  # type: ignore[call-arg]
                self.next_state("closed")  # type: ignore[arg-type]
                return len(by)
            case Is.CLOSED:
                self.postpone()
            case _:
                assert_never(self.state)

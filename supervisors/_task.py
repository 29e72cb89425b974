"""One task: a function run as a supervised child, its handle, and waiting for several.

The result of a task stays: anybody may wait for it, at any time and again. A task that failed raises in everybody who
waits what it raised, with the traceback of where that was raised first.
"""

from collections import deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

import trio

from supervisors._checks import check_int
from supervisors._errors import TaskStopped
from supervisors._exit import Exit, ExitKind, describe
from supervisors._life import Life
from supervisors._slot import Intent, Slot
from supervisors._spec import ChildSpec
from supervisors._team import Team

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_callers: ContextVar[tuple[str, ...]] = ContextVar("supervisors_task_callers", default=())


class TaskLife(Life):
    """One run of the function."""

    __slots__ = ()

    async def run(self) -> None:
        """Call the function, and keep what it returns."""
        slot = cast(TaskSlot, self.slot)
        _callers.set((slot.path, *slot.callers))
        self.is_ready = True
        slot.life_started(self)
        interceptor = slot.team.runtime.interceptor
        slot.value = await (slot.spec.factory() if interceptor is None else interceptor.run(self, slot.spec.factory))

    def ask_stop(self, exit_: Exit, *, drain: bool = False) -> None:
        """Order an end: a function hears of it as its cancellation, and may tidy up."""
        super().ask_stop(exit_, drain=drain)
        self.scope.cancel()


class TaskSlot(Slot[ChildSpec[Any]]):
    """The slot of a task."""

    kind = "task"

    __slots__ = ("_watchers", "callers", "ref", "traceback", "value")

    def __init__(self, team: Team, spec: ChildSpec[Any], name: str) -> None:
        super().__init__(team, spec, name)
        self.callers = _callers.get()
        self.ref: Task[Any] = Task(self)
        self.value: object = None
        self.traceback: TracebackType | None = None
        self._watchers: dict[object, Callable[[TaskSlot], None]] | None = None

    def make_life(self) -> Life:
        """Build the next run."""
        return TaskLife(self, self.lives)

    def life_ended(self, life: Life, exit_: Exit) -> None:
        """Note how the run ended, and forget the task if that is how it was wanted."""
        self.traceback = exit_.error.__traceback__ if exit_.error is not None else None
        super().life_ended(life, exit_)
        if self.intent is Intent.DOWN and not self.is_removed:
            self.team.forget(self)

    def order_end(self) -> None:
        """Cancel the task, which is not over, and have no further run."""
        self.intent = Intent.DOWN
        self.end_pause()
        if self.life is not None:
            self.life.ask_stop(Exit(ExitKind.SHUTDOWN))
        else:
            self.team.forget(self)

    def remove(self) -> None:
        """Note that the task is over, and tell those who wait for it."""
        super().remove()
        watchers, self._watchers = self._watchers, None
        for tell in (watchers or {}).values():
            tell(self)

    def watch(self, key: object, tell: "Callable[[TaskSlot], None]") -> None:
        """Call *tell* when the task is over, on behalf of *key*. It must not raise and not block."""
        if self._watchers is None:
            self._watchers = {}
        self._watchers[key] = tell

    def unwatch(self, key: object) -> None:
        """Forget what was to be called on behalf of *key*."""
        if self._watchers is not None:
            self._watchers.pop(key, None)

    @property
    def has_result(self) -> bool:
        """The task is over, and returned."""
        return self.is_removed and self.exit is not None and self.exit.kind is ExitKind.NORMAL

    def result(self) -> Any:
        """What the function returned, once the task is over; raises what it raised."""
        exit_ = self.exit
        if exit_ is not None and exit_.kind is ExitKind.NORMAL:
            return self.value
        error = exit_.error if exit_ is not None else None
        if exit_ is not None and exit_.kind is ExitKind.CRASHED and error is not None:
            raise error.with_traceback(self.traceback)
        raise TaskStopped(self.path, f"{self.path} has no result ({exit_})", exit_) from error


class Task(Generic[R_co]):
    """A handle on a task. Dropping it changes nothing: the task goes on, and its owner stays the same."""

    __slots__ = ("_slot",)

    def __init__(self, slot: TaskSlot) -> None:
        self._slot = slot

    async def result(self) -> R_co:
        """Wait for the task, and return what it returned. May be awaited by anybody, any number of times.

        Cancelling the wait does not cancel the task.

        Raises:
            TaskStopped: It was stopped before it had a result.

        What the task raised is raised again, from where it was first raised.
        """
        await self.wait()
        value: R_co = self._slot.result()
        return value

    async def wait(self) -> Exit:
        """Wait until the task is over, and tell how it ended. Raises nothing of the task's."""
        self._slot.team.runtime.check_home()
        await trio.lowlevel.checkpoint()
        while not self._slot.is_removed:
            await self._slot.changed()
        return self._slot.exit or Exit(ExitKind.SHUTDOWN)

    def cancel(self) -> None:
        """Cancel the task, and have it not run again. Returns at once; does nothing when it is over."""
        self._slot.team.runtime.check_home()
        if not self._slot.is_removed:
            self._slot.order_end()

    async def stop(self) -> Exit:
        """Cancel the task, wait until it is gone, at most for its ``shutdown``, then kill it; tell how it ended.

        A result that was there already is kept.
        """
        self._slot.team.runtime.check_home()
        if not self._slot.is_removed:
            await self._slot.stop(Intent.DOWN)
            self.cancel()
        return await self.wait()

    @property
    def is_done(self) -> bool:
        """The task is over: :meth:`result` does not wait."""
        return self._slot.is_removed

    @property
    def exit(self) -> Exit | None:
        """How its last run ended; None during the first."""
        return self._slot.exit

    @property
    def id(self) -> str:
        """The child's id under its supervisor."""
        return self._slot.id

    @property
    def path(self) -> str:
        """Where the task is in its tree."""
        return self._slot.path

    @property
    def callers(self) -> tuple[str, ...]:
        """The paths of the tasks that led to this one, the nearest first."""
        return self._slot.callers

    def __repr__(self) -> str:
        state = f"{self.exit}" if self.is_done else self._slot.status.value
        return f"<Task {self.path}, {state}>"


class Finishers(Generic[R]):
    """The order in which tasks end."""

    def __init__(self, tasks: Iterable[Task[R]] = ()) -> None:
        self._done: deque[TaskSlot] = deque()
        self._arrivals = trio.lowlevel.ParkingLot()
        self._watched: dict[TaskSlot, Task[R]] = {}
        for task in tasks:
            self.add(task)

    def add(self, task: Task[R]) -> None:
        """Wait for *task* too."""
        if not isinstance(task, Task):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
            raise TypeError(f"expected a Task, as TaskSupervisor.start returns one, got {describe(task)}")
        slot = task._slot  # noqa: SLF001 - of this module
        if slot in self._watched:
            return
        self._watched[slot] = task
        if slot.is_removed:
            self._note(slot)
        else:
            slot.watch(self, self._note)

    def _note(self, slot: TaskSlot) -> None:
        self._done.append(slot)
        self._arrivals.unpark_all()

    async def next(self) -> Task[R]:
        """Wait for the next task to end."""
        await trio.lowlevel.checkpoint()
        while not self._done:
            await self._arrivals.park()
        return self._watched.pop(self._done.popleft())

    def __len__(self) -> int:
        return len(self._watched)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for slot in self._watched:
            slot.unwatch(self)


async def gather(tasks: Iterable[Task[R]]) -> list[R]:
    """Wait for all *tasks* and return their results in the order of *tasks*.

    The first that fails ends the wait at once: what it raised is raised. The others are left as they are.
    """
    tasks = list(tasks)
    with Finishers(tasks) as finishers:
        while len(finishers):
            await (await finishers.next()).result()
    return [await task.result() for task in tasks]


async def wait_tasks(tasks: Iterable[Task[R]], *, count: int | None = None) -> list[Task[R]]:
    """Wait until *count* of *tasks* are over (all without it, or if there are fewer), and return those that are.

    Returns:
        The tasks that are over, in the order in which they ended. Raises nothing of theirs.
    """
    if count is not None:
        check_int("count", count, least=0)
    done: list[Task[R]] = []
    with Finishers(tasks) as finishers:
        most = len(finishers) if count is None else min(count, len(finishers))
        while len(done) < most:
            done.append(await finishers.next())
    return done


async def stop_all(tasks: Iterable[Task[Any]]) -> None:
    """Stop *tasks* side by side, each within its own budget."""
    async with trio.open_nursery() as nursery:
        for task in tasks:
            nursery.start_soon(task.stop)

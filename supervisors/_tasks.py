"""Work that is done once: functions run as supervised children, with results.

A task is a child of a dynamic supervisor: it is listed, limited by ``max_children``, stopped within its ``shutdown``
budget when the supervisor stops, and what escapes from it is a crash that observers hear of. Beyond that, somebody may
care for it, and there are two ways:

* *linked*, to a block of the caller: :meth:`TaskSupervisor.run`, :meth:`TaskSupervisor.scope` and the streams. When
  the block ends, whatever the way, the task is gone; when the task fails, so does the block.
* *unlinked*: :meth:`TaskSupervisor.start`. The supervisor owns it; the handle may be kept, shared, or dropped.
"""

import itertools
import math
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar, TypeVarTuple, Unpack, cast

import trio

from supervisors._checks import check_callable
from supervisors._policy import Backoff, Restart, Shutdown
from supervisors._spec import ChildSpec
from supervisors._stream import Flow, Limits, Outcomes, StreamOutcome, Values, open_stream
from supervisors._supervisor import Supervisor, add_child, check_supervisor
from supervisors._task import Task, TaskSlot, stop_all

T = TypeVar("T")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class TaskScope:
    """The linked tasks of one block. Made by :meth:`TaskSupervisor.scope`."""

    def __init__(self, tasks: "TaskSupervisor") -> None:
        self._tasks = tasks
        self._mine: dict[TaskSlot, None] = {}
        self._failed: TaskSlot | None = None
        self.body = trio.CancelScope()
        """Cancelled when a task fails."""

    async def start(self, fn: Callable[[Unpack[Ts]], Awaitable[R]], /, *args: *Ts, shutdown: Shutdown = 5.0) -> Task[R]:
        """Start ``fn(*args)`` as a task that ends with this block, and whose failure ends it."""
        await trio.lowlevel.checkpoint()
        task = self._tasks.begin(fn, *args, shutdown=shutdown)
        slot = task._slot  # noqa: SLF001 - of this module
        self._mine[slot] = None
        slot.watch(self, self._note)
        return task

    def _note(self, slot: TaskSlot) -> None:
        self._mine.pop(slot, None)
        if slot.exit is not None and not slot.exit.is_clean and self._failed is None:
            self._failed = slot
            self.body.cancel()

    async def join(self) -> None:
        """Wait for the tasks, also those they start here meanwhile."""
        while self._mine:
            await next(iter(self._mine)).changed()

    async def stop(self) -> None:
        """Stop what is left, all at once."""
        with trio.CancelScope(shield=True):
            await stop_all([slot.ref for slot in self._mine])

    def raise_failure(self) -> None:
        """Raise what the first failed task raised, if one failed."""
        if self._failed is not None:
            self._failed.result()


class TaskSupervisor:
    """Starts tasks under a dynamic supervisor.

    ::

        tasks = TaskSupervisor(await root.start_supervisor("tasks", dynamic=True, max_children=100))
        page = await tasks.run(fetch, url)                                # linked: dies with the caller
        job = await tasks.start(crawl, site)                              # unlinked: the supervisor's
        async with tasks.stream(fetch, urls, max_concurrency=8) as pages:
            async for page in pages:
                ...

    Plain data over the supervisor's handle: there may be several over one.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        team = check_supervisor(supervisor)._team  # noqa: SLF001 - of this package
        if not team.spec.dynamic:
            raise ValueError(f"tasks come and go: expected a supervisor with dynamic=True, got {supervisor!r}")
        self.supervisor = supervisor
        self._team = team
        self._numbers = itertools.count(1)

    async def start(
        self,
        fn: Callable[[Unpack[Ts]], Awaitable[R]],
        /,
        *args: *Ts,
        restart: Restart = Restart.TEMPORARY,
        backoff: Backoff | None = None,
        shutdown: Shutdown = 5.0,
    ) -> Task[R]:
        """Start ``fn(*args)`` as a task of the supervisor, and return its handle when it runs.

        It outlives its starter. If the start itself is cancelled, nothing was started.

        Args:
            fn: The function; arguments by keyword are what ``functools.partial`` is for.
            *args: Its arguments.
            restart: When it is run again. Only the last run's result counts.
            backoff: A pause before it is run again.
            shutdown: Seconds it may take to tidy up when it is stopped.

        Raises:
            TooManyChildren: The supervisor's ``max_children`` is reached.
            SupervisorStopped: It is stopping or gone.
        """
        slot = self._list(fn, args, restart=restart, backoff=backoff, shutdown=shutdown)
        await self._team.start(slot)
        return slot.ref

    def begin(self, fn: Callable[[Unpack[Ts]], Awaitable[R]], /, *args: *Ts, shutdown: Shutdown = 5.0) -> Task[R]:
        """Do what :meth:`start` does without waiting: the task begins to run at the caller's next checkpoint."""
        slot = self._list(fn, args, shutdown=shutdown)
        slot.begin()
        return slot.ref

    def _list(
        self,
        fn: Callable[[Unpack[Ts]], Awaitable[object]],
        args: tuple[*Ts],
        *,
        restart: Restart = Restart.TEMPORARY,
        backoff: Backoff | None = None,
        shutdown: Shutdown,
    ) -> TaskSlot:
        check_callable("fn", fn)
        name = f"{getattr(fn, '__name__', 'task')}-{next(self._numbers)}"
        spec: ChildSpec[Any] = ChildSpec(
            lambda: fn(*args), name=name, restart=restart, backoff=backoff, shutdown=shutdown
        )
        return cast(TaskSlot, add_child(self._team, spec, TaskSlot))

    async def run(
        self,
        fn: Callable[[Unpack[Ts]], Awaitable[R]],
        /,
        *args: *Ts,
        linked: bool = True,
        shutdown: Shutdown = 5.0,
    ) -> R:
        """Run ``fn(*args)`` as a task, wait for it and return what it returns; raise what it raises.

        If the caller is cancelled, a linked task is stopped first; an unlinked one goes on without it.

        Raises:
            TaskStopped: The task was stopped by somebody else.
            TooManyChildren, SupervisorStopped: As for :meth:`start`.
        """
        task = self.begin(fn, *args, shutdown=shutdown)
        try:
            return await task.result()
        finally:
            if linked and not task.is_done:
                with trio.CancelScope(shield=True):
                    await task.stop()

    @asynccontextmanager
    async def scope(self) -> AsyncGenerator[TaskScope]:
        """Open a block of linked tasks: ``async with tasks.scope() as scope: await scope.start(fn, ...)``.

        At its end the block waits for them. If it is left by an exception or cancelled, they are stopped. If one of
        them fails, the block is cancelled, the others are stopped, and the first failure is raised, bare.
        """
        scope = TaskScope(self)
        try:
            with scope.body:
                yield scope
                await scope.join()
        finally:
            await scope.stop()
        scope.raise_failure()

    def stream(
        self,
        fn: Callable[[T], Awaitable[R]],
        inputs: Iterable[T] | AsyncIterable[T],
        /,
        *,
        max_concurrency: int,
        ordered: bool = True,
        timeout: float = math.inf,
        buffer: int | None = None,
        shutdown: Shutdown = 5.0,
    ) -> AbstractAsyncContextManager[AsyncIterator[R]]:
        """Run ``fn(input)`` for every input, some at a time, and iterate over what they return.

        The consumer drives it: no input is taken before it asks, and none while it is busy with a result. The first
        failure (a timeout is one, :exc:`trio.TooSlowError`) is raised by the loop, ahead of what is not ready yet.
        When the block is left, early too, all workers have been stopped and awaited.

        Args:
            fn: The work.
            inputs: May be endless. A generator is closed at the end of the block; others are left as they are.
            max_concurrency: Workers at a time, >= 1.
            ordered: Results in the order of the inputs; else as they come.
            timeout: Seconds for each input, from its start.
            buffer: In order, how many finished results may wait behind a slow one before no more inputs are taken;
                ``2 * max_concurrency`` by default.
            shutdown: Seconds a worker may take to tidy up when it is stopped.

        Raises:
            ValueError, TypeError: An argument is not valid; raised here, before the block.
        """
        limits = Limits(max_concurrency, is_ordered=ordered, is_linked=True, timeout=timeout, buffer=buffer)
        return open_stream(Flow(self._begin_for(fn, limits, shutdown), inputs, limits), Values)

    def stream_outcomes(
        self,
        fn: Callable[[T], Awaitable[R]],
        inputs: Iterable[T] | AsyncIterable[T],
        /,
        *,
        max_concurrency: int,
        ordered: bool = True,
        timeout: float = math.inf,
        buffer: int | None = None,
        shutdown: Shutdown = 5.0,
    ) -> AbstractAsyncContextManager[AsyncIterator[StreamOutcome[T, R]]]:
        """Do what :meth:`stream` does, but iterate over :class:`Finished` and :class:`Failed`, each with its input.

        A failed or late input is an entry like the others, in its place, and the rest goes on.
        """
        limits = Limits(max_concurrency, is_ordered=ordered, is_linked=False, timeout=timeout, buffer=buffer)
        return open_stream(Flow(self._begin_for(fn, limits, shutdown), inputs, limits), Outcomes)

    def _begin_for(self, fn: Callable[[T], Awaitable[R]], limits: Limits, shutdown: Shutdown) -> Callable[[T], Task[R]]:
        check_callable("fn", fn)
        ChildSpec(lambda: None, shutdown=shutdown)  # refuses what is not valid, before anything begins
        named = limits.limit(fn)
        return lambda item: self.begin(named, item, shutdown=shutdown)

"""What tasks, scopes and streams leave behind when they are cancelled at any point, and how a task shows itself."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from supervisors import Backoff, ChildNotFound, Restart, Task, TaskSupervisor, open_supervisor

Use = Callable[[TaskSupervisor], Awaitable[object]]


async def work(number: int) -> int:
    """Take some checkpoints, and some to tidy up."""
    try:
        await trio.sleep(number % 3)
        await trio.lowlevel.checkpoint()
    finally:
        with trio.CancelScope(shield=True):
            await trio.lowlevel.checkpoint()
            await trio.sleep(0.1)
    return number


async def use_run(tasks: TaskSupervisor) -> None:
    """Run two."""
    for number in range(2):
        await tasks.run(work, number)


async def use_scope(tasks: TaskSupervisor) -> None:
    """Run three side by side."""
    async with tasks.scope() as scope:
        started = [await scope.start(work, number) for number in range(3)]
        await started[0].result()


async def use_stream(tasks: TaskSupervisor) -> None:
    """Read one stream that feeds another."""
    async with (
        tasks.stream(work, range(5), max_concurrency=2) as first,
        tasks.stream(work, first, max_concurrency=2, ordered=False) as second,
    ):
        async for _ in second:
            await trio.lowlevel.checkpoint()


class CancelAt(trio.abc.Instrument):
    """Cancels a scope before a given step of the task that uses it."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self._scope = scope
        self._task = trio.lowlevel.current_task()
        self.left = step

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count, and cancel when it is time."""
        if task is self._task:
            self.left -= 1
            if self.left == 0:
                self._scope.cancel()


async def is_cancelled_at(step: int, use: Use, tasks: TaskSupervisor) -> bool:
    """Use the tasks, and cancel that at the given step. Returns whether it got so far."""
    scope = trio.CancelScope()
    instrument = CancelAt(scope, step)
    with scope:
        trio.lowlevel.add_instrument(instrument)
        try:
            await use(tasks)
        finally:
            trio.lowlevel.remove_instrument(instrument)
    return instrument.left <= 0


@pytest.mark.parametrize("use", [use_run, use_scope, use_stream])
async def test_nothing_is_left_wherever_the_owner_is_cancelled(use: Use, autojump_clock: MockClock) -> None:
    """Cancelled before its first, second, third … step: when the block is left, all its tasks have ended."""
    async with open_supervisor() as root:
        tasks = TaskSupervisor(await root.start_supervisor("tasks", dynamic=True))
        before = trio.lowlevel.current_statistics().tasks_living
        step = 1
        while await is_cancelled_at(step, use, tasks):
            assert tasks.supervisor.which_children() == ()
            await wait_all_tasks_blocked()
            assert trio.lowlevel.current_statistics().tasks_living == before
            step += 1
        assert step > 3


async def test_a_task_shows_where_and_how_it_is(autojump_clock: MockClock) -> None:
    """In its own text and in the tree's."""
    async with open_supervisor() as root:
        tasks = TaskSupervisor(await root.start_supervisor("tasks", dynamic=True))
        task = await tasks.start(work, 2)
        assert repr(task) == "<Task root/tasks/work-1, running>"
        assert "work-1 task (running)" in str(root.tree())
        assert await task.result() == 2
        assert repr(task) == "<Task root/tasks/work-1, normal>"


async def test_a_task_can_be_cancelled_between_two_runs(autojump_clock: MockClock) -> None:
    """While it waits for its next run there is nothing to cancel but that."""
    runs: list[float] = []

    async def run() -> None:
        runs.append(trio.current_time())
        await trio.lowlevel.checkpoint()

    async with open_supervisor() as root:
        tasks = TaskSupervisor(await root.start_supervisor("tasks", dynamic=True))
        task: Task[None] = await tasks.start(run, restart=Restart.PERMANENT, backoff=Backoff(initial=5))
        await trio.sleep(2)
        task.cancel()
        await task.wait()
        await trio.sleep(20)
    assert runs == [0]


async def test_a_supervisors_child_may_be_a_task(autojump_clock: MockClock) -> None:
    """Its handle is what one gets by its id, and what one may give to be terminated."""
    async with open_supervisor() as root:
        tasks = TaskSupervisor(await root.start_supervisor("tasks", dynamic=True))
        task = await tasks.start(trio.sleep_forever)
        assert tasks.supervisor.child(task.id) is task
        await tasks.supervisor.terminate_child(task)
        assert task.is_done
        with pytest.raises(ChildNotFound):
            tasks.supervisor.child(task.id)

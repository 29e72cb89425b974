"""Tasks: starting, awaiting, linking and stopping them: TS-01 to TS-27 and TS-48."""
# ruff: noqa: ARG001, PT012 - a test has virtual time by naming the clock; what escapes a whole block is the point

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    BRUTAL_KILL,
    ChildCrashed,
    ChildNotFound,
    ChildStopped,
    ExitKind,
    Observer,
    Restart,
    SupervisorStopped,
    Task,
    TaskStopped,
    TaskSupervisor,
    TooManyChildren,
    gather,
    open_supervisor,
    wait_tasks,
)
from tests.supervisors.otp.actors import Boom, EventLog, settle


@asynccontextmanager
async def open_tasks(*observers: Observer, max_children: int | None = None) -> AsyncGenerator[TaskSupervisor]:
    """A task supervisor of one test."""
    async with open_supervisor(observers=observers) as root:
        yield TaskSupervisor(await root.start_supervisor("tasks", dynamic=True, max_children=max_children))


async def nap(seconds: float) -> float:
    """Take a while, and return how long."""
    await trio.sleep(seconds)
    return seconds


async def fail(error: BaseException, after: float = 0) -> None:
    """Raise *error*."""
    await trio.sleep(after)
    raise error


async def cling(seconds: float) -> None:
    """Refuse to hear of a cancellation for a while."""
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)


def active(tasks: TaskSupervisor) -> int:
    """How many tasks there are."""
    return tasks.supervisor.count_children().specs


@pytest.mark.otp("TS-01")
async def test_a_linked_task_is_listed_while_it_runs_and_answers_its_caller(autojump_clock: MockClock) -> None:
    """A task is a child like any other, and ends cleanly once it has its result."""
    log = EventLog()
    async with open_tasks(log) as tasks, tasks.scope() as scope:
        task = await scope.start(nap, 1.0)
        assert [child.path for child in tasks.supervisor.which_children()] == [task.path] == ["root/tasks/nap-1"]
        assert await task.result() == 1.0
        assert active(tasks) == 0
        assert task.exit is not None
        assert task.exit.kind is ExitKind.NORMAL
    assert [event.path for event in log.of(ChildStopped)][:1] == ["root/tasks/nap-1"]


@pytest.mark.otp("TS-02")
async def test_a_task_with_brutal_kill_has_no_time_to_tidy_up(autojump_clock: MockClock) -> None:
    """The budget is the task's own: stopping the supervisor kills this one at once."""
    async with open_tasks() as tasks:
        brutal = await tasks.start(trio.sleep_forever, shutdown=BRUTAL_KILL)
        gentle = await tasks.start(trio.sleep_forever)
    assert brutal.exit is not None
    assert gentle.exit is not None
    assert (brutal.exit.kind, gentle.exit.kind) == (ExitKind.KILLED, ExitKind.SHUTDOWN)


@pytest.mark.otp("TS-03")
async def test_one_task_too_many_is_an_error_of_its_starter(autojump_clock: MockClock) -> None:
    """Every way to start one says so, and nothing is started."""
    async with open_tasks(max_children=1) as tasks:
        await tasks.start(trio.sleep_forever)
        with pytest.raises(TooManyChildren):
            await tasks.start(nap, 1.0)
        with pytest.raises(TooManyChildren):
            await tasks.run(nap, 1.0)
        assert active(tasks) == 1


@pytest.mark.otp("TS-04")
async def test_a_task_knows_the_tasks_that_led_to_it(autojump_clock: MockClock) -> None:
    """The chain of callers, nearest first, is what tracing shows."""
    async with open_tasks() as tasks:

        async def child() -> Task[float]:
            return await tasks.start(nap, 1.0)

        async def parent() -> Task[float]:
            return await tasks.run(child)

        grandchild = await tasks.run(parent)
        assert grandchild.callers == ("root/tasks/child-2", "root/tasks/parent-1")
        assert (await tasks.start(nap, 1.0)).callers == ()


@pytest.mark.otp("TS-05")
async def test_the_failure_of_an_unlinked_task_leaves_its_starter_alone(autojump_clock: MockClock) -> None:
    """It is the supervisor's: observers hear of the crash, whoever waits for the result does, nobody else."""
    log = EventLog()
    async with open_tasks(log) as tasks:
        task = await tasks.start(fail, Boom("alone"), 1.0)
        await trio.sleep(2)
        assert [event.path for event in log.of(ChildCrashed)] == [task.path]
        assert active(tasks) == 0
        with pytest.raises(Boom, match="alone"):
            await task.result()


@pytest.mark.otp("TS-06")
async def test_a_permanent_task_runs_again_when_it_has_ended(autojump_clock: MockClock) -> None:
    """The restart policy of a task is the child's; its handle stays the same over the runs."""
    runs: list[float] = []

    async def tick() -> None:
        runs.append(trio.current_time())
        await trio.sleep(3)

    async with open_tasks() as tasks:
        task = await tasks.start(tick, restart=Restart.PERMANENT)
        await trio.sleep(7)
        assert runs == [0, 3, 6]
        assert not task.is_done
        assert (await task.stop()).kind is ExitKind.SHUTDOWN
        with pytest.raises(TaskStopped):
            await task.result()
        assert active(tasks) == 0


@pytest.mark.otp("TS-06")
async def test_a_transient_task_is_run_again_until_it_returns(autojump_clock: MockClock) -> None:
    """Waiting for the result waits for the run that has one."""
    failures = [Boom("1"), Boom("2")]

    async def flaky() -> str:
        await trio.sleep(1)
        if failures:
            raise failures.pop()
        return "done"

    async with open_tasks() as tasks:
        task = await tasks.start(flaky, restart=Restart.TRANSIENT)
        assert await task.result() == "done"
        assert trio.current_time() == 3


@pytest.mark.otp("TS-07")
async def test_a_task_can_be_terminated_through_its_supervisor_once(autojump_clock: MockClock) -> None:
    """A terminated task is forgotten: the second order finds no child."""
    async with open_tasks() as tasks:
        task = await tasks.start(trio.sleep_forever)
        await tasks.supervisor.terminate_child(task.id)
        assert task.is_done
        with pytest.raises(ChildNotFound):
            await tasks.supervisor.terminate_child(task.id)


@pytest.mark.otp("TS-08")
async def test_a_wait_that_timed_out_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    """The task goes on, its later result disturbs nobody, and can still be asked for."""
    async with open_tasks() as tasks:
        task = await tasks.start(nap, 1.0)
        with pytest.raises(trio.TooSlowError), trio.fail_after(0):
            await task.result()
        await trio.sleep(2)
        assert await task.result() == 1.0
        assert active(tasks) == 0


@pytest.mark.otp("TS-09")
@pytest.mark.parametrize("error", [Boom("x"), ValueError("x"), ExceptionGroup("g", [Boom("x")]), StopAsyncIteration()])
async def test_waiting_for_a_task_raises_what_the_task_raised(error: Exception, autojump_clock: MockClock) -> None:
    """The very exception, with the traceback of where it was raised, for every waiter."""
    async with open_tasks() as tasks:
        task = await tasks.start(fail, error)
        for _ in range(2):
            with pytest.raises(type(error)) as caught:
                await task.result()
            assert caught.value is error
            assert caught.traceback[-1].name == "fail"
        with pytest.raises(type(error)):
            await tasks.run(fail, error)


@pytest.mark.otp("TS-10")
async def test_a_task_that_was_stopped_has_no_result(autojump_clock: MockClock) -> None:
    """A function that returns has a result, if only None; one that was stopped says how it ended."""
    async with open_tasks() as tasks:
        task = await tasks.start(trio.sleep_forever)
        task.cancel()
        with pytest.raises(TaskStopped) as caught:
            await task.result()
        assert caught.value.exit is not None
        assert caught.value.exit.kind is ExitKind.SHUTDOWN


@pytest.mark.otp("TS-11")
async def test_anybody_may_wait_for_a_task_and_again(autojump_clock: MockClock) -> None:
    """A result is not a message to one owner but stays with the task."""
    got: list[float] = []

    async def listen(task: Task[float]) -> None:
        got.append(await task.result())

    async with open_tasks() as tasks:
        task = await tasks.start(nap, 1.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, task)
            nursery.start_soon(listen, task)
        got.append(await task.result())
    assert got == [1.0, 1.0, 1.0]


@pytest.mark.otp("TS-12")
async def test_gathered_results_come_in_the_order_of_the_tasks(autojump_clock: MockClock) -> None:
    """Whoever ends first; and a task that is mentioned twice answers twice."""
    async with open_tasks() as tasks:
        started = [await tasks.start(nap, seconds) for seconds in (3.0, 1.0, 2.0)]
        assert await gather([*started, started[0]]) == [3.0, 1.0, 2.0, 3.0]
        assert trio.current_time() == 3


@pytest.mark.otp("TS-13")
async def test_gathering_nothing_returns_at_once() -> None:
    """An empty list in, an empty list out."""
    nothing: list[Task[int]] = []
    assert await gather(nothing) == []


@pytest.mark.otp("TS-15")
async def test_the_first_failure_ends_a_gathering_at_once(autojump_clock: MockClock) -> None:
    """It does not wait for one that hangs, and unlinked tasks are left as they are."""
    async with open_tasks() as tasks:
        hangs: Task[object] = await tasks.start(trio.sleep_forever)
        fails = await tasks.start(fail, Boom("first"), 1.0)
        with pytest.raises(Boom, match="first"):
            await gather([hangs, fails])
        assert trio.current_time() == 1
        assert not hangs.is_done


@pytest.mark.otp("TS-15")
async def test_a_task_that_was_stopped_ends_a_gathering_at_once(autojump_clock: MockClock) -> None:
    """No result is a failure to gather."""
    async with open_tasks() as tasks:
        hangs = await tasks.start(nap, 9.0)
        stops = await tasks.start(nap, 9.0)
        stops.cancel()
        with pytest.raises(TaskStopped):
            await gather([hangs, stops])


@pytest.mark.otp("TS-16")
async def test_a_gathering_can_time_out(autojump_clock: MockClock) -> None:
    """By the usual means; the tasks go on."""
    async with open_tasks() as tasks:
        started = [await tasks.start(nap, seconds) for seconds in (1.0, 9.0)]
        with pytest.raises(trio.TooSlowError), trio.fail_after(5):
            await gather(started)
        assert [task.is_done for task in started] == [True, False]


@pytest.mark.otp("TS-17", "TS-22")
async def test_a_result_that_is_there_survives_a_later_stop(autojump_clock: MockClock) -> None:
    """Who finished was not stopped: the value wins over any end that comes after it."""
    async with open_tasks() as tasks:
        task = await tasks.start(nap, 1.0)
        await trio.sleep(2)
        task.cancel()
        assert (await task.stop()).kind is ExitKind.NORMAL
        assert await task.result() == 1.0


@pytest.mark.otp("TS-18")
async def test_a_look_with_a_limit_tells_nothing_yet_or_how_it_ended(autojump_clock: MockClock) -> None:
    """``wait`` never raises what the task raised: it tells the end as a value."""
    async with open_tasks() as tasks:
        task = await tasks.start(nap, 2.0)
        with trio.move_on_after(1) as scope:
            await task.wait()
        assert scope.cancelled_caught
        assert task.exit is None
        assert (await task.wait()).kind is ExitKind.NORMAL
        assert (await (await tasks.start(fail, Boom())).wait()).kind is ExitKind.CRASHED


def leave(_: Task[float]) -> None:
    """Do nothing about it."""


def cancel(task: Task[float]) -> None:
    """Have it end."""
    task.cancel()


@pytest.mark.otp("TS-19")
@pytest.mark.parametrize(("about_the_late", "expected"), [(leave, True), (cancel, False)])
async def test_after_a_limit_the_late_tasks_are_left_or_cancelled(
    about_the_late: Callable[[Task[float]], None], expected: object, autojump_clock: MockClock
) -> None:
    """What happens to those that are late is the caller's choice; a dropped handle forgets the result."""
    async with open_tasks() as tasks:
        early, late = [await tasks.start(nap, seconds) for seconds in (1.0, 3.0)]
        with trio.move_on_after(2):
            await wait_tasks([early, late])
        assert [task.is_done for task in (early, late)] == [True, False]
        about_the_late(late)
        await settle()
        assert (active(tasks) == 1) is expected


@pytest.mark.otp("TS-20")
async def test_waiting_for_some_returns_with_the_first_of_them(autojump_clock: MockClock) -> None:
    """The others are still pending, and can be waited for again."""
    async with open_tasks() as tasks:
        started = [await tasks.start(nap, seconds) for seconds in (3.0, 1.0, 2.0)]
        assert await wait_tasks(started, count=1) == [started[1]]
        assert trio.current_time() == 1
        assert [task.is_done for task in started] == [False, True, False]
        assert await wait_tasks(started) == [started[1], started[2], started[0]]


@pytest.mark.otp("TS-21")
async def test_waiting_for_more_than_there_are_returns_when_all_are_over(autojump_clock: MockClock) -> None:
    """A count beyond the tasks is no reason to wait for ever."""
    async with open_tasks() as tasks:
        only = await tasks.start(nap, 1.0)
        assert await wait_tasks([only], count=2) == [only]
        assert trio.current_time() == 1


@pytest.mark.otp("TS-23")
async def test_stopping_tells_how_a_task_really_ended(autojump_clock: MockClock) -> None:
    """Stopped by this order, finished, crashed or killed before it: the exit is the true one."""
    async with open_tasks() as tasks:
        stopped = await tasks.start(trio.sleep_forever)
        finished = await tasks.start(nap, 0.0)
        crashed = await tasks.start(fail, Boom())
        killed = await tasks.start(trio.sleep_forever, shutdown=BRUTAL_KILL)
        await killed.stop()
        await settle()
        kinds = [(await task.stop()).kind for task in (stopped, finished, crashed, killed)]
        assert kinds == [ExitKind.SHUTDOWN, ExitKind.NORMAL, ExitKind.CRASHED, ExitKind.KILLED]


@pytest.mark.otp("TS-24")
async def test_a_task_that_ignores_its_stop_is_killed_after_its_budget(autojump_clock: MockClock) -> None:
    """The exit says so; the stop returns when the task is really gone."""
    async with open_tasks() as tasks:
        task = await tasks.start(cling, 3.0, shutdown=1.0)
        assert (await task.stop()).kind is ExitKind.KILLED
        assert trio.current_time() == 3


@pytest.mark.otp("TS-25")
async def test_a_brutal_stop_gives_no_grace(autojump_clock: MockClock) -> None:
    """A task with no budget is killed at once."""
    async with open_tasks() as tasks:
        task = await tasks.start(trio.sleep_forever, shutdown=BRUTAL_KILL)
        assert (await task.stop()).kind is ExitKind.KILLED
        assert active(tasks) == 0


@pytest.mark.otp("TS-26")
async def test_stopping_a_finished_task_again_tells_its_true_end(autojump_clock: MockClock) -> None:
    """The exit record is kept, so no late question is answered with 'no such task'."""
    async with open_tasks() as tasks:
        task = await tasks.start(trio.sleep_forever)
        assert (await task.stop()).kind is ExitKind.SHUTDOWN
        assert (await task.stop()).kind is ExitKind.SHUTDOWN


@pytest.mark.otp("TS-27")
async def test_an_unlinked_task_nobody_asks_for_runs_to_its_end(autojump_clock: MockClock) -> None:
    """Forgetting a task is dropping its handle; its failure is still reported, its value is gone."""
    log = EventLog()
    done = trio.Event()

    async def work() -> None:
        await trio.sleep(1)
        done.set()

    async with open_tasks(log) as tasks:
        await tasks.start(work)
        await tasks.start(fail, Boom())
        await done.wait()
    assert len(log.of(ChildCrashed)) == 1


@pytest.mark.otp("TS-48")
async def test_a_caller_that_is_cancelled_takes_its_linked_task_along(autojump_clock: MockClock) -> None:
    """The linked task is gone when the cancellation leaves the call; the unlinked one lives."""
    async with open_tasks() as tasks:
        unlinked = await tasks.start(trio.sleep_forever)
        with trio.move_on_after(1) as scope:
            await tasks.run(trio.sleep_forever)
        assert scope.cancelled_caught
        assert [child.path for child in tasks.supervisor.which_children()] == [unlinked.path]


@pytest.mark.otp("TS-48")
async def test_an_unlinked_run_goes_on_without_its_caller(autojump_clock: MockClock) -> None:
    """The choice is made where the call is written."""
    async with open_tasks() as tasks:
        with trio.move_on_after(1):
            await tasks.run(nap, 5.0, linked=False)
        assert active(tasks) == 1


async def test_the_failure_of_a_linked_task_ends_its_block_and_the_others(autojump_clock: MockClock) -> None:
    """Linked both ways: the block is cancelled where it waits, and the failure comes out of it bare."""
    async with open_tasks() as tasks:
        with pytest.raises(Boom, match="link"):
            async with tasks.scope() as scope:
                await scope.start(trio.sleep_forever)
                await scope.start(fail, Boom("link"), 1.0)
                await trio.sleep_forever()
        assert trio.current_time() == 1
        assert active(tasks) == 0


async def test_a_block_that_fails_stops_its_linked_tasks(autojump_clock: MockClock) -> None:
    """Nothing outlives the block, however it is left."""
    async with open_tasks() as tasks:
        with pytest.raises(ValueError, match="body"):
            async with tasks.scope() as scope:
                await scope.start(trio.sleep_forever)
                raise ValueError("body")
        assert active(tasks) == 0


async def test_a_block_waits_for_its_linked_tasks(autojump_clock: MockClock) -> None:
    """Leaving it normally is no reason to stop anybody, as with a nursery; a cancelled task is no failure."""
    async with open_tasks() as tasks:
        async with tasks.scope() as scope:
            slow = await scope.start(nap, 3.0)
            (await scope.start(trio.sleep_forever)).cancel()
        assert trio.current_time() == 3
        assert await slow.result() == 3.0


async def test_a_cancelled_start_leaves_no_task(autojump_clock: MockClock) -> None:
    """Who never got the handle has started nothing."""
    async with open_tasks() as tasks:
        with trio.move_on_after(0):
            await tasks.start(trio.sleep_forever)
        await settle()
        assert active(tasks) == 0


async def test_a_stopping_supervisor_stops_its_tasks_and_starts_no_more(autojump_clock: MockClock) -> None:
    """Linked or not, a task ends with its supervisor; whoever waits is told."""
    async with open_tasks() as tasks:
        task = await tasks.start(trio.sleep_forever)
        tasks.supervisor.stop()
        with pytest.raises(TaskStopped):
            await task.result()
        with pytest.raises(SupervisorStopped):
            await tasks.start(nap, 1.0)


async def test_tasks_need_a_dynamic_supervisor() -> None:
    """They come and go; a static supervisor would keep the ended ones on its list."""
    async with open_supervisor() as root:
        with pytest.raises(ValueError, match="dynamic=True"):
            TaskSupervisor(root)

"""Children made of context managers and of plain async functions."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from supervisors import Host, StartError, child_from, open_supervisor
from tests.supervisors.cast import Bug, settle


@asynccontextmanager
async def open_connection(log: list[str], *, takes: float, fails: bool) -> AsyncGenerator[list[str]]:
    """A resource with a task of its own."""
    await trio.sleep(takes)
    if fails:
        raise Bug("no connection")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        log.append("open")
        try:
            yield log
        finally:
            with trio.move_on_after(10, shield=True):
                await trio.sleep(takes)
                log.append("closed")
            nursery.cancel_scope.cancel()


async def test_a_hosted_context_is_entered_when_the_child_has_started(autojump_clock: MockClock) -> None:
    """And left, in order and within the budget, when it stops."""
    log: list[str] = []
    async with open_supervisor() as root:
        host = await root.start_child(child_from(lambda: open_connection(log, takes=2, fails=False), name="connection"))
        assert (trio.current_time(), log) == (2, ["open"])
        assert await host.call(Host[list[str]].value) is log
    assert (log, trio.current_time()) == (["open", "closed"], 4)


async def test_a_context_that_cannot_be_entered_is_a_failed_start() -> None:
    """Its error is the cause."""
    async with open_supervisor() as root:
        with pytest.raises(StartError, match="no connection"):
            await root.start_child(child_from(lambda: open_connection([], takes=0, fails=True)))


async def test_a_context_that_takes_too_long_to_enter_is_a_failed_start(autojump_clock: MockClock) -> None:
    """The limit is on the start, not on what the start leaves open."""
    async with open_supervisor() as root:
        with pytest.raises(StartError, match="did not start within 1 s"):
            await root.start_child(child_from(lambda: open_connection([], takes=5, fails=False), start_timeout=1))
        host = await root.start_child(child_from(lambda: open_connection([], takes=0.5, fails=False), start_timeout=1))
        await trio.sleep(5)
        assert host.is_alive


async def test_what_escapes_from_the_context_is_a_crash_and_a_new_one_is_entered() -> None:
    """The resource's own tasks are the child's."""
    made: list[trio.Event] = []

    @asynccontextmanager
    async def open_fragile() -> AsyncGenerator[int]:
        breaks = trio.Event()
        made.append(breaks)

        async def run() -> None:
            await breaks.wait()
            raise Bug("broken")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield len(made)
            nursery.cancel_scope.cancel()

    async with open_supervisor() as root:
        host = await root.start_child(child_from(open_fragile))
        made[0].set()
        exit_ = await host.ended()
        assert exit_.kind.value == "crashed"
        assert await host.call(Host[int].value) == 2
        await host.stop()


async def test_a_function_is_a_child_that_ends_with_it(autojump_clock: MockClock) -> None:
    """What it returned is in the record."""

    async def work(seconds: float) -> str:
        await trio.sleep(seconds)
        return "result"

    async with open_supervisor() as root:
        job = await root.start_child(child_from(partial(work, 3), restart="transient"))
        exit_ = await job.ended()
        assert (job.path, trio.current_time(), exit_.kind.value, exit_.reason) == ("root/work", 3, "normal", "result")


async def test_a_function_that_raises_is_restarted_like_any_child() -> None:
    """Until it works."""
    attempts: list[int] = []

    async def fragile() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise Bug("again")

    async with open_supervisor() as root:
        await root.start_child(child_from(fragile, restart="transient"))
        await settle()
        assert len(attempts) == 3
        assert root.count_children().active == 0


async def test_stopping_a_function_cancels_it() -> None:
    """It has no mailbox to be asked by; its ``finally`` blocks run."""
    log: list[str] = []

    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            log.append("cleaned up")

    async with open_supervisor() as root:
        await root.start_child(child_from(work))
        await settle()
        await root.terminate_child("work")
        assert log == ["cleaned up"]

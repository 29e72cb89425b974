"""A loop in a thread of its own, owned by a task: it ends with the task, whichever way that ends."""

import threading

import pytest
import trio
import trio.lowlevel

from tinkex_actors.actors.own_loop import Owner, run_in_own_loop

NAME = "own loop under test"


def is_running() -> bool:
    return any(thread.name == NAME for thread in threading.enumerate())


async def test_it_runs_elsewhere_and_what_it_raises_is_raised_here() -> None:
    """Like calling an async function, but for the thread."""
    here = threading.get_ident()

    async def main(owner: Owner) -> None:
        assert owner.thread_id == here != threading.get_ident()
        await trio.lowlevel.checkpoint()
        raise KeyError("there")

    with pytest.RaisesGroup(pytest.RaisesExc(KeyError, match="there")):
        await run_in_own_loop(main, thread_name=NAME)
    assert not is_running()


@pytest.mark.parametrize("checkpoints", range(6))
async def test_cancelling_at_any_moment_leaves_no_thread(checkpoints: int) -> None:
    """Before the loop runs, while it begins, and while it waits."""

    async def main(_: Owner) -> None:
        await trio.sleep_forever()

    for _ in range(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: run_in_own_loop(main, thread_name=NAME))
            for _ in range(checkpoints):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert not is_running()


async def test_it_begins_however_busy_the_programs_threads_are() -> None:
    """A program whose threads all wait, perhaps for this server, must not lose its session for that."""

    async def main(_: Owner) -> None:
        await trio.lowlevel.checkpoint()

    limiter = trio.to_thread.current_default_thread_limiter()
    places = [object() for _ in range(int(limiter.total_tokens))]
    for place in places:
        limiter.acquire_on_behalf_of_nowait(place)
    try:
        with trio.fail_after(20):
            await run_in_own_loop(main, thread_name=NAME)
    finally:
        for place in places:
            limiter.release_on_behalf_of(place)


async def test_calls_that_wait_already_are_one_call() -> None:
    """A loop that is blocked for an hour finds one bell to answer and not hundreds."""
    calls = list[str]()
    done, started, said = trio.Event(), threading.Event(), threading.Event()

    def ring() -> None:
        calls.append("ring")

    async def main(owner: Owner) -> None:
        started.set()
        for _ in range(1000):
            owner.call_soon(ring)
        owner.call_soon(done.set)
        said.set()
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: run_in_own_loop(main, thread_name=NAME))
        while not started.is_set():
            await trio.lowlevel.checkpoint()
        # A blocking wait, on purpose: this loop does not turn until everything was said.
        assert said.wait(20)
        await done.wait()
    assert 1 <= len(calls) < 1000

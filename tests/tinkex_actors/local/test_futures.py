"""Promises and their outcomes."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tinkex_actors.local.futures import Finished, Futures, Lost, Outcome
from tinkex_actors.local.keys import Owner
from tinkex_actors.local.refusals import Gone, NotFound
from tinkex_actors.types.errors import RequestErrorCategory
from tinkex_actors.types.futures import FutureFailure
from tinkex_actors.types.ids import SessionId

ME, SESSION = Owner("me"), SessionId("s")
DONE = Finished("application/json", b"{}")


async def test_a_retrieval_is_answered_in_the_moment_of_settling(autojump_clock: MockClock) -> None:
    """Long polls must not add latency to an operation."""
    futures, seen = Futures(kept_bytes=100), list[tuple[Outcome | None, float]]()
    promise = futures.open("OptimStep", owner=ME, session_id=SESSION)
    started = autojump_clock.current_time()

    async def retrieve() -> None:
        outcome = await futures.wait(promise.request_id, ME, patience=25)
        seen.append((outcome, autojump_clock.current_time() - started))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(retrieve)
        await trio.sleep(3)
        futures.settle(promise.request_id, DONE)
    assert seen == [(DONE, 3.0)]


async def test_a_retrieval_that_waits_too_long_says_try_again(autojump_clock: MockClock) -> None:
    """Clients give up at 45 s and count that as an outage."""
    futures = Futures(kept_bytes=100)
    promise = futures.open("OptimStep", owner=ME, session_id=SESSION)
    started = autojump_clock.current_time()
    assert await futures.wait(promise.request_id, ME, patience=25) is None
    assert autojump_clock.current_time() - started == 25


async def test_an_outcome_never_changes_and_may_be_fetched_again() -> None:
    """Answers get lost on the way; the second fetch must bring the same."""
    futures = Futures(kept_bytes=100)
    promise = futures.open("OptimStep", owner=ME, session_id=SESSION)
    futures.settle(promise.request_id, DONE)
    futures.settle(promise.request_id, FutureFailure("late", RequestErrorCategory.SERVER))
    assert [await futures.wait(promise.request_id, ME, patience=1) for _ in range(2)] == [DONE, DONE]


async def test_another_key_does_not_find_the_promise() -> None:
    """Results are the owner's alone."""
    futures = Futures(kept_bytes=100)
    promise = futures.open("Sample", owner=ME, session_id=SESSION)
    with pytest.raises(NotFound, match="unknown here"):
        await futures.wait(promise.request_id, Owner("you"), patience=1)


async def test_a_lost_promise_is_gone() -> None:
    """410 tells the official client to sample again."""
    futures = Futures(kept_bytes=100)
    promise = futures.open("Sample", owner=ME, session_id=SESSION)
    futures.settle(promise.request_id, Lost("the server was restarted"))
    with pytest.raises(Gone, match="restarted"):
        await futures.wait(promise.request_id, ME, patience=1)


async def test_closing_answers_everybody_who_waits(autojump_clock: MockClock) -> None:
    """A graceful stop must not wait for long polls to run out."""
    futures = Futures(kept_bytes=100)
    promise = futures.open("Sample", owner=ME, session_id=SESSION)
    started = autojump_clock.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: futures.wait(promise.request_id, ME, patience=25))
        await wait_all_tasks_blocked()
        futures.close()
    assert await futures.wait(promise.request_id, ME, patience=25) is None
    assert autojump_clock.current_time() == started


async def test_results_fetched_longest_ago_are_forgotten_beyond_the_budget() -> None:
    """A long run must not fill the memory with results nobody will ask for again, however short each is."""
    futures = Futures(kept_bytes=2500)
    promises = [futures.open("Sample", owner=ME, session_id=SESSION) for _ in range(3)]
    for promise in promises:
        futures.settle(promise.request_id, DONE)
    for promise in promises:
        await futures.wait(promise.request_id, ME, patience=1)
    with pytest.raises(NotFound):
        futures.find(promises[0].request_id, ME)
    assert futures.find(promises[2].request_id, ME).outcome == DONE


async def test_a_session_that_ends_fails_what_it_still_waits_for() -> None:
    """Every promise has an outcome, also when its model goes away."""
    futures, ended = Futures(kept_bytes=100), FutureFailure("the session has ended", RequestErrorCategory.USER)
    done, waiting = (futures.open("Sample", owner=ME, session_id=SESSION) for _ in range(2))
    futures.settle(done.request_id, DONE)
    futures.release(SESSION, ended)
    assert (done.outcome, waiting.outcome) == (DONE, ended)

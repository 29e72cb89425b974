"""What a user holds: awaitable often, safe to leave, and never silent about a failure nobody heard."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs
from trio.testing import MockClock

from tinkex_actors.actors.errors import OperationWithdrawn, fresh
from tinkex_actors.actors.pending import Audience, Pending, Slot
from tinkex_actors.types.errors import APIStatusError, BadRequestError, RequestFailedError
from tinkex_actors.types.futures import Promise
from tinkex_actors.types.ids import RequestId

PROMISE = Promise(RequestId("r"))


def slot() -> Slot[int]:
    return Slot[int](Audience("optim_step"))


def pending(*slots: Slot[int], is_left_to_run: bool = True) -> Pending[int]:
    def withdraw() -> bool:
        for each in slots:
            each.fail(OperationWithdrawn("cancelled"))
        return True

    return Pending(slots, sum, withdraw=withdraw, is_left_to_run=is_left_to_run)


async def test_a_result_can_be_awaited_any_number_of_times() -> None:
    """A loop may look at yesterday's gradients again."""
    one, two = Slot[int](audience := Audience("forward")), Slot[int](audience)
    whole = pending(one, two)
    two.succeed(2)
    one.succeed(1)
    assert [await whole, await whole] == [3, 3]
    assert whole.is_done


async def test_the_slices_are_combined_once_and_by_whoever_awaits() -> None:
    """Merging a large batch costs time: never in an actor's turn, and never twice."""
    calls = list[Sequence[int]]()

    def combine(values: Sequence[int]) -> int:
        calls.append(values)
        return 7

    one = slot()
    whole = Pending([one], combine, withdraw=lambda: False)
    one.succeed(1)
    assert not calls
    assert (await whole, await whole) == (7, 7)
    assert calls == [[1]]


async def test_a_fate_is_written_once() -> None:
    """A late answer after a withdrawal changes nothing."""
    one = slot()
    one.succeed(1)
    one.fail(RequestFailedError("late"))
    one.succeed(2)
    assert await pending(one) == 1


async def test_accepted_waits_for_the_promise_only(nursery: trio.Nursery) -> None:
    """Pacing a loop by acceptance keeps the server's queue short without waiting for results."""
    one, heard = slot(), trio.Event()
    whole = pending(one)

    async def listen() -> None:
        await whole.accepted()
        heard.set()

    nursery.start_soon(listen)
    await trio.testing.wait_all_tasks_blocked()
    assert not heard.is_set()
    one.accept(PROMISE)
    with trio.fail_after(1):
        await heard.wait()
    assert not whole.is_done
    one.succeed(1)
    assert await whole == 1


async def test_many_may_wait_for_one_promise_and_one_fate(autojump_clock: MockClock) -> None:
    """Who comes second finds what the first waits on; who comes late waits no more."""
    one = slot()
    heard = list[str]()

    async def hear(name: str, wait: Callable[[], Awaitable[object]]) -> None:
        await wait()
        heard.append(name)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(hear, "promise", one.wait_accepted)
            nursery.start_soon(hear, "fate", one.wait)
        await trio.sleep(1)
        one.accept(PROMISE)
        await trio.sleep(1)
        assert heard == ["promise"] * 3
        one.succeed(7)
    await one.wait_accepted()
    assert (await one.wait(), heard[3:]) == (7, ["fate"] * 3)
    assert autojump_clock.current_time() < 3


async def test_accepted_raises_when_there_will_be_no_promise() -> None:
    """Who waits for acceptance must not hang on a refusal."""
    one = slot()
    one.fail(RequestFailedError("refused"))
    whole = pending(one)
    with pytest.raises(RequestFailedError, match="refused"):
        await whole.accepted()
    with pytest.raises(RequestFailedError):
        await whole


async def test_every_waiter_gets_an_exception_of_its_own() -> None:
    """One shared instance would gather the tracebacks of all who await it."""
    one, cause = slot(), KeyError("x")
    error = BadRequestError("no", status_code=400, body={"detail": "no"}, operation="optim_step")
    error.__cause__ = cause
    one.fail(error)
    whole = pending(one)
    caught = list[BadRequestError]()
    for _ in range(2):
        with pytest.raises(BadRequestError) as failure:
            await whole
        caught.append(failure.value)
    assert caught[0] is not caught[1]
    assert [(e.status_code, e.body, e.operation, e.__cause__, str(e)) for e in caught] == [
        (400, {"detail": "no"}, "optim_step", cause, "no")
    ] * 2


def test_a_twin_needs_no_constructor() -> None:
    """Errors with arguments of their own are copied too, subclasses of users included."""

    class Odd(APIStatusError):
        def __init__(self, *, code: int) -> None:
            super().__init__("odd", status_code=code)

    twin = fresh(Odd(code=418))
    assert isinstance(twin, Odd)
    assert (twin.status_code, str(twin)) == (418, "odd")


async def test_cancelling_a_waiter_only_stops_the_waiting() -> None:
    """A training step that is on its way is done, whoever still looks."""
    one = slot()
    whole = pending(one)
    with trio.move_on_after(0):
        await whole
    one.succeed(1)
    assert await whole == 1


async def test_a_sample_is_withdrawn_when_its_last_waiter_leaves(nursery: trio.Nursery) -> None:
    """Nobody pays for tokens that nobody wants; one waiter of two who leaves takes nothing from the other."""
    one = slot()
    whole = pending(one, is_left_to_run=False)
    scopes = [trio.CancelScope(), trio.CancelScope()]

    async def wait(scope: trio.CancelScope) -> None:
        with scope:
            await whole

    for scope in scopes:
        nursery.start_soon(wait, scope)
    await trio.testing.wait_all_tasks_blocked()
    scopes[0].cancel()
    await trio.testing.wait_all_tasks_blocked()
    assert not whole.is_done
    scopes[1].cancel()
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(OperationWithdrawn):
        await whole


def failed_unheard(*, settles_first: bool) -> None:
    one, two = Slot[int](audience := Audience("optim_step")), Slot[int](audience)
    whole = pending(one, two)
    if settles_first:
        one.fail(RequestFailedError("out of memory"))
    del whole
    if not settles_first:
        one.fail(RequestFailedError("out of memory"))
    two.fail(RequestFailedError("the other slice"))


@pytest.mark.parametrize("settles_first", [True, False])
async def test_a_failure_nobody_awaited_is_told_once(*, settles_first: bool) -> None:
    """Fire and forget must not mean silently wrong: whichever comes first, the failure or the last handle's end."""
    with capture_logs() as logs:
        failed_unheard(settles_first=settles_first)
    assert [(line["log_level"], line["operation"], line["error"]) for line in logs] == [
        ("warning", "optim_step", "out of memory")
    ]


async def test_a_failure_that_was_heard_is_not_told_again() -> None:
    """Whoever caught it has decided what it means."""
    with capture_logs() as logs:
        one = slot()
        whole = pending(one)
        one.fail(RequestFailedError("no"))
        with pytest.raises(RequestFailedError):
            await whole
        del whole
    assert logs == []

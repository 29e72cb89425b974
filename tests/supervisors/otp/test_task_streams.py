"""Streams of tasks: order, limits, failures, and leaving early: TS-28 to TS-47."""
# ruff: noqa: ARG001, PT012 - a test has virtual time by naming the clock; what escapes a whole block is the point

import math
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisors import Failed, Finished, TaskStopped, TooManyChildren
from tests.supervisors.otp.actors import Boom, settle
from tests.supervisors.otp.test_tasks import active, nap, open_tasks


async def double(number: int) -> int:
    """Work without waiting."""
    return 2 * number


async def crash_odd(number: int) -> int:
    """Fail for odd numbers, after a moment."""
    await trio.sleep(1)
    if number % 2:
        raise Boom(number)
    return number


@pytest.mark.otp("TS-28")
@pytest.mark.parametrize("max_concurrency", [1, 3, 4, 9])
@pytest.mark.parametrize("ordered", [True, False])
async def test_a_stream_answers_every_input(max_concurrency: int, ordered: bool, autojump_clock: MockClock) -> None:  # noqa: FBT001 - a case of the table
    """With fewer, as many and more workers than inputs."""
    async with open_tasks() as tasks:
        async with tasks.stream(double, range(4), max_concurrency=max_concurrency, ordered=ordered) as results:
            got = [result async for result in results]
        assert sorted(got) == [0, 2, 4, 6]
        assert got == sorted(got) or not ordered


@pytest.mark.otp("TS-29")
async def test_a_stream_leaves_no_task_behind(autojump_clock: MockClock) -> None:
    """Neither when it is read to its end nor when nobody ever reads it."""
    async with open_tasks() as tasks:
        async with tasks.stream(nap, [1.0, 2.0], max_concurrency=2) as results:
            assert [result async for result in results] == [1.0, 2.0]
            assert active(tasks) == 0
        async with tasks.stream(nap, [1.0, 2.0], max_concurrency=2):
            await settle()
            assert active(tasks) == 0


@pytest.mark.otp("TS-30")
async def test_ordered_results_wait_for_a_slow_first(autojump_clock: MockClock) -> None:
    """The order of the inputs, whoever is done first."""
    async with open_tasks() as tasks, tasks.stream(nap, [4.0, 1.0, 2.0], max_concurrency=3) as results:
        assert [result async for result in results] == [4.0, 1.0, 2.0]
        assert trio.current_time() == 4


@pytest.mark.otp("TS-31", "TS-46")
async def test_failures_are_entries_in_the_order_of_the_inputs(autojump_clock: MockClock) -> None:
    """Whoever reads outcomes is not failed by them, and reads all of them."""
    async with (
        open_tasks() as tasks,
        tasks.stream_outcomes(crash_odd, [1, 3, 5, 7], max_concurrency=2) as outcomes,
    ):
        errors = [outcome.error async for outcome in outcomes if isinstance(outcome, Failed)]
    assert [str(error) for error in errors] == ["1", "3", "5", "7"]


async def test_a_failure_ends_a_stream_of_results(autojump_clock: MockClock) -> None:
    """Results that were ready before it come first; nothing else is begun; the failure says which input it was."""
    async with open_tasks() as tasks:
        got: list[int] = []
        with pytest.raises(Boom) as caught:
            async with tasks.stream(crash_odd, [2, 4, 5, 6, 8, 10], max_concurrency=2) as results:
                async for result in results:
                    got.append(result)  # noqa: PERF401 - the loop raises
        assert got == [2, 4]
        assert caught.value.__notes__ == ["raised for the input 5"]
        assert active(tasks) == 0


async def test_a_failure_does_not_wait_behind_a_slow_head(autojump_clock: MockClock) -> None:
    """Nobody should wait an hour to hear that the next input has failed."""

    async def head_or_crash(number: int) -> None:
        await trio.sleep(3600 if number == 0 else 1)
        raise Boom(number)

    async with open_tasks() as tasks:
        with pytest.raises(Boom, match="1"):
            async with tasks.stream(head_or_crash, range(4), max_concurrency=2) as results:
                await anext(results)
        assert trio.current_time() == 1


@pytest.mark.otp("TS-32")
async def test_leaving_early_stops_the_workers_before_the_next_line(autojump_clock: MockClock) -> None:
    """After the block not one of them is left, and each has had its clean-up."""
    cleaned: list[int] = []

    async def first_or_hang(number: int) -> int:
        try:
            await trio.sleep(0 if number == 0 else math.inf)
        finally:
            cleaned.append(number)
        return number

    async with open_tasks() as tasks:
        async with tasks.stream(first_or_hang, range(4), max_concurrency=4) as results:
            async for result in results:
                assert result == 0
                break
        assert sorted(cleaned) == [0, 1, 2, 3]
        assert active(tasks) == 0


@pytest.mark.otp("TS-33")
async def test_two_streams_run_side_by_side(autojump_clock: MockClock) -> None:
    """Zipped with itself, a stream is two independent runs; also when inputs fail."""
    async with (
        open_tasks() as tasks,
        tasks.stream_outcomes(crash_odd, range(4), max_concurrency=4) as left,
        tasks.stream_outcomes(crash_odd, range(4), max_concurrency=4) as right,
    ):
        pairs = [(a.input, (await anext(right)).input) async for a in left]
    assert pairs == [(n, n) for n in range(4)]


@pytest.mark.otp("TS-34", "TS-35")
async def test_no_more_inputs_are_taken_than_the_consumer_needs(autojump_clock: MockClock) -> None:
    """The first question begins as many as may run, each further one replaces what was taken; the inputs are closed."""
    taken: list[int] = []

    def count() -> Generator[int, None, None]:
        try:
            for number in range(100):
                taken.append(number)
                yield number
        finally:
            taken.append(-1)

    async with open_tasks() as tasks:
        async with tasks.stream(double, count(), max_concurrency=2) as results:
            assert taken == []
            assert [await anext(results), await anext(results)] == [0, 2]
            await settle()
            assert taken == [0, 1, 2]
        assert taken == [0, 1, 2, -1]


@pytest.mark.otp("TS-34", "TS-35", "TS-45")
async def test_a_stream_feeds_another(autojump_clock: MockClock) -> None:
    """Inputs may be asynchronous; leaving the outer one early closes all of them, their resources included."""
    closed: list[str] = []

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            for number in range(100):
                await trio.sleep(1)
                yield number
        finally:
            closed.append("numbers")

    async with open_tasks() as tasks:
        async with (
            tasks.stream(double, numbers(), max_concurrency=2) as doubled,
            tasks.stream(double, doubled, max_concurrency=2) as results,
        ):
            assert [await anext(results) for _ in range(3)] == [0, 4, 8]
        assert closed == ["numbers"]
        assert active(tasks) == 0


@pytest.mark.otp("TS-36", "TS-41")
async def test_an_input_that_takes_too_long_is_an_entry_with_its_input(autojump_clock: MockClock) -> None:
    """Each input has its own limit, from its own start; the others are not disturbed."""
    async with (
        open_tasks() as tasks,
        tasks.stream_outcomes(nap, [100.0, 1.0, 100.0, 2.0], max_concurrency=4, timeout=50) as stream,
    ):
        outcomes = [outcome async for outcome in stream]
        assert [outcome.input for outcome in outcomes] == [100.0, 1.0, 100.0, 2.0]
        assert outcomes[1::2] == [Finished(1.0, 1.0), Finished(2.0, 2.0)]
        assert all(isinstance(o, Failed) and isinstance(o.error, trio.TooSlowError) for o in outcomes[::2])
        assert active(tasks) == 0


@pytest.mark.otp("TS-37")
@pytest.mark.parametrize(("max_concurrency", "expected"), [(1, [4.0, 3.0, 2.0, 1.0]), (4, [1.0, 2.0, 3.0, 4.0])])
async def test_unordered_results_come_as_they_are_ready(
    max_concurrency: int, expected: list[float], autojump_clock: MockClock
) -> None:
    """With one worker that is the order of the inputs."""
    async with (
        open_tasks() as tasks,
        tasks.stream(nap, [4.0, 3.0, 2.0, 1.0], max_concurrency=max_concurrency, ordered=False) as results,
    ):
        assert [result async for result in results] == expected


@pytest.mark.otp("TS-38")
async def test_unordered_the_late_inputs_come_last(autojump_clock: MockClock) -> None:
    """They end when their time is over, behind those that made it."""
    async with (
        open_tasks() as tasks,
        tasks.stream_outcomes(nap, [99.0, 1.0, 98.0, 2.0], max_concurrency=4, ordered=False, timeout=50) as outcomes,
    ):
        assert [type(outcome) async for outcome in outcomes] == [Finished, Finished, Failed, Failed]


@pytest.mark.otp("TS-39")
async def test_an_input_that_takes_too_long_ends_a_stream_of_results(autojump_clock: MockClock) -> None:
    """As any failure does; nothing is left."""
    async with open_tasks() as tasks:
        with pytest.raises(trio.TooSlowError):
            async with tasks.stream(nap, [math.inf], max_concurrency=1, timeout=0) as results:
                await anext(results)
        assert active(tasks) == 0


@pytest.mark.otp("TS-40")
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"max_concurrency": 0}, "max_concurrency must be an int >= 1, got 0"),
        ({"max_concurrency": 1.5}, "max_concurrency must be an int >= 1"),
        ({"max_concurrency": 1, "timeout": -1}, "timeout must be seconds >= 0"),
        ({"max_concurrency": 1, "timeout": "5"}, "timeout must be seconds >= 0"),
        ({"max_concurrency": 1, "buffer": -1}, "buffer must be an int >= 0"),
        ({"max_concurrency": 1, "shutdown": -1}, "shutdown must be seconds >= 0"),
    ],
)
async def test_what_is_not_valid_is_refused_before_the_stream_is_opened(
    options: dict[str, Any], complaint: str
) -> None:
    """Where the mistake was made, not where it would hurt."""
    async with open_tasks() as tasks:
        with pytest.raises(ValueError, match=complaint):
            tasks.stream(double, [1], **options)
        with pytest.raises(TypeError, match="iterable"):
            tasks.stream(double, 5, max_concurrency=1)  # type: ignore[arg-type]  # the point


@pytest.mark.otp("TS-42")
async def test_a_stream_for_which_the_supervisor_has_no_room_is_an_error_of_its_consumer(
    autojump_clock: MockClock,
) -> None:
    """It ends as cleanly as any other."""
    async with open_tasks(max_children=1) as tasks:
        with pytest.raises(TooManyChildren):
            async with tasks.stream(nap, [1.0, 2.0], max_concurrency=2) as results:
                await anext(results)
        assert active(tasks) == 0


@pytest.mark.otp("TS-44")
async def test_a_stream_may_be_built_here_and_read_there(autojump_clock: MockClock) -> None:
    """It belongs to the block that opens it, in whatever task."""
    async with open_tasks() as tasks:
        stream = tasks.stream(double, range(3), max_concurrency=2)

        async def consume() -> list[int]:
            async with stream as results:
                return [result async for result in results]

        assert await tasks.run(consume) == [0, 2, 4]


@pytest.mark.otp("TS-46")
async def test_a_stopped_worker_is_a_failed_entry(autojump_clock: MockClock) -> None:
    """Whoever stops it: the consumer lives, and reads on."""
    async with (
        open_tasks() as tasks,
        tasks.stream_outcomes(nap, [1.0, 9.0], max_concurrency=2) as outcomes,
    ):
        assert await anext(outcomes) == Finished(1.0, 1.0)
        await tasks.supervisor.terminate_child("nap-2")
        failed = await anext(outcomes)
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, TaskStopped)


@pytest.mark.otp("TS-47")
async def test_later_inputs_do_not_wait_for_a_slow_head(autojump_clock: MockClock) -> None:
    """While the first takes its time, the free worker goes on through the others."""
    starts: dict[int, float] = {}

    async def work(number: int) -> None:
        starts[number] = trio.current_time()
        await trio.sleep(300 if number == 1 else 10)

    async with open_tasks() as tasks, tasks.stream(work, [1, 2, 3, 4, 5], max_concurrency=2) as results:
        await anext(results)
    assert starts == {1: 0, 2: 0, 3: 10, 4: 20, 5: 30}


async def test_a_stuck_head_holds_the_inputs_back(autojump_clock: MockClock) -> None:
    """Finished results wait up to the buffer, and no further: an endless input does not fill the memory."""
    taken: list[float] = []

    def times() -> Generator[float, None, None]:
        for seconds in [1000.0] + [1.0] * 100:
            taken.append(seconds)
            yield seconds

    async with open_tasks() as tasks, tasks.stream(nap, times(), max_concurrency=2, buffer=3) as results:
        await anext(results)
        assert len(taken) == 1 + 3


async def test_a_question_that_was_cancelled_loses_no_result(autojump_clock: MockClock) -> None:
    """The next question has it; and no additional input was begun for the one nobody waited for."""
    async with open_tasks() as tasks, tasks.stream(nap, [3.0, 1.0], max_concurrency=1) as results:
        for _ in range(2):
            with trio.move_on_after(1):
                await anext(results)
        assert active(tasks) == 1
        assert [result async for result in results] == [3.0, 1.0]
        assert trio.current_time() == 4


async def test_what_the_inputs_raise_is_raised_behind_what_was_ready(autojump_clock: MockClock) -> None:
    """A broken source is the consumer's to hear of, without a nursery's group around it."""

    def broken() -> Generator[int, None, None]:
        yield 1
        raise Boom("source")

    async with open_tasks() as tasks:
        got: list[int] = []
        with pytest.raises(Boom, match="source"):
            async with tasks.stream(double, broken(), max_concurrency=1) as results:
                async for result in results:
                    got.append(result)  # noqa: PERF401 - the loop raises
        assert got == [2]


async def test_a_cancelled_consumer_awaits_its_workers(autojump_clock: MockClock) -> None:
    """The cancellation goes on only when their clean-up is over."""
    ended: list[float] = []

    async def tidy(seconds: float) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(seconds)
            ended.append(trio.current_time())

    async with open_tasks() as tasks:
        with trio.move_on_after(1) as scope:
            async with tasks.stream(tidy, [1.0, 2.0], max_concurrency=2) as results:
                await anext(results)
        assert scope.cancelled_caught
        assert ended == [2, 3]
        assert active(tasks) == 0

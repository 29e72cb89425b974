"""Streams under random work, limits and readers, held to what a list comprehension would do."""

import trio
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from supervisors import Failed, Finished, TaskSupervisor, open_supervisor


@define
class Load:
    """What the workers do, and what was seen of it."""

    durations: list[int]
    failing: set[int]
    begun: list[int] = field(factory=list[int])
    running: int = 0
    most_running: int = 0

    async def work(self, number: int) -> int:
        """Take as long as told, and fail if told."""
        self.begun.append(number)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await trio.sleep(self.durations[number])
        finally:
            self.running -= 1
        if number in self.failing:
            raise ValueError(number)
        return number


LOADS = st.lists(st.integers(0, 9), max_size=12).flatmap(
    lambda durations: st.builds(
        Load, st.just(durations), st.sets(st.integers(0, max(0, len(durations) - 1)), max_size=3)
    )
)


async def read(load: Load, concurrency: int, buffer: int, stop_after: int, *, ordered: bool) -> list[int]:
    """Read a stream, maybe only its beginning; check what must hold at every step."""
    seen: list[int] = []
    async with open_supervisor() as root:
        tasks = TaskSupervisor(await root.start_supervisor("tasks", dynamic=True))
        async with tasks.stream_outcomes(
            load.work, range(len(load.durations)), max_concurrency=concurrency, ordered=ordered, buffer=buffer
        ) as outcomes:
            async for outcome in outcomes:
                seen.append(outcome.input)
                assert isinstance(outcome, Failed if outcome.input in load.failing else Finished)
                assert len(load.begun) - len(seen) < concurrency + buffer + 1
                if len(seen) == stop_after:
                    break
        assert load.running == 0
        assert tasks.supervisor.which_children() == ()
    assert load.most_running <= concurrency
    return seen


@settings(max_examples=min(settings().max_examples, 500))  # each is a trio run of many tasks
@given(LOADS, st.integers(1, 5), st.integers(0, 5), st.integers(1, 15), st.booleans())
def test_a_stream_gives_every_input_once_and_never_runs_too_many(
    load: Load,
    concurrency: int,
    buffer: int,
    stop_after: int,
    ordered: bool,  # noqa: FBT001 - drawn
) -> None:
    """In order if asked to; no more at once than allowed; no further ahead than the buffer; nothing left behind."""
    clock = MockClock(autojump_threshold=0)
    seen = trio.run(lambda: read(load, concurrency, buffer, stop_after, ordered=ordered), clock=clock)
    everything = list(range(len(load.durations)))
    assert len(seen) == min(stop_after, len(everything))
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(everything)
    if ordered:
        assert seen == everything[: len(seen)]
    assert sorted(load.begun) == everything[: len(load.begun)]

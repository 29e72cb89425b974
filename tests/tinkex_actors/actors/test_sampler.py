"""The tasks that carry samples: reused, bounded, and never interrupted for another's sake."""

import pytest
import trio
from trio.lowlevel import Task
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import FakeTinker, Stall, open_fake
from tinkex_actors.actors.errors import OperationWithdrawn
from tinkex_actors.clients.sampling import SamplingClient
from tinkex_actors.types import ModelInput

PROMPT = ModelInput.from_ints([1, 2])


class Births(trio.abc.Instrument):
    """Counts the tasks that are begun."""

    def __init__(self) -> None:
        self.count = 0

    def task_spawned(self, task: Task) -> None:
        del task
        self.count += 1


async def draw(sampler: SamplingClient, times: int) -> None:
    for _ in range(times):
        await sampler.sample(PROMPT)


async def test_one_task_carries_one_sample_after_the_other(autojump_clock: MockClock) -> None:
    """To begin a task and its scope costs several times what it costs to wake one."""
    async with open_fake(FakeTinker()) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        await draw(sampler, 1)
        births = Births()
        trio.lowlevel.add_instrument(births)
        await draw(sampler, 50)
        trio.lowlevel.remove_instrument(births)
    # The tree's own timers begin a few.
    assert births.count < 10
    assert autojump_clock.current_time() < 60


async def test_of_many_carriers_a_hundred_stay(autojump_clock: MockClock) -> None:
    """What a crowd needed for a moment is not kept for ever."""
    async with open_fake(FakeTinker()) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        before = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            for _ in range(400):
                nursery.start_soon(draw, sampler, 1)
        await trio.testing.wait_all_tasks_blocked()
        # The tree's own timers may have begun one or two.
        assert trio.lowlevel.current_statistics().tasks_living - before < 105
    assert autojump_clock.current_time() < 60


async def test_a_withdrawn_sample_interrupts_no_other(autojump_clock: MockClock) -> None:
    """The same tasks carry them: each withdrawal must reach its own sample, or nothing."""
    fake = FakeTinker()
    drawn = list[int]()

    async def draw_or_leave(sampler: SamplingClient, index: int) -> None:
        pending = sampler.sample(PROMPT)
        if index % 3:
            drawn.append(len((await pending).sequences))
            return
        for _ in range(index % 7):
            await trio.lowlevel.checkpoint()
        pending.cancel()
        with pytest.raises(OperationWithdrawn):
            await pending

    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for index in range(60):
                    nursery.start_soon(draw_or_leave, sampler, index)
    assert drawn == [1] * 120
    assert autojump_clock.current_time() < 60


async def test_a_withdrawal_that_comes_with_the_result_leaves_the_next_sample_alone(autojump_clock: MockClock) -> None:
    """The answer is there and the task about to go on when it is interrupted; what it was interrupted for is over."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        fake.fail("retrieve_future", Stall(1.0))
        first = sampler.sample(PROMPT)
        await trio.sleep(1.0)
        first.cancel()
        assert len((await sampler.sample(PROMPT)).sequences) == 1
    assert autojump_clock.current_time() < 60

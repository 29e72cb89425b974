"""A server that answers every poll and finishes nothing is waited for two hours, and no longer."""

from math import inf

import httpx
import pytest
import trio
from attrs import define, evolve
from trio.testing import MockClock

from tests.tinkex_actors.clients.streaming import FIRST, StreamingTinker
from tests.tinkex_actors.fake_tinker import FIGURES, SETTINGS, FakeTinker, a_datum, make_trainer, open_fake
from tinkex_actors.actors.ledger import Entry
from tinkex_actors.actors.operation import Operation, Value
from tinkex_actors.actors.pending import Audience, Pending, Slot
from tinkex_actors.actors.progress import ProgressWatch
from tinkex_actors.actors.sample_ledger import SampleLedger
from tinkex_actors.transport.endpoints import SAMPLE
from tinkex_actors.types import APITimeoutError, ModelInput, SampleResponse
from tinkex_actors.types.ids import SamplingSessionId

PROMPT = ModelInput.from_ints([1, 2])
HOUR = 3600.0
SLOW = evolve(SETTINGS, figures=evolve(FIGURES, wait_check=36.0, heartbeat_interval=600.0))
"""Hours pass in these tests, and most of what happens in them is nothing."""


@define
class Sluggish(FakeTinker):
    """Accepts everything and finishes nothing, but answers every poll."""

    hold: float = 40.0
    is_stuck: bool = True

    async def _carry_out(self, route: str, request: httpx.Request) -> httpx.Response:
        if route == "retrieve_future" and self.is_stuck:
            await trio.sleep(self.hold)
            return httpx.Response(408, json={"type": "try_again", "queue_state": "active"})
        return await super()._carry_out(route, request)


async def wait_for(pending: Pending[SampleResponse]) -> tuple[float, str]:
    """Wait for the failure, and say when it came and what it says."""
    with pytest.raises(APITimeoutError) as caught:
        await pending
    assert caught.value.operation == "asample"
    return round(trio.current_time() / HOUR, 1), str(caught.value)


@pytest.mark.tinkex("T87")
async def test_samples_without_any_progress_are_given_up_after_two_hours(autojump_clock: MockClock) -> None:
    """With what they waited for and what to do; the server is told that they are unwanted."""
    fake = Sluggish(dynamic_config={"sample_cancel_enabled": True})
    async with open_fake(fake, SLOW) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        hours, sentence = await wait_for(sampler.sample(PROMPT))
        await trio.sleep(5)
        assert tinker.snapshot().waits == ()
    assert hours == 2.0
    assert "asample: nothing of sampler-0 has come for 7200 s, and this one waits for the result" in sentence
    assert "raise figures.progress_timeout (infinity turns this off)" in sentence
    assert len(fake.cancelled) == 1
    assert autojump_clock.current_time() < 4 * HOUR


async def test_a_sample_may_take_any_time_while_others_are_answered(autojump_clock: MockClock) -> None:
    """The limit is on progress, not on duration: a long queue that moves is no fault."""
    fake = Sluggish()
    async with open_fake(fake, SLOW) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        slow = sampler.sample(PROMPT)
        for _ in range(3):
            await trio.sleep(1.3 * HOUR)
            fake.is_stuck = False
            fake.promises["sample-0"] = (inf, fake.promises["sample-0"][1])
            await sampler.sample(PROMPT)
            fake.is_stuck = True
        assert not slow.is_done
        hours, _ = await wait_for(slow)
    assert hours == 5.9
    assert autojump_clock.current_time() < 10 * HOUR


@pytest.mark.parametrize("off", ["the settings", "the server"])
async def test_the_limit_can_be_turned_off(off: str, autojump_clock: MockClock) -> None:
    """By the program with infinity, by the server with its flag."""
    fake = Sluggish(config={"sample_enable_stuck_detection": off != "the server"})
    timeout = inf if off == "the settings" else 7200.0
    settings = evolve(SLOW, figures=evolve(SLOW.figures, progress_timeout=timeout))
    async with open_fake(fake, settings) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        pending = sampler.sample(PROMPT)
        await trio.sleep(3 * HOUR)
        assert not pending.is_done
        fake.is_stuck = False
        await pending
    assert autojump_clock.current_time() > 3 * HOUR


async def test_training_waits_for_as_long_as_its_server_takes(autojump_clock: MockClock) -> None:
    """Its steps are in order: to give one up would be to give up the model, and nobody but its user may say that."""
    fake = Sluggish(is_stuck=False)
    async with open_fake(fake, SLOW) as tinker:
        trainer = await make_trainer(tinker)
        fake.is_stuck = True
        pending = trainer.forward_backward([a_datum()], "cross_entropy")
        await trio.sleep(3 * HOUR)
        assert not pending.is_done
        fake.is_stuck = False
        await pending
    assert autojump_clock.current_time() > 3 * HOUR


async def test_a_stream_without_a_token_is_given_up_too(autojump_clock: MockClock) -> None:
    """Comments keep its connection alive, and bring nobody further."""
    settings = evolve(SETTINGS, figures=evolve(FIGURES, progress_timeout=100.0))
    fake = StreamingTinker(pieces=[FIRST, *[b": patience\n\n"] * 1000])
    async with open_fake(fake, settings) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        async with sampler.sample_stream(PROMPT) as stream:
            await anext(stream)
            with pytest.raises(APITimeoutError, match="this one waits for the next token"):
                await anext(stream)
    assert 100 < autojump_clock.current_time() < 110


def test_what_waits_for_a_place_has_its_whole_time_when_it_has_one() -> None:
    """Giving up the first leaves room for the second, which nobody has asked the server for yet."""
    ledger, watch = SampleLedger("sampler-0", "key", SamplingSessionId("Q")), ProgressWatch()
    first, second = (
        Entry(Operation(row=SAMPLE, request=lambda number: number), Slot[int](Audience("asample"))) for _ in range(2)
    )
    for entry in (first, second):
        entry.operation.standing.since = 0.0
        ledger.enlist(entry)
    ledger.begin()

    assert watch.find_stuck(ledger, 0.0, 10.0) == ()
    assert watch.find_stuck(ledger, 10.0, 10.0) == (first,)
    ledger.settle(0, Value(1))
    ledger.begin()
    assert watch.find_stuck(ledger, 11.0, 10.0) == ()
    assert watch.find_stuck(ledger, 20.9, 10.0) == ()
    assert watch.find_stuck(ledger, 21.0, 10.0) == (second,)

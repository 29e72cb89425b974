"""One poll for many samples, where the server offers it; one for each, where it turns out that it does not."""

from typing import Any

import httpx
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import FakeTinker, LoseAnswer, LoseRequest, Say, Stall, open_fake
from tinkex_actors.types import ModelInput, RequestFailedError

PROMPT = ModelInput.from_ints([1, 2])


@define
class BulkTinker(FakeTinker):
    """The service with its log of completions; it forgets what is acknowledged and what was fetched."""

    config: dict[str, Any] = field(factory=lambda: {"sample_use_retrieve_futures": True})
    log: list[str] = field(factory=list[str])
    trimmed: int = 0

    async def _carry_out(self, route: str, request: httpx.Request) -> httpx.Response:
        response = await super()._carry_out(route, request)
        if route == "retrieve_futures":
            return await self._read_log(self.sent(route)[-1])
        return response

    async def _read_log(self, body: Any) -> httpx.Response:
        for request_id in body["retrieved_request_ids"]:
            self.promises.pop(request_id, None)
        self.trimmed = max(self.trimmed, body["prev_cursor"])
        with trio.move_on_after(body.get("timeout", 30.0)):
            while not self._find_new(body["prev_cursor"]):  # noqa: ASYNC110 - results are there at times, not by events
                await trio.sleep(0.1)
        news = self.log[body["prev_cursor"] :]
        described = [{"state": "finished", "request_id": one, "response_payload_uncompressed_size": 99} for one in news]
        return httpx.Response(200, json={"completions": described, "cursor": len(self.log)})

    def _find_new(self, cursor: int) -> bool:
        now = trio.current_time()
        ready = [key for key, (at, _) in self.promises.items() if key.startswith("sample") and at <= now]
        self.log += [key for key in ready if key not in self.log]
        return len(self.log) > cursor


async def sample_many(fake: FakeTinker, count: int) -> None:
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        pendings = [sampler.sample(PROMPT) for _ in range(count)]
        for pending in pendings:
            assert len((await pending).sequences) == 1
        await trio.sleep(60)


async def test_many_samples_are_one_poll(autojump_clock: MockClock) -> None:
    """Each result is asked for once, at its true size, when it is there; afterwards everything is acknowledged."""
    fake = BulkTinker(latency=20.0)
    await sample_many(fake, 50)
    assert len(fake.times["retrieve_future"]) == 50
    assert not any(body["allow_metadata_only"] for body in fake.sent("retrieve_future"))
    assert len(fake.times["retrieve_futures"]) < 20
    last = fake.sent("retrieve_futures")[-1]
    assert (last["prev_cursor"], last["timeout"], last["target"]["cloned_sampler_id"]) == (50, 0.0, 0)
    assert not [key for key in fake.promises if key.startswith("sample")]
    assert autojump_clock.current_time() < 200


async def test_a_completion_that_comes_before_its_promise_is_kept(autojump_clock: MockClock) -> None:
    """The answer to a submission is slow, and the poll for another sample tells of both: the second is not told again."""
    fake = BulkTinker()
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        await sampler.sample(PROMPT)
        fake.fail("asample", Stall(5.0))
        slow = sampler.sample(PROMPT)
        await trio.sleep(1)
        other = sampler.sample(PROMPT)
        await other.accepted()
        *_, late = fake.promises
        fake.promises[late] = (trio.current_time() + 1000, fake.promises[late][1])
        with trio.fail_after(10):
            await slow
        assert not other.is_done
    assert autojump_clock.current_time() < 60


@pytest.mark.parametrize("step", [0, 1])
async def test_a_server_that_does_not_hold_the_poll_is_asked_a_few_times_a_second(
    step: int, autojump_clock: MockClock
) -> None:
    """It answers at once that there is nothing, or nothing but a further cursor: the loop is not as fast as it is."""
    fake = BulkTinker(latency=4.0)
    empty = [Say(200, b'{"completions": [], "cursor": %d}' % (number * step)) for number in range(1000)]
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        pending = sampler.sample(PROMPT)
        await pending.accepted()
        fake.latency = 0.0
        fake.fail("retrieve_futures", *empty)
        began = len(fake.times["retrieve_futures"])
        await trio.sleep(3.0)
        assert len(fake.times["retrieve_futures"]) - began < 20
        fake.faults["retrieve_futures"].clear()
    assert autojump_clock.current_time() < 60


async def test_a_sample_after_another_is_not_held_up_by_the_acknowledgement(autojump_clock: MockClock) -> None:
    """One after the other, each takes what the server takes: to rest between polls is for servers that say nothing."""
    fake = BulkTinker(latency=0.0)
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        for _ in range(20):
            await sampler.sample(PROMPT)
    assert autojump_clock.current_time() < 20 * 0.15


@pytest.mark.parametrize("fault", [LoseRequest(), LoseAnswer(), Say(503), Say(429), Say(400), Say(408)])
async def test_bad_weather_on_the_poll_costs_a_second(
    fault: LoseRequest | LoseAnswer | Say, autojump_clock: MockClock
) -> None:
    """Nothing is lost with an answer: the cursor is what the client has read."""
    fake = BulkTinker(latency=4.0)
    fake.fail("retrieve_futures", fault, fault)
    await sample_many(fake, 5)
    assert len(fake.times["retrieve_future"]) == 5
    assert autojump_clock.current_time() < 120


@pytest.mark.parametrize("refusal", [[Say(404)], [Say(403)], [Say(400)] * 4])
async def test_a_server_that_refuses_is_asked_for_each(refusal: list[Say], autojump_clock: MockClock) -> None:
    """The switch was on and the endpoint is not there: slower, and every sample has its answer."""
    fake = BulkTinker(latency=4.0)
    fake.fail("retrieve_futures", *refusal)
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        for _ in range(3):
            await sampler.sample(PROMPT)
        assert not tinker.capabilities.bulk_poll
    assert len(fake.times["retrieve_futures"]) == len(refusal)
    assert autojump_clock.current_time() < 60


@pytest.mark.parametrize("name", ["sampler-0", "poller"])
async def test_crashes_lose_no_completion(name: str, autojump_clock: MockClock) -> None:
    """What the last life may have heard of is asked for by itself; what comes later is one poll again."""
    fake = BulkTinker(latency=6.0)
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        early = [sampler.sample(PROMPT) for _ in range(3)]
        for _ in range(12):
            await trio.sleep(1)
            tinker.crash(name, "on purpose")
        late = [sampler.sample(PROMPT) for _ in range(3)]
        for pending in (*early, *late):
            await pending
    assert len(fake.samples) == 6
    assert autojump_clock.current_time() < 100


async def test_a_failure_is_heard_where_results_are(autojump_clock: MockClock) -> None:
    """A completion only says that asking is worth it."""
    fake = BulkTinker()
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        fake.fail("retrieve_future", Say(200, b'{"error": "no memory", "category": "server"}'))
        with pytest.raises(RequestFailedError, match="no memory"):
            await sampler.sample(PROMPT)
        await sampler.sample(PROMPT)
    assert autojump_clock.current_time() < 20


async def test_a_withdrawn_sample_is_forgotten(autojump_clock: MockClock) -> None:
    """Its completion comes for nobody; the others are not held up."""
    fake = BulkTinker(latency=4.0)
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        gone, kept = sampler.sample(PROMPT), sampler.sample(PROMPT)
        await kept.accepted()
        await gone.accepted()
        assert gone.cancel()
        await kept
        await sampler.sample(PROMPT)
    assert autojump_clock.current_time() < 30

"""Samples: side by side, withdrawn when nobody wants them, paused together, and read as they were meant."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import FIGURES, SETTINGS, FakeTinker, LoseAnswer, Say, Stall, open_fake
from tests.tinkex_actors.servers.json_generation import JsonTinker
from tinkex_actors.actors.errors import ClientClosed, OperationWithdrawn
from tinkex_actors.clients.sampling import estimate_bytes
from tinkex_actors.types import (
    BadRequestError,
    EncodedTextChunk,
    ImageAssetPointerChunk,
    ImageChunk,
    ModelInput,
    PromiseExpired,
    ResponseInvalid,
    SamplingParams,
    StopReason,
)

PROMPT = ModelInput.from_ints([1, 2])


@pytest.mark.tinkex("T66", "T129", "F047")
async def test_a_sample_is_typed_and_its_sequences_are_named(autojump_clock: MockClock) -> None:
    """Numbers begin at 0; what the promise calls the sequences is what they are called."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        answer = await sampler.sample(PROMPT, 2, SamplingParams(max_tokens=2, stop=["\n"]))
    assert [(s.tokens, s.stop_reason, s.sequence_id) for s in answer.sequences] == [
        ([5, 6], StopReason.LENGTH, "Q0-0-0"),
        ([5, 6], StopReason.LENGTH, "Q0-0-1"),
    ]
    assert fake.sent("asample")[0] == {
        "num_samples": 2,
        "prompt": {"chunks": [{"tokens": [1, 2], "type": "encoded_text"}]},
        "sampling_params": {"max_tokens": 2, "stop": ["\n"], "temperature": 1.0, "top_k": -1, "top_p": 1.0},
        "sampling_session_id": "Q0",
        "seq_id": 0,
        "prompt_logprobs": False,
        "topk_prompt_logprobs": 0,
        "topk_sample_logprobs": 0,
        "prompt_alt_tokens_k": 0,
        "record_stability_info": False,
        "type": "sample",
    }
    assert autojump_clock.current_time() < 1


@pytest.mark.tinkex("T71", "F049")
async def test_a_prompt_is_scored_by_a_sample_of_one_token(autojump_clock: MockClock) -> None:
    """The first position has nothing before it, so it has no logprob."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        assert await sampler.compute_logprobs(PROMPT) == [None, -1.0]
    (body,) = fake.sent("asample")
    assert (body["sampling_params"]["max_tokens"], body["prompt_logprobs"]) == (1, True)
    assert autojump_clock.current_time() < 1


@pytest.mark.tinkex("T27", "T29", "F006", "F011", "F057")
async def test_samplers_come_from_a_base_model_or_from_saved_weights(autojump_clock: MockClock) -> None:
    """One counter for both; neither, or a path of another kind, is refused before anything is sent."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        with pytest.raises(ValueError, match=r"base_model=\.\.\. or model_path="):
            await tinker.create_sampling_client()
        with pytest.raises(ValueError, match="must begin with 'tinker://'"):
            await tinker.create_sampling_client(model_path="weights/x")
        first = await tinker.create_sampling_client(base_model="fake/model")
        second = await tinker.create_sampling_client(model_path="tinker://r/sampler_weights/x")
        assert (first.get_base_model(), second.get_base_model()) == ("fake/model", "fake/model")
    assert [body["sampling_session_seq_id"] for body in fake.sent("create_sampling_session")] == [0, 1]
    assert autojump_clock.current_time() < 1


@pytest.mark.parametrize("status", [404, 405])
async def test_where_a_server_cannot_say_what_is_sampled_from_only_that_is_unknown(
    status: int, autojump_clock: MockClock
) -> None:
    """Older servers have no such look-up, and say so in the words of their framework."""
    fake = FakeTinker()
    fake.fail("samplers", Say(status))
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(model_path="tinker://m/sampler_weights/a")
        assert sampler.get_base_model() == ""
        await sampler.sample(PROMPT)
    assert autojump_clock.current_time() < 5


async def test_a_request_that_makes_no_sense_takes_no_number(autojump_clock: MockClock) -> None:
    """It is refused at the door."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        with pytest.raises(ValueError, match="num_samples must be >= 1"):
            sampler.sample(PROMPT, 0)
        with pytest.raises(ValueError, match="at least one token"):
            sampler.sample(ModelInput.empty())
        with pytest.raises(ValueError, match="prompt_alt_tokens_k must be >= 0"):
            sampler.sample(PROMPT, prompt_alt_tokens_k=-1)
        with pytest.raises(ValueError, match="needs prompt logprobs"):
            sampler.sample(PROMPT, prompt_logprobs_last_n=1)
        await sampler.sample(PROMPT)
    assert [body["seq_id"] for body in fake.sent("asample")] == [0]
    assert autojump_clock.current_time() < 1


def test_a_prompts_estimate_is_the_services() -> None:
    """Both sides count the same against the byte budget: ten a token, an image by its bytes, a pointer by its text."""
    prompt = ModelInput([EncodedTextChunk([1, 2, 3]), ImageChunk(b"12345", "png"), ImageAssetPointerChunk("ab", "png")])
    assert estimate_bytes(prompt) == 30 + 5 + 2


async def test_samples_go_side_by_side_up_to_the_limit(autojump_clock: MockClock) -> None:
    """No sample waits for another's result, and no more are open than the server allows."""
    fake = FakeTinker(latency=1.0, config={"sample_max_concurrent_requests": 10})
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        pendings = [sampler.sample(PROMPT) for _ in range(30)]
        await trio.sleep(0.2)
        assert len(fake.samples) <= 10
        for pending in pendings:
            await pending
    assert 3 <= autojump_clock.current_time() < 8


async def test_a_sample_nobody_awaits_any_more_is_withdrawn_from_the_server(autojump_clock: MockClock) -> None:
    """The last waiter's cancellation ends the polling, and the server hears of it where it listens."""
    fake = FakeTinker(latency=10.0, dynamic_config={"sample_cancel_enabled": True})
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        pending = sampler.sample(PROMPT)
        with trio.move_on_after(6):
            await pending
        with pytest.raises(OperationWithdrawn):
            await pending
        await trio.sleep(10)
        assert fake.cancelled == list(fake.samples.values())
    assert len(fake.times["retrieve_future"]) == 1
    assert autojump_clock.current_time() < 60


async def test_a_sample_can_be_withdrawn_at_any_stage(autojump_clock: MockClock) -> None:
    """Waiting, on its way, promised, answered: only the last is too late; the others go on."""
    fake = FakeTinker(latency=1.0, config={"sample_max_concurrent_requests": 2})
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        answered = sampler.sample(PROMPT)
        await answered
        promised, sent, waiting, last = (sampler.sample(PROMPT) for _ in range(4))
        await promised.accepted()
        assert [p.cancel() for p in (answered, promised, sent, waiting)] == [False, True, True, True]
        assert len((await last).sequences) == 1
        for gone in (promised, sent, waiting):
            with pytest.raises(OperationWithdrawn):
                await gone
    assert autojump_clock.current_time() < 10


@pytest.mark.tinkex("T80")
async def test_after_a_429_every_sample_waits_and_none_is_lost(autojump_clock: MockClock) -> None:
    """The pause is everyone's; numbers cover all samples without gaps."""
    fake = FakeTinker()
    fake.fail("asample", Say(429))
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        first = sampler.sample(PROMPT)
        await trio.sleep(0.1)
        others = [sampler.sample(PROMPT) for _ in range(20)]
        for pending in (first, *others):
            await pending
    assert all(at >= fake.times["asample"][0] + 1.0 for at in fake.times["asample"][1:])
    assert sorted(body["seq_id"] for body in fake.sent("asample")) == list(range(21))
    assert autojump_clock.current_time() < 20


@pytest.mark.tinkex("T82")
async def test_a_pause_of_one_client_is_not_anothers(autojump_clock: MockClock) -> None:
    """Two clients in one program do not meet."""
    paused, free = FakeTinker(), FakeTinker()
    paused.fail("asample", Say(429, headers={"retry-after": "30"}))
    async with open_fake(paused) as one, open_fake(free) as other:
        slow = (await one.create_sampling_client(base_model="m")).sample(PROMPT)
        quick = (await other.create_sampling_client(base_model="m")).sample(PROMPT)
        await quick
        assert autojump_clock.current_time() < 1
        await slow
        assert autojump_clock.current_time() > 30


async def test_a_lost_promise_is_asked_for_anew_a_few_times(autojump_clock: MockClock) -> None:
    """A sample changes nothing, so doing it again is harmless; but not for ever."""
    fake = FakeTinker()
    fake.fail("retrieve_future", Say(410), Say(410))
    settings = evolve(SETTINGS, figures=evolve(FIGURES, sample_resubmissions=2))
    async with open_fake(fake, settings) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        assert len((await sampler.sample(PROMPT)).sequences) == 1
        assert [body["seq_id"] for body in fake.sent("asample")] == [0, 1, 2]
        fake.fail("retrieve_future", *[Say(410)] * 3)
        with pytest.raises(PromiseExpired, match="asample"):
            await sampler.sample(PROMPT)
    assert autojump_clock.current_time() < 5


async def test_a_server_that_wants_no_repeats_gets_none(autojump_clock: MockClock) -> None:
    """Its switch says that a sample is asked for once."""
    fake = FakeTinker(config={"sample_no_retries": True})
    fake.fail("retrieve_future", Say(410))
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        with pytest.raises(PromiseExpired):
            await sampler.sample(PROMPT)
    assert len(fake.sent("asample")) == 1
    assert autojump_clock.current_time() < 5


async def test_a_refused_sample_fails_alone(autojump_clock: MockClock) -> None:
    """Its neighbours go on, and the lost answer of another is made up for under the same number."""
    fake = FakeTinker()
    fake.fail("asample", Say(400), LoseAnswer())
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        refused = sampler.sample(PROMPT)
        with pytest.raises(BadRequestError):
            await refused
        await sampler.sample(PROMPT)
    assert list(fake.samples) == [("Q0", 1)]
    assert autojump_clock.current_time() < 5


async def test_fewer_sequences_than_promised_are_a_broken_answer(autojump_clock: MockClock) -> None:
    """Which names belong to which sequences could only be guessed."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        await sampler.sample(PROMPT)
        (made,) = fake.samples.values()
        fake.fail("asample", Say(200, f'{{"request_id": "{made}", "sample_sequence_ids": ["a", "b"]}}'.encode()))
        with pytest.raises(ResponseInvalid, match="sequences: expected 2, as promised, got 1"):
            await sampler.sample(PROMPT)
    assert autojump_clock.current_time() < 5


@pytest.mark.parametrize("many", [0, 1, 3])
async def test_another_number_of_sequences_than_asked_for_is_a_broken_answer(
    many: int, autojump_clock: MockClock
) -> None:
    """Also where a server gives them no names; a stream of whole sequences asks for one at a time."""
    fake = JsonTinker()
    sequence = '{"tokens": [1], "logprobs": [-1.0], "stop_reason": "stop"}'
    broken = Say(200, f'{{"sequences": [{", ".join([sequence] * many)}]}}'.encode())
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        fake.fail("retrieve_future", broken)
        with pytest.raises(ResponseInvalid, match=f"sequences: expected 2, as asked for, got {many}"):
            await sampler.sample(PROMPT, 2)
        fake.fail("retrieve_future", broken, broken)
        async with sampler.sample_stream(PROMPT, 2) as stream:
            if many == 1:
                assert [token.index async for token in stream] in ([0, 1], [1, 0])
            else:
                with pytest.raises(ResponseInvalid, match=f"sequences: expected 1, as asked for, got {many}"):
                    await anext(stream)
    assert autojump_clock.current_time() < 5


async def test_scores_of_another_prompt_are_a_broken_answer(autojump_clock: MockClock) -> None:
    """They would land on the wrong tokens without a word."""
    fake = JsonTinker()
    sequence = b'{"tokens": [1], "logprobs": [-1.0], "stop_reason": "stop"}'
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        fake.fail("retrieve_future", Say(200, b'{"sequences": [%s], "prompt_logprobs": [null, -1, -1, -1]}' % sequence))
        with pytest.raises(ResponseInvalid, match="prompt_logprobs: expected 2, one for each token, got 4"):
            await sampler.compute_logprobs(ModelInput.from_ints([1, 2]))
    assert autojump_clock.current_time() < 5


async def test_what_waits_when_the_client_closes_fails(autojump_clock: MockClock) -> None:
    """Nobody hangs on a client that is gone."""
    fake = FakeTinker()
    fake.fail("retrieve_future", Stall(100))
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        pending = sampler.sample(PROMPT)
        await pending.accepted()
    with pytest.raises(ClientClosed):
        await pending
    with pytest.raises(ClientClosed):
        sampler.sample(PROMPT)
    assert fake.inside == 0
    assert autojump_clock.current_time() < 10

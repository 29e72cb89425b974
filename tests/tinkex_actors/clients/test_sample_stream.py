"""Tokens as they are drawn."""

import pytest
import trio
from trio.testing import MockClock

from tests.tinkex_actors.clients.streaming import FIRST, LAST, PROMPT, StreamingTinker, sampler_of
from tests.tinkex_actors.fake_tinker import FakeTinker, Say
from tinkex_actors.clients import SamplingClient, open_tinker
from tinkex_actors.local import ServerOptions
from tinkex_actors.types import (
    APIConnectionError,
    BadRequestError,
    RequestFailedError,
    ResponseInvalid,
    SamplingParams,
)


@pytest.mark.tinkex("F048", "F247")
async def test_the_first_token_is_there_long_before_the_last(autojump_clock: MockClock) -> None:
    """One a second, and each is seen in its second."""
    fake, seen = StreamingTinker(), list[tuple[float, int]]()
    async with sampler_of(fake) as sampler:
        began = trio.current_time()
        async with sampler.sample_stream(PROMPT) as stream:
            async for token in stream:
                seen.append((round(trio.current_time() - began), token.token))
    assert seen == [(1, 5), (2, 6)]
    assert fake.drips[0].is_closed
    assert autojump_clock.current_time() < 10


@pytest.mark.parametrize(
    ("pieces", "end", "error", "sentence"),
    [
        ([FIRST], "silent", APIConnectionError, "ended with 0 of 1 sequences complete"),
        ([FIRST], "lost", APIConnectionError, "the connection was lost"),
        ([FIRST, b"data: {}\n\n"], "silent", ResponseInvalid, "expected a token or the end"),
        ([FIRST, b'data: {"kind": "token"'], "silent", APIConnectionError, "sample again"),
    ],
)
async def test_a_stream_that_breaks_off_says_so(
    pieces: list[bytes],
    end: str,
    error: type[Exception],
    sentence: str,
    autojump_clock: MockClock,
) -> None:
    """What came before is there; half a sequence is not passed off as a whole one."""
    seen = list[int]()

    async def read(sampler: SamplingClient) -> None:
        async with sampler.sample_stream(PROMPT) as stream:
            async for token in stream:
                seen.append(token.token)

    async with sampler_of(StreamingTinker(pieces=pieces, breaks=end == "lost")) as sampler:
        with pytest.raises(error, match=sentence):
            await read(sampler)
    assert seen == [5]
    assert autojump_clock.current_time() < 10


async def test_a_stream_whose_sequences_are_complete_needs_no_farewell(autojump_clock: MockClock) -> None:
    """Every sequence has said why it ended."""
    async with (
        sampler_of(StreamingTinker(pieces=[FIRST, LAST])) as sampler,
        sampler.sample_stream(PROMPT) as stream,
    ):
        assert [token.token async for token in stream] == [5, 6]
    assert autojump_clock.current_time() < 10


async def test_leaving_early_closes_the_connection_and_raises_nothing(autojump_clock: MockClock) -> None:
    """What the block raises goes on as it is; the server sees the client go."""
    fake = StreamingTinker()
    async with sampler_of(fake) as sampler:
        async with sampler.sample_stream(PROMPT) as stream:
            await anext(stream)
        with pytest.raises(LookupError, match="mine"):
            async with sampler.sample_stream(PROMPT):
                raise LookupError("mine")
        with trio.move_on_after(1.5) as scope:
            async with sampler.sample_stream(PROMPT) as stream:
                async for _ in stream:
                    pass
        assert scope.cancelled_caught
    assert [drip.is_closed for drip in fake.drips] == [True] * 3
    assert autojump_clock.current_time() < 10


@pytest.mark.tinkex("T79")
async def test_a_stream_is_begun_again_while_nothing_has_come(autojump_clock: MockClock) -> None:
    """A pause, a server in trouble: as any request. A refusal is final, with the server's words."""
    fake = StreamingTinker()
    fake.fail("stream_sample", Say(429), Say(503))
    async with sampler_of(fake) as sampler:
        async with sampler.sample_stream(PROMPT) as stream:
            assert [token.token async for token in stream] == [5, 6]
        fake.fail("stream_sample", Say(400, b'{"detail": "too long"}'))
        with pytest.raises(BadRequestError, match="too long"):
            async with sampler.sample_stream(PROMPT):
                raise AssertionError
    assert len(fake.times["stream_sample"]) == 4
    assert autojump_clock.current_time() < 20


async def test_sequences_come_as_they_are_complete_where_there_are_no_streams(autojump_clock: MockClock) -> None:
    """Each is a request of its own, with a seed of its own; leaving early withdraws the rest."""
    fake = FakeTinker(latency=4.0, dynamic_config={"sample_cancel_enabled": True})
    async with sampler_of(fake) as sampler:
        params = SamplingParams(max_tokens=2, seed=7)
        async with sampler.sample_stream(PROMPT, 3, params) as stream:
            tokens = [(token.index, token.token) async for token in stream]
        assert sorted(tokens) == [(index, token) for index in range(3) for token in (5, 6)]
        assert sorted(body["sampling_params"]["seed"] for body in fake.sent("asample")) == [7, 8, 9]
        async with sampler.sample_stream(PROMPT, 2, params):
            await trio.sleep(4)
        await trio.sleep(5)
        assert len(fake.cancelled) == 2
        fake.fail("retrieve_future", Say(200, b'{"error": "no memory", "category": "server"}'))
        async with sampler.sample_stream(PROMPT) as stream:
            with pytest.raises(RequestFailedError, match="no memory"):
                await anext(stream)
    assert len(fake.times["stream_sample"]) == 1
    assert autojump_clock.current_time() < 60


async def test_tokens_of_the_embedded_server_arrive_one_by_one() -> None:
    """Over real sockets: most of the tokens are still to be drawn when the first is read, and leaving ends the drawing."""
    async with open_tinker(local=ServerOptions()) as tinker:
        sampler = await tinker.create_sampling_client(base_model="tinkex/tiny")
        with trio.fail_after(30):
            async with sampler.sample_stream(PROMPT, 1, SamplingParams(max_tokens=900, stop=[])) as stream:
                token = await anext(stream)
                assert (token.index, token.stop_reason) == (0, None)
            answer = await sampler.sample(PROMPT, 1, SamplingParams(max_tokens=2, stop=[]))
        assert len(answer.sequences[0].tokens) == 2

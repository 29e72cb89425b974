"""A stream is a request as every other: it waits where they wait, carries what they carry, and says so."""

from contextlib import AsyncExitStack

import httpx
import pytest
import trio
import trio.testing
from attrs import define, field
from trio.testing import MockClock

from tests.tinkex_actors.clients.streaming import FIRST, LAST, PROMPT, StreamingTinker, sampler_of
from tests.tinkex_actors.fake_tinker import FIGURES, LoseRequest, Say, open_fake
from tinkex_actors.actors.errors import ClientClosed, SessionEnded
from tinkex_actors.clients import SamplingClient
from tinkex_actors.types import APIConnectionError, ModelInput, ResponseInvalid, SamplingParams

TOKEN = b'data: {"kind": "token", "index": 0, "token_id": 5}\n\n'


async def read_all(sampler: SamplingClient, params: SamplingParams | None = None) -> list[int]:
    async with sampler.sample_stream(PROMPT, 1, params) as stream:
        return [token.token async for token in stream]


async def test_a_stream_keeps_its_place_among_the_samples_until_it_is_closed(autojump_clock: MockClock) -> None:
    """Where the server takes two at once, the third waits for one to end, whether it streams or not."""
    fake = StreamingTinker(config={"sample_max_concurrent_requests": 2})
    async with open_fake(fake) as tinker, AsyncExitStack() as held, trio.open_nursery() as nursery:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        for _ in range(2):
            await held.enter_async_context(sampler.sample_stream(PROMPT))
        nursery.start_soon(read_all, sampler)
        pending = sampler.sample(PROMPT)
        await trio.sleep(3)
        assert (fake.read_at_once, fake.sent("asample")) == (2, [])
        assert [(wait.operation, wait.waits_for) for wait in tinker.snapshot().waits] == [
            ("asample", "its turn"),
            ("stream_sample", "its turn"),
        ]
        await held.aclose()
        await pending
    assert len(fake.drips) == 3
    assert autojump_clock.current_time() < 60


async def test_a_stream_given_up_in_line_leaves_no_gap(autojump_clock: MockClock) -> None:
    """Nothing of it was sent, and the next one takes its place."""
    fake = StreamingTinker(config={"sample_max_concurrent_requests": 1})
    async with sampler_of(fake) as sampler:
        async with sampler.sample_stream(PROMPT):
            with trio.move_on_after(1):
                await read_all(sampler)
        assert await read_all(sampler) == [5, 6]
    assert fake.numbers == [0, 1]
    assert autojump_clock.current_time() < 60


async def test_a_pause_holds_streams_and_samples_alike(autojump_clock: MockClock) -> None:
    """A 429 on a sample stops the stream behind it; the snapshot says so."""
    fake = StreamingTinker()
    async with open_fake(fake) as tinker, trio.open_nursery() as nursery:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        fake.fail("asample", Say(429, headers={"retry-after": "7"}))
        pending = sampler.sample(PROMPT)
        await trio.sleep(1)
        nursery.start_soon(read_all, sampler)
        await trio.sleep(1)
        (wait,) = (wait for wait in tinker.snapshot().waits if wait.operation == "stream_sample")
        assert wait.waits_for == "the end of the pause that the server asked for (429)"
        assert 4 < (wait.next_try_in or 0) < 6
        await pending
    assert fake.times["stream_sample"][0] > 7
    assert autojump_clock.current_time() < 60


async def test_a_stream_waits_while_the_account_cannot_pay_and_while_nobody_answers(autojump_clock: MockClock) -> None:
    """402 is a pause first; a lost connection is tried again."""
    fake = StreamingTinker()
    fake.fail("stream_sample", Say(402), *[LoseRequest()] * 6)
    async with open_fake(fake) as tinker, trio.open_nursery() as nursery:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        nursery.start_soon(read_all, sampler)
        await trio.sleep(1)
        assert tinker.snapshot().waits[0].waits_for == "the account to be able to pay (402)"
        await trio.sleep(14)
        (wait,) = tinker.snapshot().waits
        assert wait.waits_for == "the next attempt"
        assert "no answer from http://fake" in (wait.last_error or "")
    assert len(fake.times["stream_sample"]) == 8
    assert autojump_clock.current_time() < 120


async def test_a_stream_s_bytes_count_until_the_server_begins_to_answer(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Ten bytes a token against the server's budget, as for samples."""
    prompt = ModelInput.from_ints(list(range(100)))
    fake = StreamingTinker(latency=8.0, config={"sample_dispatch_bytes_semaphore_size": 900})
    async with sampler_of(fake) as sampler:
        for _ in range(2):
            nursery.start_soon(_open_and_wait, sampler, prompt)
        await trio.sleep(30)
        first, second = fake.times["stream_sample"]
        assert second - first == pytest.approx(4.0)
        assert fake.read_at_once == 2
        nursery.cancel_scope.cancel()
    assert autojump_clock.current_time() < 120


async def _open_and_wait(sampler: SamplingClient, prompt: ModelInput) -> None:
    async with sampler.sample_stream(prompt):
        await trio.sleep_forever()


@define
class TokenTinker(StreamingTinker):
    """Wants tokens, and rejects the first."""

    config: dict[str, object] = field(factory=lambda: {"pjwt_auth_enabled": True})
    made: int = 0
    heard: list[str] = field(factory=list[str])

    async def _carry_out(self, route: str, request: httpx.Request) -> httpx.Response:
        if route == "auth/token":
            self.made += 1
            return httpx.Response(200, json={"jwt": f"eyJ-{self.made}"})
        if route == "stream_sample":
            self.heard.append(request.headers["x-api-key"])
            if len(self.heard) == 1:
                return httpx.Response(401, headers={"www-authenticate": 'Bearer error="invalid_token"'})
        return await super()._carry_out(route, request)


async def test_a_stream_carries_the_token_the_key_was_exchanged_for(autojump_clock: MockClock) -> None:
    """And the new one when the server rejects the old one; never the raw key."""
    fake = TokenTinker()
    async with sampler_of(fake) as sampler:
        assert await read_all(sampler) == [5, 6]
    assert fake.heard == ["eyJ-1", "eyJ-2"]
    assert autojump_clock.current_time() < 60


@pytest.mark.parametrize("route", ["asample", "stream_sample"])
async def test_sampling_says_that_it_understands_a_429(route: str, autojump_clock: MockClock) -> None:
    """The service answers so only those who do."""
    fake = StreamingTinker()
    async with sampler_of(fake) as sampler:
        await sampler.sample(PROMPT)
        await read_all(sampler)
    (headers,) = (headers for name, headers in fake.headers if name == route)
    assert headers["x-tinker-sampling-backpressure"] == "1"
    assert headers["accept-encoding"] == ("identity" if route == "stream_sample" else "gzip, deflate, zstd")
    assert autojump_clock.current_time() < 60


async def test_a_stream_lost_before_its_first_token_is_begun_again_and_later_never(autojump_clock: MockClock) -> None:
    """What has come was perhaps shown to somebody; what has not is drawn anew under the same number."""
    fake = StreamingTinker(pieces=[], breaks=True)

    def mend(begun: int) -> None:
        fake.pieces, fake.breaks = ([FIRST], True) if begun == 2 else ([], begun == 1)

    fake.before_stream = mend
    async with sampler_of(fake) as sampler, sampler.sample_stream(PROMPT) as stream:
        assert (await anext(stream)).token == 5
        with pytest.raises(APIConnectionError, match="the connection was lost") as caught:
            await anext(stream)
    assert len(fake.drips) == caught.value.attempts == 3
    assert len({headers["x-idempotency-key"] for name, headers in fake.headers if name == "stream_sample"}) == 1
    assert autojump_clock.current_time() < 60


async def test_a_server_that_never_sends_a_token_is_given_up(autojump_clock: MockClock) -> None:
    """As often as any request is sent again, and with the last reason."""
    fake = StreamingTinker(pieces=[])
    async with sampler_of(fake) as sampler:
        with pytest.raises(APIConnectionError, match="ended with 0 of 1 sequences complete"):
            await read_all(sampler)
    assert len(fake.drips) == 1 + FIGURES.max_retries
    assert autojump_clock.current_time() < 300


@pytest.mark.parametrize(
    ("pieces", "fields", "sentence"),
    [
        ([b"<html>"], {"content-type": "text/html"}, "expected text/event-stream, not encoded, got text/html"),
        ([b"\x1f\x8b"], {"content-encoding": "gzip"}, "got text/event-stream, gzip"),
        ([b"data: \xff\n\n"], {}, "expected UTF-8"),
        ([b"data: [1]\n\n"], {}, "expected an object"),
        ([b'data: {"kind": "token", "index": 1, "token_id": 5}\n\n'], {}, "expected below 1, got 1"),
        ([b'data: {"kind": "token", "index": 0, "token_id": true}\n\n'], {}, "expected a token or the end"),
        ([b'data: {"kind": "token", "index": 0, "token_id": 99999999999}\n\n'], {}, "expected a token or the end"),
        ([LAST, LAST], {}, "expected of a sequence that has not ended, got 0"),
        ([TOKEN] * 4, {}, "expected no more than 3 tokens of a sequence"),
        ([b"data: " + b"x" * 1_000_001], {}, "at most a million bytes"),
        ([b"data: xx\n" * 70_000] * 3, {}, "at most a million bytes"),
    ],
)
async def test_a_stream_of_something_else_says_what(
    pieces: list[bytes], fields: dict[str, str], sentence: str, autojump_clock: MockClock
) -> None:
    """Never passed off as tokens, never kept without a bound, never tried again: the server has answered."""
    fake = StreamingTinker(pieces=pieces, fields=fields)
    async with sampler_of(fake) as sampler:
        with pytest.raises(ResponseInvalid, match=sentence):
            await read_all(sampler, SamplingParams(max_tokens=3))
    assert len(fake.drips) == 1
    assert fake.read_at_once == 0
    assert autojump_clock.current_time() < 60


async def test_a_stream_waits_for_its_server_only_while_somebody_reads(autojump_clock: MockClock) -> None:
    """A reader who is busy elsewhere is no operation that hangs; each token begins a new wait."""
    fake = StreamingTinker()
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        async with sampler.sample_stream(PROMPT) as stream, trio.open_nursery() as nursery:
            nursery.start_soon(anext, stream)
            await trio.sleep(0.5)
            line = "sampler-0 stream_sample 0: for 0 s, waits for the first token; attempt 1"
            assert str(tinker.snapshot().waits[0]) == line
            await trio.sleep(40)
            assert tinker.snapshot().waits == ()
            nursery.start_soon(anext, stream)
            await trio.sleep(0.5)
            (wait,) = tinker.snapshot().waits
            assert (wait.waits_for, round(wait.age)) == ("the next token", 0)
    assert autojump_clock.current_time() < 60


async def test_a_closed_stream_has_no_more_tokens(autojump_clock: MockClock) -> None:
    """Whether it was closed by hand or by leaving its block; closing twice is nothing."""
    fake = StreamingTinker()
    async with sampler_of(fake) as sampler:
        async with sampler.sample_stream(PROMPT) as stream:
            await anext(stream)
            await stream.aclose()
            assert [token async for token in stream] == []
        await stream.aclose()
        assert [token async for token in stream] == []
    assert fake.read_at_once == 0
    assert autojump_clock.current_time() < 60


async def test_two_readers_of_one_stream_are_told(autojump_clock: MockClock) -> None:
    """Each would have some of the tokens, and neither would know."""
    async with (
        sampler_of(StreamingTinker()) as sampler,
        sampler.sample_stream(PROMPT) as stream,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(anext, stream)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError, match="another task reads this stream"):
            await anext(stream)
    assert autojump_clock.current_time() < 60


async def test_a_stream_ends_with_its_client(autojump_clock: MockClock) -> None:
    """Whoever reads is told why, and does not wait for a server that nobody asks any more."""
    fake, seen = StreamingTinker(pieces=[FIRST, *[b": still there\n\n"] * 1000]), list[Exception]()

    async def read(sampler: SamplingClient) -> None:
        try:
            await read_all(sampler)
        except ClientClosed as error:
            seen.append(error)

    async with trio.open_nursery() as nursery, sampler_of(fake) as sampler:
        nursery.start_soon(read, sampler)
        await trio.sleep(5)
    assert len(seen) == 1
    assert fake.read_at_once == 0
    with pytest.raises(ClientClosed):
        await read_all(sampler)
    assert autojump_clock.current_time() < 60


async def test_a_stream_ends_with_its_session(autojump_clock: MockClock) -> None:
    """Its sampler is gone; the session that follows has another one."""
    fake = StreamingTinker(pieces=[FIRST, *[b": still there\n\n"] * 1000])
    async with sampler_of(fake) as sampler, sampler.sample_stream(PROMPT) as stream:
        await anext(stream)
        fake.ended.add("S0")
        with pytest.raises(SessionEnded):
            await anext(stream)
    assert autojump_clock.current_time() < 60


async def test_the_crash_of_the_actor_disturbs_no_stream(autojump_clock: MockClock) -> None:
    """Whoever reads holds the connection; the place stays taken."""
    fake = StreamingTinker(config={"sample_max_concurrent_requests": 1})
    async with sampler_of(fake) as sampler:
        async with sampler.sample_stream(PROMPT) as stream:
            await anext(stream)
            sampler.crash("a test")
            await trio.sleep(1)
            behind = sampler.sample(PROMPT)
            assert [token.token async for token in stream] == [6]
            assert not fake.sent("asample")
        await behind
    assert autojump_clock.current_time() < 60

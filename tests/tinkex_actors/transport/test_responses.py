"""Whoever needs more than a method returns gets it, by one mechanism and from every method."""

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.tinkex_actors.clients.streaming import PROMPT, StreamingTinker
from tests.tinkex_actors.clients.test_stream_admission import TokenTinker
from tests.tinkex_actors.fake_tinker import SETTINGS, FakeTinker, Say, a_datum, make_trainer, open_fake
from tinkex_actors.clients.rest import open_rest_client
from tinkex_actors.transport.responses import RawResponse, record_responses
from tinkex_actors.types import BadRequestError, SampleResponse


@pytest.mark.tinkex("F100", "F101")
async def test_every_answer_to_what_a_block_asks_for_is_there_raw(autojump_clock: MockClock) -> None:
    """Submissions and the polls for their results, REST calls and streams; each with status, headers, content, time."""
    fake = StreamingTinker()
    fake.fail("asample", Say(503))
    async with open_fake(fake) as tinker:
        trainer, sampler = await make_trainer(tinker), await tinker.create_sampling_client(base_model="fake/model")
        with record_responses() as responses:
            await trainer.forward_backward([a_datum()], "cross_entropy")
            await sampler.sample(PROMPT)
            await tinker.get_server_capabilities()
            async with sampler.sample_stream(PROMPT) as stream:
                await anext(stream)
    assert [one.operation for one in responses] == [
        "forward_backward", "retrieve_future", "asample", "retrieve_future", "get_server_capabilities", "stream_sample",
    ]  # fmt: skip
    (submission,) = responses.of("asample")
    assert (submission.method, submission.path, submission.status) == ("POST", "/api/v1/asample", 200)
    assert submission.attempts == 2
    assert submission.seconds > 0.1
    assert submission.json() == {"request_id": "sample-2", "sample_sequence_ids": ["Q0-0-0"]}
    assert responses[1].headers["content-type"] == "application/x-protobuf"
    assert (responses.last.status, responses.last.content) == (200, b"")
    assert autojump_clock.current_time() < 60


async def test_what_a_block_asks_for_is_recorded_when_it_is_answered_later(autojump_clock: MockClock) -> None:
    """An operation outlives the block it was submitted in; what is asked for after the block is not recorded."""
    async with open_fake(FakeTinker()) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        with record_responses() as responses:
            pending = sampler.sample(PROMPT)
            with pytest.raises(LookupError, match="await what was asked for first"):
                _ = responses.last
        await sampler.sample(PROMPT)
        assert isinstance(await pending, SampleResponse)
    assert [one.operation for one in responses] == ["asample", "retrieve_future"]
    assert autojump_clock.current_time() < 60


async def test_a_refusal_is_an_answer_too(autojump_clock: MockClock) -> None:
    """The method raises; the answer is there."""
    fake = FakeTinker()
    fake.fail("get_server_capabilities", Say(400, b"no", {"x-request-id": "r7"}))
    async with open_fake(fake) as tinker:
        with record_responses() as responses, pytest.raises(BadRequestError):
            await tinker.get_server_capabilities()
    assert (responses.last.status, responses.last.content) == (400, b"no")
    assert responses.last.headers["x-request-id"] == "r7"
    assert autojump_clock.current_time() < 60


async def test_blocks_of_different_tasks_do_not_meet(autojump_clock: MockClock) -> None:
    """Each has what was asked for within it, and no more than its limit."""
    seen = dict[int, list[RawResponse]]()

    async def ask(many: int) -> None:
        with record_responses(limit=3) as responses:
            for _ in range(many):
                await tinker.get_server_capabilities()
        seen[many] = list(responses)

    async with open_fake(FakeTinker()) as tinker, trio.open_nursery() as nursery:
        for many in (1, 2, 5):
            nursery.start_soon(ask, many)
    assert {many: len(answers) for many, answers in seen.items()} == {1: 1, 2: 2, 5: 3}
    assert autojump_clock.current_time() < 60


async def test_a_client_opened_in_a_block_is_not_recorded_for_ever(autojump_clock: MockClock) -> None:
    """Its actors were started in the block; what they ask for after it is theirs."""
    fake = FakeTinker()
    with record_responses(limit=1000) as responses:
        opened = open_fake(fake)
        tinker = await opened.__aenter__()
    before = len(responses)
    assert "create_session" in {one.operation for one in responses}
    await trio.sleep(60)
    await tinker.get_server_capabilities()
    await opened.__aexit__(None, None, None)
    assert len(responses) == before
    assert autojump_clock.current_time() > 60


async def test_the_exchange_of_a_credential_is_never_recorded(autojump_clock: MockClock) -> None:
    """It holds a secret, and was nobody's question."""
    fake = TokenTinker()
    with record_responses() as responses:
        async with open_fake(fake):
            pass
    assert fake.made > 0
    assert "auth/token" not in {one.operation for one in responses}
    assert not any(b"eyJ" in one.content for one in responses)
    assert autojump_clock.current_time() < 60


async def test_a_rest_client_s_path_is_told_as_it_was_asked_for() -> None:
    """With what was filled in; a repr shows neither headers nor content."""
    below = httpx.MockTransport(lambda _: httpx.Response(200, json={"status": "pending", "url": "https://signed"}))
    async with open_rest_client(SETTINGS, below=below) as rest:
        with record_responses() as responses:
            await rest.check_health()
    assert repr(responses.last) == "<RawResponse healthz 200, 43 bytes>"
    with pytest.raises(ValueError, match="limit must be >= 1, got 0"), record_responses(limit=0):
        pass

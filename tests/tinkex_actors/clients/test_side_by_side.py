"""Many at once: each gets its own answer, in the time of the slowest, with no more requests than needed."""

import httpx
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import SETTINGS, FakeTinker, LoseRequest, Say, make_trainer, open_fake
from tinkex_actors.clients import SamplingClient
from tinkex_actors.transport.ask import send
from tinkex_actors.transport.endpoints import HEARTBEAT, SERVER_CAPABILITIES
from tinkex_actors.transport.stack import open_transport
from tinkex_actors.types import SessionId
from tinkex_actors.wire.requests import SessionHeartbeatRequest


@pytest.mark.tinkex("T33")
async def test_clients_are_made_in_the_time_of_the_slowest(autojump_clock: MockClock) -> None:
    """Three samplers from three tasks: nothing stands in line for the connection."""
    fake, made = FakeTinker(latency=5.0), list[SamplingClient]()
    async with open_fake(fake) as tinker:

        async def make() -> None:
            made.append(await tinker.create_sampling_client(base_model="fake/model"))

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(make)
        assert trio.current_time() - began < 6
    assert len(made) == 3
    assert {body["sampling_session_seq_id"] for body in fake.sent("create_sampling_session")} == {0, 1, 2}
    assert autojump_clock.current_time() < 60


@pytest.mark.tinkex("T59")
async def test_twenty_requests_at_once_have_twenty_answers() -> None:
    """No answer crosses over to another request."""
    answers = list[bytes]()

    async def echo(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        return httpx.Response(200, content=await request.aread())

    async with open_transport(SETTINGS, below=httpx.MockTransport(echo)) as transport:

        async def ask_once(name: str) -> None:
            answer = await send(transport, HEARTBEAT, SessionHeartbeatRequest(SessionId(name)))
            assert name.encode() in answer.content
            answers.append(answer.content)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(ask_once, f"session-{number:02d}")
    assert len(set(answers)) == 20


@pytest.mark.tinkex("T40", "T41")
async def test_a_poll_is_repeated_by_the_poller_alone(autojump_clock: MockClock) -> None:
    """One try-again, or one lost connection, and the result: two requests each, none from below."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        for fault in (Say(408, b'{"type": "try_again"}'), LoseRequest()):
            fake.fail("retrieve_future", fault)
            before = len(fake.times["retrieve_future"])
            await trainer.optim_step()
            assert len(fake.times["retrieve_future"]) - before == 2
    assert autojump_clock.current_time() < 10


@pytest.mark.tinkex("T62")
async def test_what_a_request_says_wins_over_what_all_say() -> None:
    """Headers and queries of the settings are for every request; a request's own come last."""
    seen = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    settings = evolve(SETTINGS, default_headers={"X-A": "all", "X-B": "all"}, default_query={"a": "all", "b": "all"})
    async with open_transport(settings, below=httpx.MockTransport(answer)) as transport:
        await send(transport, SERVER_CAPABILITIES, None, headers={"X-B": "one"}, query={"b": "one"})
    (request,) = seen
    assert (request.headers["x-a"], request.headers["x-b"]) == ("all", "one")
    assert dict(request.url.params) == {"a": "all", "b": "one"}

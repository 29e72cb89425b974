"""Answers that are read while they arrive, over everything that may lie below."""

import httpx
import pytest
import trio
from attrs import evolve

from tests.tinkex_actors.transport.lean.stage import Guest, open_stage
from tinkex_actors.settings import Settings
from tinkex_actors.transport.bottom import open_bottom
from tinkex_actors.transport.seam import Body, Lane, Route

STREAM = Route(name="stream_sample", path="/api/v1/stream_sample", lane=Lane.SAMPLE, is_streamed=True)
BEGINNING = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n"


@pytest.mark.parametrize("way", ["pool", "httpx", "proxy"])
async def test_leaving_a_stream_early_hangs_up_and_warns_of_nothing(way: str) -> None:
    """Over httpx the bytes come through generators of two libraries; one left half-way is a warning, here an error."""
    gone = trio.Event()

    async def serve(guest: Guest) -> None:
        await guest.hear()
        await guest.say(BEGINNING)
        assert not await guest.more()
        gone.set()

    async with open_stage(serve) as stage:
        url = "http://tinker.example" if way == "proxy" else stage.url
        settings = Settings.from_environ({}, api_key="tml-x", base_url=url, proxy=stage.url if way == "proxy" else "")
        below = httpx.AsyncHTTPTransport() if way == "httpx" else None
        with trio.fail_after(30):
            async with open_bottom(settings, below=below) as transport:
                answer = await transport.send(STREAM, Body(content=b"{}"))
                assert answer.stream is not None
                assert (await anext(answer.stream)).startswith(b"one")
                await answer.stream.aclose()
                await answer.stream.aclose()
                await gone.wait()


async def test_a_stream_holds_no_connection_that_submits() -> None:
    """There are few of those; a hundred readers must not stop the next sample."""

    async def serve(guest: Guest) -> None:
        while request := await guest.hear():
            await guest.say(
                BEGINNING if b"stream_sample" in request else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            )

    async with open_stage(serve) as stage:
        settings = Settings.from_environ({}, api_key="tml-x", base_url=stage.url)
        few = evolve(settings, figures=evolve(settings.figures, sample_connections=1))
        async with open_bottom(few) as transport:
            reading = [await transport.send(STREAM, Body(content=b"{}")) for _ in range(3)]
            plain = Route(name="asample", path="/api/v1/asample", lane=Lane.SAMPLE)
            with trio.fail_after(30):
                assert (await transport.send(plain, Body(content=b"{}"))).status == 200
            for answer in reading:
                assert answer.stream is not None
                await answer.stream.aclose()


async def test_a_refusal_is_an_answer_with_its_content() -> None:
    """Only a success is handed over while it arrives."""

    async def serve(guest: Guest) -> None:
        await guest.answer(b"HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno")

    async with open_stage(serve) as stage:
        settings = Settings.from_environ({}, api_key="tml-x", base_url=stage.url)
        async with open_bottom(settings) as transport:
            answer = await transport.send(STREAM, Body(content=b"{}"))
    assert (answer.status, answer.content, answer.stream) == (400, b"no", None)

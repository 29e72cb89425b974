"""The pool under an ordinary httpx.AsyncClient."""

import gzip
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.tinkex_actors.transport.lean.stage import Guest, Stage, open_stage, serve_nothing, serve_ok
from tinkex_actors.transport.lean.transport import LANE, LeanTransport


@asynccontextmanager
async def open_client(stage: Stage) -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient(transport=LeanTransport(stage.pool), base_url=stage.url) as client:
        yield client


class Pieces(httpx.AsyncByteStream):
    """Content made while it is sent."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop(0)


async def test_a_client_needs_nothing_but_the_transport() -> None:
    """It opens a pool of its own when the client is entered, and closes it with the client."""
    async with open_stage(serve_ok) as stage:
        async with httpx.AsyncClient(transport=LeanTransport()) as client:
            response = await client.get(stage.url)
            assert (response.status_code, response.text, response.http_version) == (200, "ok", "HTTP/1.1")
            assert response.reason_phrase == "OK"
        with pytest.raises(RuntimeError, match="is not open; use `async with"):
            await LeanTransport().handle_async_request(httpx.Request("GET", stage.url))


async def test_requests_look_as_httpx_makes_them() -> None:
    """Method, target with its query, headers, content."""
    heard: list[bytes] = []

    async def serve(guest: Guest) -> None:
        heard.append(await guest.hear())
        await guest.stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with open_stage(serve) as stage, open_client(stage) as client:
        await client.put("/a%20b?c=d", json={"x": 1}, headers={b"X-Umlaut": "ä".encode()})
    head, _, content = heard[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /a%20b?c=d HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-Umlaut: \xc3\xa4" in head
    assert b"\r\nContent-Length: 7" in head
    assert content == b'{"x":1}'


async def test_a_stream_is_read_as_it_comes() -> None:
    """Server-sent events: each when it is sent, not all at the end."""
    heard = trio.Event()

    async def serve(guest: Guest) -> None:
        await guest.hear()
        await guest.stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ndata: a\r\n")
        await heard.wait()
        await guest.stream.send_all(b"7\r\ndata: b\r\n0\r\n\r\n")
        await serve_ok(guest)

    async with open_stage(serve) as stage, open_client(stage) as client:
        async with client.stream("GET", "/") as response:
            pieces = list[bytes]()
            async for piece in response.aiter_raw():
                pieces.append(piece)
                heard.set()
            assert pieces == [b"data: a", b"data: b"]
        assert (await client.get("/")).text == "ok"


async def test_a_stream_that_is_left_closes_its_connection() -> None:
    """What was not read would be read as the next answer."""

    async def serve(guest: Guest) -> None:
        await guest.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello")
        await trio.sleep_forever()

    async with open_stage(serve) as stage, open_client(stage) as client:
        async with client.stream("GET", "/"):
            assert stage.pool.count_open() == 1
        assert stage.pool.count_open() == 0


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "6"}])
async def test_a_streamed_request_is_sent_as_it_is_made(headers: dict[str, str]) -> None:
    """In chunks, or as it is when its length is known."""
    heard: list[bytes] = []

    async def serve(guest: Guest) -> None:
        while not guest.raw.endswith((b"0\r\n\r\n", b"abcdef")):
            await guest.more()
        heard.append(bytes(guest.raw))
        await guest.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await trio.sleep_forever()

    async with open_stage(serve) as stage, open_client(stage) as client:
        assert (await client.post("/", content=Pieces(b"abc", b"", b"def"), headers=headers)).status_code == 200
        assert stage.pool.count_open() == 1
    content = heard[0].partition(b"\r\n\r\n")[2]
    assert content == (b"abcdef" if headers else b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")


@pytest.mark.parametrize(("length", "words"), [("7", "shorter"), ("5", "longer")])
async def test_a_streamed_request_of_another_length_than_announced_fails(length: str, words: str) -> None:
    """Sent on, it would be read as the next request."""
    async with open_stage(serve_ok) as stage, open_client(stage) as client:
        with pytest.raises(httpx.LocalProtocolError, match=words):
            await client.post("/", content=Pieces(b"abc", b"def"), headers={"Content-Length": length})
        assert stage.pool.count_open() == 0


async def test_what_the_maker_of_a_request_raises_comes_out_as_it_is() -> None:
    """Not in a group, and no connection stays."""

    class Broken(Pieces):
        async def __anext__(self) -> bytes:
            raise KeyError("mine")

    async with open_stage(serve_ok) as stage, open_client(stage) as client:
        with pytest.raises(KeyError):
            await client.post("/", content=Broken())
        assert stage.pool.count_open() == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("X-A", "b\r\nX-Evil: 1"), ("X-A", "b\nc"), ("X-A", "b\0"), ("X\r\nA", "b"), ("X A", "b"), ("", "b")],
)
async def test_a_header_that_would_be_two_is_never_sent(name: str, value: str) -> None:
    """Nor is its value shown: one of them is the key."""
    async with open_stage(serve_ok) as stage, open_client(stage) as client:
        with pytest.raises(httpx.LocalProtocolError) as fault:
            await client.get("/", headers={name: value})
        assert "Evil" not in str(fault.value)
    assert not stage.guests


@pytest.mark.parametrize(
    "headers",
    [{"Content-Length": "5"}, {"Content-Length": "-1"}, {"Transfer-Encoding": "gzip"}],
)
async def test_a_request_framed_in_another_way_than_it_is_is_never_sent(headers: dict[str, str]) -> None:
    """Its rest would be the next request."""
    async with open_stage(serve_ok) as stage, open_client(stage) as client:
        with pytest.raises(httpx.LocalProtocolError):
            await client.post("/", content=b"abc", headers=headers)
    assert not stage.guests


async def test_a_head_and_compressed_content_are_what_httpx_makes_of_them() -> None:
    """The transport passes on; the client decodes."""
    content = gzip.compress(b"hello")

    async def serve(guest: Guest) -> None:
        while request := await guest.hear():
            head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(content)
            await guest.stream.send_all(head if request.startswith(b"HEAD") else head + content)

    async with open_stage(serve) as stage, open_client(stage) as client:
        assert (await client.head("/")).headers["content-encoding"] == "gzip"
        assert (await client.get("/")).text == "hello"
    assert len(stage.guests) == 1


async def test_lanes_are_chosen_by_an_extension() -> None:
    """So that a client of a user's can keep its long requests apart."""
    async with open_stage(serve_ok) as stage, open_client(stage) as client:
        await client.get("/", extensions={LANE: "slow"})
        assert stage.pool.lane(stage.origin, "slow").open_count == 1
        assert stage.pool.lane(stage.origin).open_count == 0


async def test_timeouts_are_httpx_s_own() -> None:
    """Its exceptions, with the request in them."""
    async with open_stage(serve_nothing) as stage, open_client(stage) as client:
        with pytest.raises(httpx.ReadTimeout) as fault:
            await client.get("/", timeout=httpx.Timeout(0.01, connect=5.0))
        assert fault.value.request.method == "GET"


async def test_cancelling_a_request_closes_its_connection() -> None:
    """Whatever it was waiting for."""
    async with open_stage(serve_nothing) as stage, open_client(stage) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.get, "/")
            await wait_all_tasks_blocked()
            assert stage.pool.count_open() == 1
            nursery.cancel_scope.cancel()
        assert stage.pool.count_open() == 0


@pytest.mark.parametrize(("method", "url"), [("CONNECT", "http://h/"), ("GET", "ftp://h/"), ("GET", "unix://h/")])
async def test_what_the_transport_cannot_do_it_says(method: str, url: str) -> None:
    """Tunnels and other protocols are other transports' business."""
    async with open_stage(serve_ok) as stage, open_client(stage) as client:
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.request(method, url)

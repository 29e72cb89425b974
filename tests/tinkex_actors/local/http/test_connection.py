"""HTTP/1.1 between a socket and an application."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from structlog.testing import capture_logs

from tinkex_actors.local.http.listener import Listener


class Doors:
    """What the application of these tests does."""

    def __init__(self) -> None:
        self.left = trio.Event()
        self.release = trio.Event()
        self.entered = trio.Event()

    async def echo(self, request: Request) -> Response:
        """Send the body back."""
        return Response(await request.body())

    async def ignore(self, _: Request) -> Response:
        """Answer without a look at the body."""
        return Response(b"ignored", 413)

    async def wait(self, request: Request) -> Response:
        """Answer when released, or note that the client left before."""
        self.entered.set()
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                while (await request.receive())["type"] != "http.disconnect":
                    pass
                self.left.set()
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            await self.release.wait()
            nursery.cancel_scope.cancel()
        return Response(b"released")

    async def crash(self, _: Request) -> Response:
        """Have a bug."""
        raise ZeroDivisionError

    async def stream(self, _: Request) -> Response:
        """Send two pieces, the second when released."""

        async def pieces() -> AsyncGenerator[bytes]:
            yield b"one"
            await self.release.wait()
            yield b"two"

        return StreamingResponse(pieces())

    def app(self) -> ASGIApp:
        """The application."""
        names = ("echo", "ignore", "wait", "crash", "stream")
        return Starlette(routes=[Route(f"/{name}", getattr(self, name), methods=["GET", "POST"]) for name in names])


@asynccontextmanager
async def listening(app: ASGIApp, grace: float = 5) -> AsyncGenerator[tuple[socket.socket, trio.Event]]:
    """Serve *app*; yields the socket and what stops it."""
    stopping = trio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Listener(app, listener, grace).serve, stopping)
            yield listener, stopping
            stopping.set()


async def connect(listener: socket.socket) -> trio.SocketStream:
    """Connect to it."""
    return await trio.open_tcp_stream(*listener.getsockname())


def ask(path: str, body: bytes = b"", *headers: str, method: str = "POST") -> bytes:
    """A request."""
    length = [f"content-length: {len(body)}"] if body else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: x", *length, *headers, "\r\n"]).encode() + body


async def read_until(stream: trio.SocketStream, end: bytes) -> bytes:
    """What comes up to *end*."""
    received = b""
    with trio.fail_after(10):
        while not received.endswith(end):
            part = await stream.receive_some()
            if not part:
                return received
            received += part
    return received


async def test_one_connection_answers_one_request_after_the_other() -> None:
    """Bodies or none, in one piece, in chunks or sent ahead of the answers before."""
    async with listening(Doors().app()) as (listener, _), await connect(listener) as stream:
        await stream.send_all(ask("/echo", method="GET"))
        assert (await read_until(stream, b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        chunked = ask("/echo", b"", "transfer-encoding: chunked") + b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
        await stream.send_all(chunked)
        assert await read_until(stream, b"abcde")
        await stream.send_all(ask("/echo", b"first") + ask("/echo", b"second"))
        assert (await read_until(stream, b"second")).count(b"HTTP/1.1 200") in (1, 2)


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    """Expect: 100-continue; curl does so for large bodies."""
    async with listening(Doors().app()) as (listener, _), await connect(listener) as stream:
        await stream.send_all(ask("/echo", b"", "content-length: 4", "expect: 100-continue"))
        assert (await read_until(stream, b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        await stream.send_all(b"body")
        assert (await read_until(stream, b"body")).startswith(b"HTTP/1.1 200")


async def test_a_head_request_has_the_length_and_not_the_body() -> None:
    """Or the next answer would begin with it."""
    async with listening(Doors().app()) as (listener, _), await connect(listener) as stream:
        await stream.send_all(ask("/ignore", method="HEAD"))
        assert b"content-length: 7" in await read_until(stream, b"\r\n\r\n")
        await stream.send_all(ask("/echo", b"next"))
        assert (await read_until(stream, b"next")).startswith(b"HTTP/1.1 200")


async def test_an_answer_before_the_end_of_the_body_reaches_the_client() -> None:
    """It is still sending: a connection closed at once would take the answer with it."""
    async with listening(Doors().app()) as (listener, _), await connect(listener) as stream:
        await stream.send_all(ask("/ignore", b"", "content-length: 9000000") + b"x" * 1_000_000)
        assert (await read_until(stream, b"ignored")).startswith(b"HTTP/1.1 413")
        assert await stream.receive_some() == b""


async def test_an_application_learns_that_its_client_left() -> None:
    """A long poll must not go on for nobody."""
    doors = Doors()
    async with listening(doors.app()) as (listener, _):
        async with await connect(listener) as stream:
            await stream.send_all(ask("/wait"))
            await doors.entered.wait()
        with trio.fail_after(10):
            await doors.left.wait()


async def test_a_request_sent_ahead_of_an_answer_is_no_leaving() -> None:
    """It waits for its turn."""
    doors = Doors()
    async with listening(doors.app()) as (listener, _), await connect(listener) as stream:
        await stream.send_all(ask("/wait"))
        await doors.entered.wait()
        await stream.send_all(ask("/echo", b"ahead"))
        doors.release.set()
        assert b"released" in await read_until(stream, b"ahead")


async def test_pieces_are_sent_as_they_come() -> None:
    """Nothing is held back until the end."""
    doors = Doors()
    async with listening(doors.app()) as (listener, _), await connect(listener) as stream:
        await stream.send_all(ask("/stream"))
        assert await read_until(stream, b"one\r\n")
        doors.release.set()
        assert await read_until(stream, b"0\r\n\r\n") == b"3\r\ntwo\r\n0\r\n\r\n"


async def test_a_bug_is_logged_and_answered_and_ends_nobody_elses_connection() -> None:
    """The listener must not fall with it."""
    async with listening(Doors().app()) as (listener, _), await connect(listener) as other:
        with capture_logs() as lines:
            async with await connect(listener) as stream:
                await stream.send_all(ask("/crash"))
                assert (await read_until(stream, b"\0")).startswith(b"HTTP/1.1 500")
        assert [(line["event"], line["path"]) for line in lines] == [("request failed", "/crash")]
        await other.send_all(ask("/echo", b"alive"))
        assert await read_until(other, b"alive")


async def test_at_the_stop_requests_are_finished_and_idle_connections_closed() -> None:
    """Nobody is cut off in the middle, and nobody is waited for who asks nothing."""
    doors = Doors()
    async with listening(doors.app()) as (listener, stopping):
        address = listener.getsockname()
        async with await connect(listener) as idle, await connect(listener) as busy:
            await busy.send_all(ask("/wait"))
            await doors.entered.wait()
            stopping.set()
            with trio.fail_after(10):
                assert await idle.receive_some() == b""
            doors.release.set()
            assert b"released" in await read_until(busy, b"\0")
        with pytest.raises(OSError, match="all attempts"):
            await trio.open_tcp_stream(*address)


async def test_what_is_not_answered_in_time_is_cut_off_at_the_stop() -> None:
    """The stop has an end."""
    doors = Doors()
    with trio.fail_after(10):
        async with listening(doors.app(), grace=0.01) as (listener, stopping), await connect(listener) as busy:
            await busy.send_all(ask("/wait"))
            await doors.entered.wait()
            stopping.set()
            assert await read_until(busy, b"\0") == b""

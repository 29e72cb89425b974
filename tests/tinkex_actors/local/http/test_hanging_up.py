"""Clients that go away, and what is no client."""

import socket
from pathlib import Path
from urllib.parse import urlparse

import orjson
import pytest
import trio
from attrs import evolve
from starlette.types import Receive, Scope, Send
from trio.testing import MockClock

from tests.tinkex_actors.local.http.test_sampling import sampler
from tests.tinkex_actors.local.http.test_streaming import post
from tests.tinkex_actors.local.site import open_site
from tinkex_actors.local import open_server
from tinkex_actors.local.http.connection import Connection
from tinkex_actors.local.limits import Limits


async def test_a_long_poll_ends_with_its_client(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Clients that give up and come back must not pile up in the server."""
    async with open_site(tmp_path, limits=Limits(long_poll=25)) as site:
        session_id = await site.session()
        behind_a_gap = (await site.step(await site.model(session_id), 9)).json["request_id"]
        target = {"type": "sampling_session", "sampling_session_id": await sampler(site, session_id),
                  "cloned_sampler_id": 0}  # fmt: skip
        for path, body in (
            ("retrieve_future", {"request_id": behind_a_gap}),
            ("retrieve_futures", {"target": target, "prev_cursor": 0}),
        ):
            started = autojump_clock.current_time()
            await evolve(site, patience=3.0).post(path, **body)
            assert autojump_clock.current_time() - started == pytest.approx(3)


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    """It happens all the time: nothing is logged, and the server goes on."""
    async with open_server() as server:
        parts = urlparse(server.url)
        for _ in range(3):
            connection = await trio.open_tcp_stream(parts.hostname or "", parts.port or 0)
            head = b"POST /api/v1/telemetry HTTP/1.1\r\nhost: x\r\nx-api-key: tml-test\r\ncontent-length: 100\r\n\r\n{"
            await connection.send_all(head)
            await connection.aclose()
        assert await post(server.url, "telemetry", {"events": []}) == {"status": "accepted"}
    assert capfd.readouterr() == ("", "")


UNREADABLE = [
    (b"nonsense\r\n\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"POST /api/v1/telemetry HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n", 400),
    (b"POST /api/v1/telemetry HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n", 501),
    (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 100_000 + b"\r\n\r\n", 431),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
]


async def test_what_is_not_http_is_told_so() -> None:
    """With a reason and a length: the official client takes an empty 400 for a proxy's and sends again."""
    async with open_server() as server:
        for sent, status in UNREADABLE:
            received = await exchange(server.url, sent)
            head, _, body = received.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 %d " % status), received
            assert f"content-length: {len(body)}".encode() in head.lower()
            assert orjson.loads(body)["detail"]


async def test_a_head_that_came_in_one_piece_is_measured_too() -> None:
    """A server that is slow to read finds all of it: it must not depend on that whether a head is too long."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 100_000 + b"\r\n\r\n")
        ours.shutdown(socket.SHUT_WR)
        await Connection(untouched, trio.SocketStream(trio.socket.from_stdlib_socket(theirs))).serve()
        assert ours.recv(1000).startswith(b"HTTP/1.1 431 ")


async def untouched(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that nothing must reach."""
    raise AssertionError(scope, receive, send)


async def exchange(url: str, sent: bytes) -> bytes:
    """Send bytes and read until the server closes the connection."""
    parts = urlparse(url)
    async with await trio.open_tcp_stream(parts.hostname or "", parts.port or 0) as connection:
        await connection.send_all(sent)
        with trio.fail_after(10):
            return b"".join([part async for part in connection])

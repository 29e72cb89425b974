"""What strangers may cost: connections, time, memory; and that no stop waits for them."""

import logging
import socket

import pytest
import trio
import trio.testing

from supervisors import ChildStarted
from tests.tinkex_actors.observer.scene import Scene, open_lines, open_scene
from tinkex_actors.observer import ObserverSettings
from tinkex_actors.observer.state import State


async def _connect(scene: Scene) -> trio.SocketStream:
    host, port = scene.page.base_url.removeprefix("http://").split(":")
    return await trio.open_tcp_stream(host, int(port))


async def _ask(scene: Scene, request: bytes) -> bytes:
    async with await _connect(scene) as stream:
        await stream.send_all(request)
        return b"".join([piece async for piece in stream])


async def test_a_browser_that_reads_nothing_holds_up_no_stop() -> None:
    """A laptop that sleeps with the page open: its connection is full, and the program ends all the same."""
    with trio.fail_after(20):
        async with open_scene(ObserverSettings(interval=0.01)) as scene:
            stream = await _connect(scene)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            await stream.send_all(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for number in range(300):
                scene.watch.notify(ChildStarted(trio.current_time(), f"root/{number}/{'x' * 50_000}", 1))
            await trio.testing.wait_all_tasks_blocked(0.2)
    await stream.aclose()


async def test_who_takes_too_long_to_ask_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that comes a byte an hour keeps no place."""
    monkeypatch.setattr("tinkex_actors.observer.http._PATIENCE", 0.2)
    async with open_scene() as scene:
        with trio.fail_after(10):
            assert await _ask(scene, b"GET / HTTP/1.1\r\nHost: local") == b""


async def test_connections_are_bounded_and_their_places_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process has better uses for its descriptors; the runs write files."""
    monkeypatch.setattr("tinkex_actors.observer.http._MOST_CONNECTIONS", 3)
    async with open_scene() as scene:
        idle = [await _connect(scene) for _ in range(3)]
        with trio.fail_after(10):
            async with await _connect(scene) as fourth:
                assert await fourth.receive_some() == b""
            for stream in idle:
                await stream.aclose()
            await trio.testing.wait_all_tasks_blocked(0.05)
            answer = await _ask(scene, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_open_pages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each looks at the trees; one too many is told, and may come when another is closed."""
    monkeypatch.setattr("tinkex_actors.observer.app._MOST_STREAMS", 1)
    async with open_scene() as scene:
        async with open_lines(scene) as lines:
            await lines.wait_for("event: trees")
            answer = await scene.http.get("/api/stream")
        async with open_lines(scene) as lines:
            await trio.testing.wait_all_tasks_blocked(0.05)

    assert (answer.status_code, answer.json()["detail"]) == (503, "1 pages are open already; close one")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.0\r\n\r\n", b"421"),
        (b"GET /?" + b"a&" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * 300_000 + b"\r\n\r\n", b"431"),
        (b"POST /api/control HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n" + b"x" * 20_000, b"413"),
        (b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"405"),
    ],
)  # fmt: skip
async def test_what_is_no_request_is_answered_so(request_: bytes, status: bytes) -> None:
    """And the next one is answered as ever."""
    async with open_scene() as scene:
        with trio.fail_after(10):
            answer = await _ask(scene, request_)
        assert (await scene.http.get("/healthz")).text == "ok"

    assert answer[:12] == b"HTTP/1.1 " + status


async def test_a_bug_in_the_page_ends_nothing_but_the_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What the page shows goes on, and the log says what happened."""

    def fail(*_: object) -> None:
        raise RuntimeError("a bug in the page")

    async with open_scene() as scene:
        with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
            patched.setattr(State, "requests", fail)
            assert (await scene.http.get("/api/state")).status_code == 500
            stream = await _ask(scene, b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await scene.http.get("/api/state")).status_code == 200

    assert stream.startswith(b"HTTP/1.1 200 ")
    assert caplog.text.count("a bug in the page") >= 2

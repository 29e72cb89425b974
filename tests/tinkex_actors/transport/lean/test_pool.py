"""Exchanges over real sockets: reuse, limits, lines, retries, deadlines, and servers that misbehave."""

import errno
import socket
from functools import partial

import httpx
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.tinkex_actors.transport.lean.stage import OK, PATIENT, Guest, count_files, get, open_stage, post, serve_ok
from tinkex_actors.transport.lean.limits import Limits, Timeouts
from tinkex_actors.transport.lean.pool import open_pool


async def test_one_connection_carries_many_exchanges() -> None:
    """Opening one costs as much as thirty requests."""
    async with open_stage(serve_ok) as stage:
        for _ in range(5):
            whole = await stage.fetch()
            assert (whole.status, whole.content, whole.headers) == (200, b"ok", {"content-length": "2"})
    assert len(stage.guests) == 1


async def test_every_cut_of_a_response_on_the_wire_reads_the_same() -> None:
    """The same as the reader's test, through the kernel: woken for each piece."""
    raw = b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n"

    async def cut(guest: Guest) -> None:
        for at in range(1, len(raw)):
            await guest.hear()
            await guest.say(raw[:at], raw[at:])

    async with open_stage(cut) as stage:
        for _ in range(1, len(raw)):
            assert (await stage.fetch()).content == b"abc"
    assert len(stage.guests) == 1


@pytest.mark.parametrize("framing", ["length", "chunks", "close"])
async def test_a_large_response_arrives_whole(framing: str) -> None:
    """However it is framed; with a length it is received where it stays."""
    content = bytes(range(256)) * 12_000

    async def serve(guest: Guest) -> None:
        await guest.hear()
        head = {
            "length": b"Content-Length: %d\r\n" % len(content),
            "chunks": b"Transfer-Encoding: chunked\r\n",
            "close": b"",
        }
        await guest.stream.send_all(b"HTTP/1.1 200 OK\r\n" + head[framing] + b"\r\n")
        if framing == "chunks":
            await guest.stream.send_all(b"%x\r\n" % len(content) + content + b"\r\n0\r\n\r\n")
        else:
            await guest.stream.send_all(content)

    async with open_stage(serve) as stage:
        assert (await stage.fetch()).content == content


async def test_a_large_request_arrives_whole_and_in_order() -> None:
    """More pieces than one call of the kernel takes, and more bytes than its buffers hold."""
    pieces = [bytes([number % 256]) * 9000 for number in range(1500)]
    heard: list[bytes] = []

    async def serve(guest: Guest) -> None:
        heard.append(await guest.hear())
        await guest.stream.send_all(OK)

    async with open_stage(serve) as stage:
        assert (await stage.fetch(post(*pieces))).status == 200
    assert heard[0].partition(b"\r\n\r\n")[2] == b"".join(pieces)


async def test_a_lane_opens_no_more_connections_than_allowed_and_serves_in_line() -> None:
    """Who came first is served first, over connections that others give back."""
    async with open_stage(serve_ok, limits=Limits(connections=2)) as stage:
        order: list[int] = []

        async def ask(number: int) -> None:
            await stage.fetch()
            order.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(ask, number)
                await wait_all_tasks_blocked() if number < 2 else None
        assert sorted(order) == list(range(20))
        assert stage.lane.open_count == stage.lane.idle_count == 2
    assert len(stage.guests) == 2


async def test_lanes_do_not_wait_for_one_another() -> None:
    """A heartbeat passes a hundred long polls."""
    async with open_stage(serve_ok, limits=Limits(connections=1)) as stage:
        held = await stage.pool.begin(stage.lane, get(), PATIENT)
        other = stage.pool.lane(stage.origin, "other")
        assert (await stage.fetch(lane=other)).status == 200
        held.close()


async def test_nobody_waits_for_a_connection_longer_than_asked() -> None:
    """And the place in the line is given up."""
    async with open_stage(serve_ok, limits=Limits(connections=1)) as stage:
        held = await stage.pool.begin(stage.lane, get(), PATIENT)
        with pytest.raises(httpx.PoolTimeout, match="stayed in use"):
            await stage.fetch(timeouts=Timeouts(pool=0.01))
        stage.lane.put(held)
        assert (await stage.fetch()).status == 200


@pytest.mark.parametrize("is_early", [True, False])
async def test_a_connection_that_the_server_closed_while_idle_is_not_used(*, is_early: bool) -> None:
    """Nor one on which something came unasked: it would be read as the next answer."""

    async def serve(guest: Guest) -> None:
        await guest.answer()
        if guest.number == 0 and is_early:
            await guest.stream.send_all(OK)
            await trio.sleep_forever()
        if guest.number > 0:
            await serve_ok(guest)

    async with open_stage(serve) as stage:
        await stage.fetch()
        await wait_all_tasks_blocked()
        assert (await stage.fetch(post(b"x"))).status == 200
        assert stage.lane.open_count == 1
    assert len(stage.guests) == 2


@pytest.mark.parametrize(("is_repeatable", "is_served"), [(True, True), (False, False)])
async def test_a_reused_connection_that_dies_is_replaced_once_if_a_repeat_is_harmless(
    *, is_repeatable: bool, is_served: bool
) -> None:
    """The server closes idle connections without asking, perhaps just as the request arrives."""

    async def serve(guest: Guest) -> None:
        await guest.answer()
        if guest.number == 0:
            await guest.hear()  # and hangs up
        else:
            await serve_ok(guest)

    async with open_stage(serve) as stage:
        await stage.fetch()
        if is_served:
            assert (await stage.fetch(post(b"x", is_repeatable=is_repeatable))).status == 200
        else:
            with pytest.raises(httpx.RemoteProtocolError, match="without a response"):
                await stage.fetch(post(b"x", is_repeatable=is_repeatable))
    assert len(stage.guests) == (2 if is_served else 1)


async def test_a_second_death_is_not_retried() -> None:
    """One retry covers a race; more would be a policy, and that lies above."""

    async def serve(guest: Guest) -> None:
        if guest.number == 0:
            await guest.answer()
        await guest.hear()

    async with open_stage(serve) as stage:
        await stage.fetch()
        with pytest.raises(httpx.RemoteProtocolError):
            await stage.fetch()
    assert len(stage.guests) == 2


async def test_an_answer_that_has_begun_is_not_asked_for_again() -> None:
    """The server has acted."""

    async def serve(guest: Guest) -> None:
        await guest.answer()
        await guest.hear()
        await guest.stream.send_all(b"H")

    async with open_stage(serve) as stage:
        await stage.fetch()
        with pytest.raises(httpx.RemoteProtocolError, match="in the middle of its response"):
            await stage.fetch()
    assert len(stage.guests) == 1


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"<html>",
    ],
)
async def test_a_broken_answer_is_a_typed_error_and_its_connection_is_gone(response: bytes) -> None:
    """Early close and garbage, in every phase."""

    async def serve(guest: Guest) -> None:
        await guest.answer(response)

    async with open_stage(serve) as stage:
        with pytest.raises(httpx.RemoteProtocolError):
            await stage.fetch()
        assert stage.pool.count_open() == 0


async def test_a_reset_is_a_read_error() -> None:
    """The other way for a connection to end."""

    async def serve(guest: Guest) -> None:
        await guest.hear()
        assert isinstance(guest.stream, trio.SocketStream)
        guest.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await trio.aclose_forcefully(guest.stream)

    async with open_stage(serve) as stage:
        with pytest.raises(httpx.ReadError):
            await stage.fetch()
        assert stage.pool.count_open() == 0


async def test_a_server_that_closes_its_half_after_the_answer_is_heard() -> None:
    """The answer is whole; the connection is not used again."""

    async def serve(guest: Guest) -> None:
        await guest.answer()
        assert isinstance(guest.stream, trio.SocketStream)
        await guest.stream.send_eof()
        await trio.sleep_forever()

    async with open_stage(serve) as stage:
        assert (await stage.fetch()).content == b"ok"
        await wait_all_tasks_blocked()
        assert (await stage.fetch()).content == b"ok"
    assert len(stage.guests) == 2


async def test_what_is_larger_than_allowed_is_refused() -> None:
    """Announced or not: memory is ours."""
    responses = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000,
    ]

    async def serve(guest: Guest) -> None:
        await guest.answer(responses[guest.number])

    async with open_stage(serve, limits=Limits(whole_body_bytes=100_000)) as stage:
        for _ in responses:
            with pytest.raises(httpx.RemoteProtocolError, match="more than 100000"):
                await stage.fetch()
        assert stage.pool.count_open() == 0


async def test_nobody_there_is_a_connect_error_that_names_the_place() -> None:
    """And leaves nothing counted."""
    async with open_stage(serve_ok) as stage, open_pool() as pool:
        lane = pool.lane(type(stage.origin)("http", "127.0.0.1", 1))
        with pytest.raises(httpx.ConnectError, match=r"127\.0\.0\.1:1 "):
            await pool.begin(lane, get(), PATIENT)
        assert pool.count_open() == 0


async def test_a_request_waits_for_a_connection_when_no_more_files_may_be_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thousand samples and a limit of 1,024 descriptors is a line, not a failure."""
    async with open_stage(serve_ok) as stage:
        held = await stage.pool.begin(stage.lane, get(), PATIENT)

        async def refuse(*_: object, **__: object) -> None:
            cause = OSError(errno.EMFILE, "too many open files")
            raise OSError("all attempts failed") from ExceptionGroup("all", [cause])

        monkeypatch.setattr(trio, "open_tcp_stream", refuse)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.fetch)
            await wait_all_tasks_blocked()
            stage.lane.put(held)
        assert stage.lane.open_count == 1
        held = await stage.pool.begin(stage.pool.lane(stage.origin, "test"), get(), PATIENT)
        with pytest.raises(httpx.ConnectError):
            await stage.fetch(lane=stage.pool.lane(stage.origin, "empty"))


async def test_closing_the_pool_ends_whoever_uses_it() -> None:
    """No request outlives the block."""

    async def swallow(guest: Guest) -> None:
        await guest.hear()
        await trio.sleep_forever()

    before = count_files()
    async with open_stage(swallow) as stage, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(httpx.ReadError):
                await stage.fetch()

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        stage.pool.close()
    with pytest.raises(RuntimeError, match="the pool is closed"):
        await stage.fetch()
    assert count_files() <= before


async def test_no_descriptor_stays_open() -> None:
    """After many exchanges side by side, some given up."""
    before = count_files()
    async with open_stage(serve_ok) as stage:
        for _ in range(3):
            with trio.move_on_after(5):
                async with trio.open_nursery() as nursery:
                    for _ in range(30):
                        nursery.start_soon(partial(stage.fetch, post(b"x")))
        async with trio.open_nursery() as nursery:
            for _ in range(30):
                nursery.start_soon(stage.fetch)
            nursery.cancel_scope.cancel()
        assert stage.pool.count_open() <= 30
    assert count_files() <= before

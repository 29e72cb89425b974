"""Time: each kind of waiting ends by its own deadline, and nothing else does."""

from math import inf

import httpx
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.tinkex_actors.transport.lean.stage import PATIENT, Guest, get, open_stage, post, serve_nothing, serve_ok
from tinkex_actors.transport.lean.deadlines import Deadline, Sweeper
from tinkex_actors.transport.lean.limits import Limits, Timeouts


class Candle:
    """Goes out at its deadline."""

    def __init__(self, sweeper: Sweeper, within: float) -> None:
        self.deadline = Deadline(sweeper)
        self.out_at = inf
        self._sweeper = sweeper
        sweeper.add(self)
        self.deadline.arm(within, httpx.ReadTimeout)

    def expire(self) -> None:
        self.out_at = trio.current_time()
        self._sweeper.remove(self)


async def test_each_deadline_strikes_at_its_time(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """Never early, at most a look late, in whatever order they were set."""
    sweeper = Sweeper()
    nursery.start_soon(sweeper.run)
    candles = [Candle(sweeper, within) for within in (5.0, 1.0, 30.0, 1.01, 4.0)]
    await trio.sleep(2.5)
    late = Candle(sweeper, 0.5)
    candles[4].deadline.refresh()
    await trio.sleep(100)
    due = [5.0, 1.0, 30.0, 1.01, 6.5]
    assert all(when <= candle.out_at <= when + 0.11 for candle, when in zip(candles, due, strict=True))
    assert 3.0 <= late.out_at <= 3.11
    assert autojump_clock.current_time() > 100
    nursery.cancel_scope.cancel()


async def test_a_sweeper_with_nothing_to_do_sleeps(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """A thousand idle clients must not wake a laptop."""
    steps = 0

    class Count(trio.abc.Instrument):
        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            nonlocal steps
            steps += task.name.endswith("Sweeper.run")

    sweeper = Sweeper()
    nursery.start_soon(sweeper.run)
    candle = Candle(sweeper, inf)
    trio.lowlevel.add_instrument(Count())
    await trio.sleep(10_000)
    assert steps <= 1
    assert candle.out_at == inf
    assert autojump_clock.current_time() >= 10_000
    nursery.cancel_scope.cancel()


async def silent(guest: Guest) -> None:
    await guest.hear()
    await trio.sleep_forever()


async def test_a_silent_server_is_noticed_by_the_read_deadline(autojump_clock: MockClock) -> None:
    """Its own, not the sum of several; and the connection is gone."""
    async with open_stage(silent) as stage:
        with pytest.raises(httpx.ReadTimeout):
            await stage.fetch(timeouts=Timeouts(connect=30, read=7, write=20, pool=20))
        assert 7 <= autojump_clock.current_time() < 7.5
        assert stage.pool.count_open() == 0


@pytest.mark.parametrize(
    "begun", [b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel"]
)
async def test_a_server_that_falls_silent_half_way_is_noticed_too(autojump_clock: MockClock, begun: bytes) -> None:
    """In the head and in the content."""

    async def serve(guest: Guest) -> None:
        await guest.answer(begun)
        await trio.sleep_forever()

    async with open_stage(serve) as stage:
        with pytest.raises(httpx.ReadTimeout):
            await stage.fetch(timeouts=Timeouts(read=7))
        assert 7 <= autojump_clock.current_time() < 7.5


async def test_a_slow_drip_is_heard_to_its_end(autojump_clock: MockClock) -> None:
    """Patience is for silence: each byte renews it."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

    async def serve(guest: Guest) -> None:
        await guest.hear()
        for at in range(len(raw)):
            await trio.sleep(5)
            await guest.stream.send_all(raw[at : at + 1])

    async with open_stage(serve) as stage:
        assert (await stage.fetch(timeouts=Timeouts(read=7))).content == b"hello"
        assert autojump_clock.current_time() >= 5 * len(raw)


async def test_a_long_content_that_comes_slowly_is_heard_to_its_end(autojump_clock: MockClock) -> None:
    """So long that it goes past the parser; there too each piece renews the patience."""
    pieces, size = 6, 20_000

    async def serve(guest: Guest) -> None:
        await guest.answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (pieces * size))
        for _ in range(pieces):
            await trio.sleep(5)
            await guest.stream.send_all(bytes(size))

    async with open_stage(serve) as stage:
        assert len((await stage.fetch(timeouts=Timeouts(read=7))).content) == pieces * size
        assert autojump_clock.current_time() >= 5 * pieces


async def test_a_server_that_takes_nothing_is_noticed_by_the_write_deadline(autojump_clock: MockClock) -> None:
    """A body larger than all buffers, and nobody reads it."""
    async with open_stage(serve_nothing) as stage:
        with pytest.raises(httpx.WriteTimeout):
            await stage.fetch(post(bytes(30_000_000)), Timeouts(write=7))
        assert 7 <= autojump_clock.current_time() < 8
        assert stage.pool.count_open() == 0


async def test_a_connection_that_does_not_open_is_noticed_by_the_connect_deadline(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A black hole."""

    async def hole(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(trio, "open_tcp_stream", hole)
    async with open_stage(serve_ok) as stage:
        with pytest.raises(httpx.ConnectTimeout, match="in 7 s"):
            await stage.fetch(timeouts=Timeouts(connect=7))
        assert autojump_clock.current_time() == 7
        assert stage.pool.count_open() == 0


async def test_idle_connections_grow_old(autojump_clock: MockClock) -> None:
    """Before common servers close theirs; nobody has to ask for that."""
    async with open_stage(serve_ok, limits=Limits(idle_seconds=4)) as stage:
        await stage.fetch()
        await trio.sleep(3)
        await stage.fetch()
        assert len(stage.guests) == 1
        await trio.sleep(3.5)
        assert stage.lane.open_count == 1
        await trio.sleep(1)
        assert stage.lane.open_count == 0
    assert autojump_clock.current_time() >= 7


async def test_a_reader_who_takes_time_between_two_pieces_is_not_late(autojump_clock: MockClock) -> None:
    """The server's patience is not ours: only waiting for it counts."""

    async def serve(guest: Guest) -> None:
        await guest.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await trio.sleep(150)
        await guest.stream.send_all(b"1\r\nb\r\n0\r\n\r\n")
        await trio.sleep_forever()

    async with open_stage(serve) as stage:
        connection = await stage.pool.begin(stage.lane, get(), Timeouts(read=7))
        connection.pause()
        assert await connection.read_some() == b"a"
        await trio.sleep(200)
        assert await connection.read_some() == b"b"
        assert await connection.read_some() == b""
        stage.lane.put(connection)
    assert autojump_clock.current_time() >= 200


async def test_deadlines_of_a_finished_request_do_not_strike(autojump_clock: MockClock) -> None:
    """A request of a second leaves no second behind."""
    async with open_stage(serve_ok, limits=Limits(idle_seconds=1000)) as stage:
        await stage.fetch(timeouts=Timeouts(read=1))
        await trio.sleep(100)
        await wait_all_tasks_blocked()
        await stage.fetch(timeouts=PATIENT)
        assert len(stage.guests) == 1
    assert autojump_clock.current_time() >= 100

"""The line for a full lane: what is handed on works, and a failure of one lets the next one try."""

from typing import Any

import httpx
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.tinkex_actors.transport.lean.stage import PATIENT, Guest, Stage, get, open_stage, post, serve_ok
from tinkex_actors.transport.lean.limits import Limits

ONE = Limits(connections=1)


async def fetch(stage: Stage, outcomes: list[object]) -> None:
    try:
        outcomes.append((await stage.fetch(post(b"x"))).content)
    except (httpx.TransportError, RuntimeError) as failure:
        outcomes.append(failure)


async def test_a_connection_that_died_before_it_was_handed_on_is_replaced(nursery: trio.Nursery) -> None:
    """The next in line may not repeat its request: on a dead connection it would fail for nothing."""
    left = trio.Event()

    async def serve(guest: Guest) -> None:
        await guest.answer()
        if not guest.number:
            await guest.stream.aclose()
            left.set()

    outcomes: list[object] = []
    async with open_stage(serve, limits=ONE) as stage:
        connection = await stage.pool.begin(stage.lane, get(), PATIENT)
        nursery.start_soon(fetch, stage, outcomes)
        await wait_all_tasks_blocked()
        await left.wait()
        stage.lane.put(connection)
        with trio.fail_after(5):
            while not outcomes:
                await wait_all_tasks_blocked(0.01)
    assert outcomes == [b"ok"]


async def test_whoever_waits_may_open_a_connection_when_somebody_elses_attempt_has_failed(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that, one name that does not resolve for a second would leave the others waiting for ever."""
    opened, attempts = trio.open_tcp_stream, 0
    failed = trio.Event()

    async def fail_first(*place: Any) -> trio.SocketStream:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await failed.wait()
            raise OSError("no route")
        return await opened(*place)

    monkeypatch.setattr(trio, "open_tcp_stream", fail_first)
    outcomes: list[object] = []
    async with open_stage(serve_ok, limits=ONE) as stage:
        for _ in range(2):
            nursery.start_soon(fetch, stage, outcomes)
            await wait_all_tasks_blocked()
        failed.set()
        with trio.fail_after(5):
            while len(outcomes) < 2:
                await wait_all_tasks_blocked(0.01)
    assert isinstance(outcomes[0], httpx.ConnectError)
    assert outcomes[1] == b"ok"


async def test_a_connection_that_opens_while_the_pool_closes_is_closed_too(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket that nobody owns any more would stay open until the process ends."""
    opened, is_closed, is_gone = trio.open_tcp_stream, trio.Event(), trio.Event()

    async def open_late(*place: Any) -> trio.SocketStream:
        stream = await opened(*place)
        await is_closed.wait()
        return stream

    async def serve(guest: Guest) -> None:
        assert await guest.hear() == b""
        is_gone.set()

    monkeypatch.setattr(trio, "open_tcp_stream", open_late)
    outcomes: list[object] = []
    async with open_stage(serve) as stage:
        nursery.start_soon(fetch, stage, outcomes)
        await wait_all_tasks_blocked(0.01)
        stage.pool.close()
        is_closed.set()
        with trio.fail_after(5):
            await is_gone.wait()
    assert "the pool is closed" in str(outcomes[0])

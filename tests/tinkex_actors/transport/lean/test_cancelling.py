"""Cancelling at every step: no socket stays, no half-used connection goes back, the pool works on."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from tests.tinkex_actors.transport.lean.stage import (
    PATIENT,
    Guest,
    Stage,
    count_files,
    get,
    open_stage,
    post,
)
from tests.tinkex_actors.transport.lean.test_tls import client_side, server_side
from tinkex_actors.transport.lean.body import FramedBody
from tinkex_actors.transport.lean.limits import Limits
from tinkex_actors.transport.lean.request import LeanRequest, render_head

Deed = Callable[[Stage], Awaitable[object]]
CONTENT = bytes(range(256)) * 2000


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope just before one task makes its *n*-th step inside it."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self._scope = scope
        self._left = step
        self._task = trio.lowlevel.current_task()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if self._left == 0:
                self._scope.cancel()


async def slowly(guest: Guest) -> None:
    """Answer everything, with a pause at every place where a client may wait."""
    while request := await guest.hear():
        content = CONTENT if b" /large " in request else b"hello"
        last = b"Connection: close\r\n" if b" /last " in request else b""
        await guest.say(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + last)
        await guest.say(b"Content-Length: %d\r\n\r\n" % len(content), content[:2], content[2:])


async def small(stage: Stage) -> object:
    return await stage.fetch()


async def twice(stage: Stage) -> object:
    await stage.fetch()
    return await stage.fetch(post(b"x", is_repeatable=True))


async def large_answer(stage: Stage) -> object:
    return await stage.fetch(get("/large"))


async def large_request(stage: Stage) -> object:
    # More than the kernel takes at once; encrypting pauses more often by itself.
    return await stage.fetch(post(bytes(8_000_000 if stage.origin.scheme == "http" else 2_000_000)))


async def in_pieces(stage: Stage) -> object:
    connection = await stage.pool.begin(stage.lane, get("/large"), PATIENT)
    while await connection.read_some():
        pass
    stage.lane.put(connection)
    return None


async def in_line(stage: Stage) -> object:
    """Wait for a connection that somebody else uses."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.fetch)
        await stage.fetch()
        nursery.cancel_scope.cancel()
    return None


async def opening(stage: Stage) -> object:
    """Open a connection, TLS's handshake included."""
    await stage.fetch(get("/last"))
    return await stage.fetch()


async def streaming(stage: Stage) -> object:
    """Send a large content that is made while it is sent."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        for _ in range(8):
            await trio.lowlevel.checkpoint()
            yield CONTENT

    size = 8 * len(CONTENT)
    head = render_head(b"POST", b"/", [(b"Host", b"stage"), (b"Content-Length", str(size).encode())])
    return await stage.fetch(LeanRequest(head=head, stream=FramedBody(pieces(), size)))


def contexts(*, is_encrypted: bool) -> dict[str, Any]:
    if not is_encrypted:
        return {}
    authority = trustme.CA()
    return {
        "server_tls": server_side(authority.issue_cert("localhost")),
        "client_tls": client_side(authority),
        "host": "localhost",
    }


DEEDS = (small, twice, large_answer, large_request, in_pieces, in_line, opening, streaming)


@pytest.mark.parametrize("is_encrypted", [False, True])
@pytest.mark.parametrize("deed", DEEDS)
async def test_cancelling_at_any_step_leaves_nothing_and_breaks_nothing(deed: Deed, *, is_encrypted: bool) -> None:
    """The deed is cancelled before its first step, its second, and so on until it runs through."""
    before = count_files()
    step, is_through = 0, False
    async with open_stage(slowly, limits=Limits(connections=1), **contexts(is_encrypted=is_encrypted)) as stage:
        while not is_through:
            step += 1
            with trio.CancelScope() as scope:
                instrument = CancelAtStep(scope, step)
                trio.lowlevel.add_instrument(instrument)
                try:
                    await deed(stage)
                finally:
                    trio.lowlevel.remove_instrument(instrument)
            is_through = not scope.cancel_called
            assert stage.lane.open_count == stage.lane.idle_count <= 1
            assert (await stage.fetch()).content == b"hello"
        assert step > 2
    assert count_files() <= before


async def test_a_connection_handed_to_somebody_just_cancelled_goes_to_the_next() -> None:
    """The hand-over and the cancelling may fall into one moment."""
    async with open_stage(slowly, limits=Limits(connections=1)) as stage:
        held = await stage.pool.begin(stage.lane, get(), PATIENT)
        await held.read_on()
        results: list[bytes] = []

        async def ask() -> None:
            results.append((await stage.fetch()).content)

        async with trio.open_nursery() as nursery:
            doomed = trio.CancelScope()

            async def ask_in_vain() -> None:
                with doomed:
                    await stage.fetch()

            nursery.start_soon(ask_in_vain)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            doomed.cancel()
            stage.lane.put(held)
        assert results == [b"hello"]
        assert len(stage.guests) == 1

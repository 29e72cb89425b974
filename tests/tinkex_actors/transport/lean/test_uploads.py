"""Large requests, and servers that answer or leave before they have taken them."""

import httpx
import pytest
import trio

from tests.tinkex_actors.transport.lean.stage import OK, PATIENT, Guest, open_stage, post
from tinkex_actors.transport.lean.limits import Timeouts

LARGE = bytes(30_000_000)
REFUSAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"


async def test_an_answer_during_the_upload_ends_it() -> None:
    """The server has made up its mind and reads no more; waiting for it to take the rest would be for ever."""

    async def serve(guest: Guest) -> None:
        await guest.more()
        await guest.stream.send_all(REFUSAL)
        await trio.sleep_forever()

    async with open_stage(serve) as stage:
        whole = await stage.fetch(post(LARGE), Timeouts())
        assert (whole.status, whole.content) == (413, b"big")
        assert stage.pool.count_open() == 0


async def test_an_answer_before_the_server_hangs_up_is_heard() -> None:
    """The upload fails, but why is in the buffer."""

    async def serve(guest: Guest) -> None:
        await guest.more()
        await guest.stream.send_all(REFUSAL)

    async with open_stage(serve) as stage:
        whole = await stage.fetch(post(LARGE), Timeouts())
        assert (whole.status, whole.content) == (413, b"big")
        assert stage.pool.count_open() == 0


async def test_a_server_that_hangs_up_during_the_upload_is_an_error() -> None:
    """And not a hang."""

    async def serve(guest: Guest) -> None:
        await guest.more()

    async with open_stage(serve) as stage:
        with pytest.raises((httpx.WriteError, httpx.RemoteProtocolError)):
            await stage.fetch(post(LARGE), PATIENT)
        assert stage.pool.count_open() == 0


async def test_a_server_that_closes_its_half_during_the_upload_is_an_error() -> None:
    """It will never answer."""

    async def serve(guest: Guest) -> None:
        await guest.more()
        assert isinstance(guest.stream, trio.SocketStream)
        await guest.stream.send_eof()
        await trio.sleep_forever()

    async with open_stage(serve) as stage:
        with pytest.raises(httpx.RemoteProtocolError, match="without a response"):
            await stage.fetch(post(LARGE), PATIENT)
        assert stage.pool.count_open() == 0


async def test_an_interim_answer_during_the_upload_does_not_become_the_answer() -> None:
    """A server says 100 and goes on reading: so does the client go on sending."""

    async def serve(guest: Guest) -> None:
        await guest.more()
        await guest.stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(guest.raw) < len(LARGE):
            if not await guest.more():
                return
        await guest.stream.send_all(OK)

    async with open_stage(serve) as stage:
        assert (await stage.fetch(post(LARGE), PATIENT)).status == 200

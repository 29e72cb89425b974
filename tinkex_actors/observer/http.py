"""HTTP for the page, on trio and h11: one request a connection, and a bound on everything that a stranger may cost.

Every wait here ends with the task it runs in: a browser that sleeps, or reads nothing, holds up no stop of the program. A
server that comes along would not do: hypercorn shields its writes from cancellation, and bounds no connections.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import h11
import trio
from attrs import define, frozen

from tinkex_actors.log import get_log

_log = get_log()
_MOST_CONNECTIONS = 100
_MOST_HEAD, _MOST_BODY = 16_384, 10_000
"""Bytes."""
_MOST_FIELDS = 1000
"""Of a query."""
_PATIENCE = 10.0
"""Seconds that a request may take to arrive, and that a reader may let an answer wait."""
_PIECE = 65_536
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}

_GONE = (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError)
"""Who asked is gone, or takes too long: nobody is left to tell."""

Send: TypeAlias = Callable[[bytes], Awaitable[None]]


@frozen
class Request:
    """One request, whole."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    """By names in lower case; of several of one name, the last."""
    body: bytes = b""

    def one(self, name: str) -> str:
        """The first value of a name in the query; empty if there is none."""
        return self.query.get(name, ("",))[0]


@frozen
class Answer:
    """One answer, whole."""

    body: bytes
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = {}


@frozen
class Flow:
    """An answer that goes on until who asked is gone."""

    run: Callable[[Send], Awaitable[None]]
    kind: str


Responder: TypeAlias = Callable[[Request], Awaitable[Answer | Flow]]


class _Refused(Exception):
    """The request cannot be read; the status says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@define(eq=False)
class Server:
    """Answers requests with one function."""

    respond: Responder
    _open: int = 0

    async def serve(self, listener: trio.SocketListener) -> None:
        """Answer until cancelled."""
        await trio.serve_listeners(self._meet, [listener])

    async def _meet(self, stream: trio.SocketStream) -> None:
        if self._open >= _MOST_CONNECTIONS:
            await trio.aclose_forcefully(stream)
            return
        self._open += 1
        try:
            with suppress(*_GONE):
                await self._talk(stream)
        finally:
            self._open -= 1
            await trio.aclose_forcefully(stream)

    async def _talk(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD)
        try:
            with trio.fail_after(_PATIENCE):
                answer = await self._find_answer(await _read(stream, connection))
        except _Refused as refused:
            answer = Answer(b"", refused.status)
        match answer:
            case Answer():
                await _send_whole(stream, connection, answer)
            case Flow():
                await _send_on(stream, connection, answer)

    async def _find_answer(self, request: Request) -> Answer | Flow:
        try:
            return await self.respond(request)
        except Exception as bug:  # noqa: BLE001 - a bug in the page is not to end the program that it shows
            _log.error("the observer's page failed", path=request.path, exc_info=bug)
            return Answer(b'{"detail":"the page failed; its process has logged why"}', 500)


async def _read(stream: trio.SocketStream, connection: h11.Connection) -> Request:
    """Read one request.

    Raises:
        _Refused: It is none, or too large.
    """
    head, body = None, b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as fault:
            raise _Refused(fault.error_status_hint) from fault
        match event:
            case h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(_PIECE))
            case h11.Request():
                head = event
            case h11.Data(data=data) if len(body) + len(data) <= _MOST_BODY:
                body += bytes(data)
            case h11.EndOfMessage() if head is not None:
                return _to_request(head, body)
            case h11.Data():
                raise _Refused(413)
            case _:
                raise trio.ClosedResourceError


def _to_request(head: h11.Request, body: bytes) -> Request:
    try:
        target = urlsplit(head.target.decode("ascii"))
        query = parse_qs(target.query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as fault:
        raise _Refused(400) from fault
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode("ascii"), target.path, query, headers, body)


def _begin(connection: h11.Connection, status: int, headers: Mapping[str, str]) -> bytes:
    if connection.our_state not in {h11.SEND_RESPONSE, h11.IDLE}:
        raise trio.ClosedResourceError
    told = [*_HEADERS.items(), *headers.items(), ("connection", "close")]
    return connection.send(h11.Response(status_code=status, headers=told)) or b""


async def _send_whole(stream: trio.SocketStream, connection: h11.Connection, answer: Answer) -> None:
    headers = {"content-type": answer.kind, "content-length": str(len(answer.body)), **answer.headers}
    written = _begin(connection, answer.status, headers) + (connection.send(h11.Data(data=answer.body)) or b"")
    with trio.fail_after(_PATIENCE):
        await stream.send_all(written + (connection.send(h11.EndOfMessage()) or b""))
        await stream.send_eof()
        # What is left unread when a socket is closed makes the system tell the other side that it failed.
        while await stream.receive_some(_PIECE):
            pass


async def _send_on(stream: trio.SocketStream, connection: h11.Connection, flow: Flow) -> None:
    async def send(piece: bytes) -> None:
        with trio.fail_after(_PATIENCE):
            await stream.send_all(connection.send(h11.Data(data=piece)) or b"")

    with trio.fail_after(_PATIENCE):
        await stream.send_all(_begin(connection, 200, {"content-type": flow.kind, "x-accel-buffering": "no"}))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_when_gone, stream, nursery.cancel_scope)
        try:
            await flow.run(send)
        except _GONE:
            pass
        except Exception as bug:  # noqa: BLE001 - as above
            _log.error("the observer's page failed", kind=flow.kind, exc_info=bug)
        nursery.cancel_scope.cancel()


async def _cancel_when_gone(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    with suppress(*_GONE):
        while await stream.receive_some(_PIECE):
            pass
    scope.cancel()

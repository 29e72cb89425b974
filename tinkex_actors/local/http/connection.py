"""One connection: HTTP/1.1, read and written by h11, around an ASGI application.

One task does it all. The application runs where the request was read, and when it asks for more it reads the socket
itself, for the rest of the body or for the client's leaving; an answer of one piece is one write. So a request needs no
task, queue, lock or timeout of its own, which in a general server are most of its cost.

What is no HTTP is refused in the same form as everything else, with a reason and a length: the official client takes an
empty 400 for the work of a proxy and sends the request again.
"""

from contextlib import suppress
from email.utils import formatdate
from struct import pack
from typing import Any, TypeAlias
from urllib.parse import unquote

import h11
import trio
from starlette.types import ASGIApp, Message

from tinkex_actors.local.http.call import refuse
from tinkex_actors.log import get_log

_HEAD_BYTES = 64 * 1024
"""The longest request line and headers, and the most that a client may send ahead of its answer."""
_READ_BYTES = 256 * 1024
_FAREWELL = 1.0
"""Seconds that a client we hang up on may still send: bytes nobody reads would cost it the answer."""

_DETAILS = {
    431: "the request line and headers are too long; send shorter ones",
    501: "only chunked transfer encoding is understood; send a Content-Length",
}
_OTHERWISE = "this is no HTTP/1.1 request; check its first line, its Host header and the form of the others"

RESET = "tinkex.reset"
"""The type of a message that an application may send instead of an answer: the client sees the connection reset. One
that sends nothing at all has the connection closed."""
_AT_ONCE = pack("ii", 1, 0)  # SO_LINGER of no time at all

_log = get_log("tinkex_actors.local")

Incoming: TypeAlias = h11.Request | h11.Data | h11.EndOfMessage | h11.ConnectionClosed
_GONE = trio.BrokenResourceError, trio.ClosedResourceError


class Connection:
    """Answers the requests of one client, one after the other."""

    def __init__(self, app: ASGIApp, stream: trio.SocketStream) -> None:
        self._app = app
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        self.idle_since: float | None = trio.current_time()
        """When it began to wait for a request; None while it has one."""
        self._is_last = False

    async def serve(self) -> None:
        """Answer requests until the client leaves, sends what is no HTTP, or `close` is called."""
        try:
            with suppress(*_GONE):
                while await self._answer_next():
                    pass
                await self._take_leave()
        finally:
            await trio.aclose_forcefully(self._stream)

    def close(self) -> None:
        """Hang up, now if it waits for a request and else when it has answered."""
        self._is_last = True
        if self.idle_since is not None:
            self._stream.socket.close()

    async def _answer_next(self) -> bool:
        """Answer one request, and say whether another may follow."""
        self.idle_since = trio.current_time()
        try:
            request = await self.receive()
        except h11.RemoteProtocolError as error:
            await self.refuse(error.error_status_hint)
            return False
        if not isinstance(request, h11.Request):
            return False
        self.idle_since = None
        exchange = _Exchange(self, request)
        await exchange.run(self._app, self._scope(request))
        if self._is_last or not exchange.is_complete or not self._is_read_to_the_end():
            return False
        self._http.start_next_cycle()
        return True

    def _is_read_to_the_end(self) -> bool:
        """Whether both sides are done with this request, and neither wants to hang up; passes over what is here of it."""
        with suppress(h11.RemoteProtocolError):
            while self._http.their_state is h11.SEND_BODY and self.receive_nowait() is not None:
                pass
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def _scope(self, request: h11.Request) -> dict[str, Any]:
        path, _, query = bytes(request.target).partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode(),
            "scheme": "http",
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(request.headers),
            "client": None,
            "server": self._stream.socket.getsockname()[:2],
        }

    async def receive(self) -> Incoming:
        """Return the next event, reading the socket if need be.

        Raises:
            RemoteProtocolError: What came is no HTTP.
            BrokenResourceError: The connection is broken.
        """
        while (event := self.receive_nowait()) is None:
            if self._http.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._stream.receive_some(self._room()))
        return event

    def _room(self) -> int:
        """How much to read at once: of a head no more than it may have, since h11 only measures what is not complete."""
        if self._http.their_state is not h11.IDLE:
            return _READ_BYTES
        return _HEAD_BYTES + 1 - len(self._http.trailing_data[0])

    def receive_nowait(self) -> Incoming | None:
        """Return the next event if it is there."""
        event = self._http.next_event()
        return None if event is h11.NEED_DATA or event is h11.PAUSED else event  # type: ignore[return-value] # h11 types sentinels as classes

    async def wait_for_leaving(self) -> None:
        """Wait until the client hangs up; what it sends meanwhile is kept for later, up to a bound."""
        with suppress(*_GONE):
            while len(self._http.trailing_data[0]) < _HEAD_BYTES:
                received = await self._stream.receive_some(_READ_BYTES)
                self._http.receive_data(received)
                if not received:
                    return
            await trio.sleep_forever()

    async def send(self, *events: h11.Event) -> None:
        """Write *events* in one piece."""
        parts: list[bytes] = []
        for event in events:
            parts += self._http.send_with_data_passthrough(event) or ()
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if data:
            await self._stream.send_all(data)

    async def refuse(self, status: int, detail: str | None = None) -> None:
        """Answer what no application can; nothing may have been answered before."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        answer = refuse(status, detail or _DETAILS.get(status, _OTHERWISE))
        headers = [
            ("content-length", str(len(answer.body))),
            ("content-type", answer.content_type),
            ("connection", "close"),
        ]
        await self.send(
            h11.Response(status_code=status, headers=headers), h11.Data(data=answer.body), h11.EndOfMessage()
        )

    def reset(self) -> None:
        """Close the connection as a machine does that has forgotten it."""
        self._stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, _AT_ONCE)
        self._stream.socket.close()

    async def _take_leave(self) -> None:
        """Say that nothing more comes; a client that still sends may go on for a moment."""
        await self._stream.send_eof()
        if self._http.their_state not in (h11.SEND_BODY, h11.ERROR):
            return
        with trio.move_on_after(_FAREWELL):
            while await self._stream.receive_some(_READ_BYTES):
                pass


class _Exchange:
    """One request and its answer, as an ASGI application sees them."""

    def __init__(self, connection: Connection, request: h11.Request) -> None:
        self._connection = connection
        self._has_body = request.method != b"HEAD"
        self._is_read = False
        self._fault: h11.RemoteProtocolError | None = None
        self._head: h11.Response | None = None
        self._has_begun = False
        self.is_complete = False
        """Whether the answer was sent to its end."""

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        """Let *app* answer; what escapes it ends this connection and no other."""
        try:
            await app(scope, self._receive, self._send)
        except _GONE:
            return
        except Exception:  # noqa: BLE001 - a crash becomes the end of this connection, and a record
            _log.exception("request failed", method=scope["method"], path=scope["path"])
            self.is_complete = False
            if not self._has_begun:
                await self._connection.refuse(500, "the server has a bug; its log says where")
        if self._fault is not None and not self._has_begun:
            await self._connection.refuse(self._fault.error_status_hint)

    async def _receive(self) -> Message:
        """Read on: a piece of the body, and behind it the client's leaving."""
        if self._is_read:
            await self._connection.wait_for_leaving()
            return {"type": "http.disconnect"}
        try:
            return await self._read()
        except h11.RemoteProtocolError as error:
            self._fault = error
        except _GONE:
            pass
        self._is_read = True
        return {"type": "http.disconnect"}

    async def _read(self) -> Message:
        event: Incoming | None = await self._connection.receive()
        parts: list[bytes] = []
        while isinstance(event, h11.Data):
            parts.append(bytes(event.data))
            event = self._connection.receive_nowait()
        self._is_read = isinstance(event, h11.EndOfMessage)
        return {"type": "http.request", "body": b"".join(parts), "more_body": not self._is_read}

    async def _send(self, message: Message) -> None:
        if message["type"] == RESET:
            self._connection.reset()
            return
        if message["type"] == "http.response.start":
            date = (b"date", formatdate(usegmt=True).encode())
            self._head = h11.Response(status_code=message["status"], headers=[*message["headers"], date])
            return
        events: list[h11.Event] = []
        if self._head is not None:
            events.append(self._head)
            self._head, self._has_begun = None, True
        if message.get("body") and self._has_body:
            events.append(h11.Data(data=message["body"]))
        if not message.get("more_body", False):
            events.append(h11.EndOfMessage())
        await self._connection.send(*events)
        self.is_complete = not message.get("more_body", False)

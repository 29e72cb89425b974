"""The router with faults: an ASGI application around another.

A connection is broken by returning without an answer, or by a word of our own to the `connection` below.
"""

import orjson
import trio
from attrs import define, field, frozen
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tinkex_actors.local.faults import Fault, FaultKind, FaultPlan
from tinkex_actors.local.http.connection import RESET
from tinkex_actors.local.http.routes import PREFIX

_PIECES = 10


@frozen(eq=False)
class Faulty:
    """Does to requests what the plan says; without faults it costs one look at an empty list."""

    app: ASGIApp
    plan: FaultPlan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        fault = self._decide(scope)
        if fault is None:
            await self.app(scope, receive, send)
            return
        match fault.kind:
            case FaultKind.DELAY:
                await trio.sleep(fault.seconds)
                await self.app(scope, receive, send)
            case FaultKind.STATUS:
                await _answer(send, fault.status, orjson.dumps({"detail": "a fault on demand"}))
            case FaultKind.DROP | FaultKind.STALL:
                with trio.move_on_after(fault.seconds if fault.kind is FaultKind.STALL else 0):
                    await _wait_for_leaving(receive)
            case FaultKind.RESET:
                await _read(
                    receive
                )  # a client that still writes would have its write fail, and find no reset when it reads
                await send({"type": RESET})
            case FaultKind.DUPLICATE:
                body = await _read(receive)
                await self.app(scope, _replay(body), _Recorder())
                await self.app(scope, _replay(body), send)
            case FaultKind.DROP_ANSWER | FaultKind.GARBAGE | FaultKind.SLOW_BODY:
                recorder = _Recorder()
                await self.app(scope, receive, recorder)
                await self._spoil(fault, recorder, send)

    async def _spoil(self, fault: Fault, recorded: "_Recorder", send: Send) -> None:
        if fault.kind is FaultKind.GARBAGE:
            await _answer(send, recorded.status, self.plan.noise(len(recorded.body) or 1), recorded.content_type)
        elif fault.kind is FaultKind.SLOW_BODY:
            await _answer(send, recorded.status, recorded.body, recorded.content_type, seconds=fault.seconds)

    def _decide(self, scope: Scope) -> Fault | None:
        if scope["type"] != "http" or not self.plan.faults:
            return None
        return self.plan.decide(scope["method"], str(scope["path"]).removeprefix(PREFIX))


@define(eq=False)
class _Recorder:
    """Keeps an answer instead of sending it."""

    status: int = 0
    content_type: bytes = b""
    body: bytes = field(default=b"")

    async def __call__(self, message: Message) -> None:
        """Take one message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.content_type = dict(message["headers"]).get(b"content-type", b"")
        else:
            self.body += message.get("body", b"")


async def _answer(send: Send, status: int, body: bytes, kind: bytes = b"application/json", seconds: float = 0) -> None:
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", kind)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    step = max(1, len(body) // _PIECES) if seconds else max(1, len(body))
    for start in range(0, len(body), step):
        await trio.sleep(seconds / _PIECES)
        await send({"type": "http.response.body", "body": body[start : start + step], "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_for_leaving(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive

"""Requests that are no HTTP at all: refused in the same form as every other.

They end in Hypercorn, which answers with an empty body and has no hook for another one; the official client takes an empty
400 for the work of a proxy and sends the request again. So the method that answers is replaced, for servers with a
`LocalConfig` only: whatever else runs on Hypercorn in this process is left as it is.
"""

from contextlib import suppress
from typing import Any

import h11
import orjson
import trio
from hypercorn.config import Config
from hypercorn.events import RawData
from hypercorn.protocol.h11 import H11Protocol

_DETAILS = {
    431: "the request line and headers are too long; send shorter ones",
    501: "only chunked transfer encoding is understood; send a Content-Length",
}
_OTHERWISE = "this is no HTTP/1.1 request; check its first line, its Host header and the form of the others"


class LocalConfig(Config):
    """The configuration of a server whose refusals all have a reason."""


class _ReasonedProtocol(H11Protocol):
    async def _send_error_response(self, status_code: int) -> None:
        if not isinstance(self.config, LocalConfig):
            await super()._send_error_response(status_code)
            return
        body = orjson.dumps({"detail": _DETAILS.get(status_code, _OTHERWISE)})
        headers = [("content-length", str(len(body))), ("content-type", "application/json"), ("connection", "close")]
        events = h11.Response(status_code=status_code, headers=headers), h11.Data(data=body), h11.EndOfMessage()
        answer = b"".join(self.connection.send(event) or b"" for event in events)
        # In one piece: when the client is gone, the first send closes the connection, and a second beside that close
        # would be an error that takes the whole listener down.
        with suppress(trio.BusyResourceError):
            await self.send(RawData(data=answer))


def answer_with_reasons() -> None:
    """Let Hypercorn make connections that give a reason. May be called again."""
    import hypercorn.protocol as protocols  # noqa: PLC0415 - the module whose name is set

    module: Any = protocols  # Any: the name is typed as the class that is replaced
    module.H11Protocol = _ReasonedProtocol

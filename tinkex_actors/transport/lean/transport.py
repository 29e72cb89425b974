"""The pool as httpx sees it: ``httpx.AsyncClient(transport=LeanTransport())``."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, cast

import httpx

from tinkex_actors.transport.lean.body import FramedBody
from tinkex_actors.transport.lean.connection import Connection
from tinkex_actors.transport.lean.dialing import Origin
from tinkex_actors.transport.lean.lane import Lane
from tinkex_actors.transport.lean.limits import Timeouts
from tinkex_actors.transport.lean.pool import Pool, open_pool
from tinkex_actors.transport.lean.request import LeanRequest, is_idempotent, render_head

LANE = "tinkex_lane"
"""The extension of a request that names its lane; without it, requests share one."""


class LeanTransport(httpx.AsyncBaseTransport):
    """Carries httpx's requests over a lean pool: HTTP/1.1, directly to the server, on trio.

    It has a task of its own, so it must be entered, which the client does when it is::

        async with httpx.AsyncClient(transport=LeanTransport()) as client: ...

    Args:
        pool: An open pool, which somebody else closes; without it, one of its own is opened when this is entered.
        options: Those of :func:`~tinkex_actors.transport.lean.pool.open_pool`, for a pool of its own.
    """

    def __init__(self, pool: Pool | None = None, **options: Any) -> None:
        self._pool = pool
        self._options = options
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the pool."""
        if self._pool is None:
            self._pool = await self._stack.enter_async_context(open_pool(**self._options))
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close it, with all its connections."""
        await self._stack.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request* and read the answer's head; its content is read as httpx asks for it.

        Raises:
            RuntimeError: The transport is not entered.
            httpx.TransportError: No answer.
        """
        if self._pool is None:
            raise RuntimeError("LeanTransport is not open; use `async with httpx.AsyncClient(transport=...) as client`")
        lane = self._pool.lane(_origin(request.url), request.extensions.get(LANE, ""))
        connection = await self._pool.begin(lane, _lean(request), _timeouts(request.extensions))
        reader = connection.reader
        return httpx.Response(
            reader.status,
            headers=reader.raw_headers,
            stream=_content(lane, connection),
            extensions={"http_version": f"HTTP/{reader.version}".encode(), "reason_phrase": reader.reason},
        )


class _Ready(httpx.AsyncByteStream):
    """Content that has come with the head."""

    def __init__(self, content: bytes) -> None:
        self._rest = [content] if content else []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._rest:
            raise StopAsyncIteration
        return self._rest.pop()


class _Arriving(httpx.AsyncByteStream):
    """Content that is still coming. Closing it before its end closes the connection."""

    def __init__(self, lane: Lane, connection: Connection) -> None:
        self._lane = lane
        self._connection = connection
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._is_over and (piece := await self._connection.read_some()):
            return piece
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give the connection back, or up."""
        if not self._is_over:
            self._is_over = True
            self._lane.put(self._connection)


def _content(lane: Lane, connection: Connection) -> httpx.AsyncByteStream:
    """Read what is left of a response; a connection that has brought all of it is free at once."""
    if not connection.reader.is_complete:
        connection.pause()
        return _Arriving(lane, connection)
    content = connection.reader.take()
    lane.put(connection)
    return _Ready(content)


def _origin(url: httpx.URL) -> Origin:
    return Origin.of(url.scheme, url.raw_host.decode("ascii"), url.port)


def _timeouts(extensions: Mapping[str, Any]) -> Timeouts:
    figures: Mapping[str, float | None] = extensions.get("timeout", {})
    return Timeouts(
        connect=figures.get("connect"), read=figures.get("read"), write=figures.get("write"), pool=figures.get("pool")
    )


def _lean(request: httpx.Request) -> LeanRequest:
    """Turn *request* into bytes.

    Raises:
        httpx.LocalProtocolError: It cannot be sent.
    """
    method = request.method
    if method == "CONNECT":
        raise httpx.UnsupportedProtocol("LeanTransport makes no tunnels; use httpx's own transport for proxies")
    head = render_head(method.encode("ascii"), request.url.raw_path, request.headers.raw)
    is_chunked, length = _framing(request.headers)
    stream = request.stream
    if isinstance(stream, httpx.ByteStream) and not is_chunked:
        content = b"".join(stream)
        if len(content) != length:
            raise httpx.LocalProtocolError(f"the request has {len(content)} bytes of content, its headers say {length}")
        body, framed = ((content,) if content else ()), None
    else:
        body, framed = (), FramedBody(cast("httpx.AsyncByteStream", stream), None if is_chunked else length)
    is_repeatable = is_idempotent(method) and framed is None
    return LeanRequest(head=head, body=body, stream=framed, is_head=method == "HEAD", is_repeatable=is_repeatable)


def _framing(headers: httpx.Headers) -> tuple[bool, int]:
    """Read how the content is framed: in chunks, or by its length.

    Raises:
        httpx.LocalProtocolError: In both ways, or in none that can be sent.
    """
    coding, length = headers.get("transfer-encoding"), headers.get("content-length", "0")
    is_good = coding is None or (coding.lower() == "chunked" and "content-length" not in headers)
    if not is_good or not (length.isascii() and length.isdigit()):
        raise httpx.LocalProtocolError("Content-Length must be one number, and alone, or Transfer-Encoding chunked")
    return coding is not None, int(length)

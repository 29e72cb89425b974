"""Content that is made while it is sent, framed for the wire."""

from collections.abc import AsyncIterable
from typing import Self

import httpx


class FramedBody:
    """A stream's pieces as chunks, or as they are when their total was announced.

    A class and not a generator: an upload that is given up leaves no generator half-way. The stream's own is closed.
    """

    def __init__(self, stream: AsyncIterable[bytes], length: int | None) -> None:
        """Frame *stream*; *length* is what the head says, ``None`` for chunks."""
        self._pieces = aiter(stream)
        self._left = length
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._is_over:
            raise StopAsyncIteration
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            return self._last()
        if self._left is None:
            return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
        self._left -= len(piece)
        if self._left < 0:
            raise httpx.LocalProtocolError("the request's content is longer than its Content-Length says")
        return piece

    def _last(self) -> bytes:
        self._is_over = True
        if self._left:
            raise httpx.LocalProtocolError("the request's content is shorter than its Content-Length says")
        return b"0\r\n\r\n" if self._left is None else b""

    async def aclose(self) -> None:
        """Close the stream's generator, if it is one. May be called again."""
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()

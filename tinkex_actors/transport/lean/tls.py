"""TLS by the standard library, between memory buffers and a plain wire.

A server that just closes, without TLS's own goodbye, may have been cut off by somebody in between: that is a lost
connection, never the end of a response.
"""

import ssl
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar, cast

import httpx
import trio

from tinkex_actors.transport.lean.limits import MAX_RECEIVE_BYTES
from tinkex_actors.transport.lean.wire import Piece, PlainWire

T = TypeVar("T")

HTTP_1 = "http/1.1"
"""What this pool speaks, as TLS calls it."""
_SLICE_BYTES = 262_144
"""How much is encrypted before it is handed to the kernel, and before other tasks may run."""


class TlsWire:
    """Encrypts what it sends through a plain wire, and decrypts what comes."""

    def __init__(self, below: PlainWire, context: ssl.SSLContext, hostname: str) -> None:
        """Own *below*; nothing can be sent before :meth:`shake_hands`."""
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)
        self._slices: Iterator[Piece] = iter(())
        self._next: Piece | None = None
        self._is_sending = False

    @property
    def sent_bytes(self) -> int:
        """How many bytes the kernel took, encrypted."""
        return self._below.sent_bytes

    async def shake_hands(self) -> None:
        """Agree with the server on keys.

        Raises:
            httpx.ConnectError: Its certificate is not good, or it is no TLS server, or it closes.
        """
        try:
            while not self._has_shaken():
                await self._pull()
            await self._flush()
            if self._tls.selected_alpn_protocol() not in {None, HTTP_1}:
                raise httpx.ConnectError(
                    "the TLS context offers other protocols than http/1.1, and the server took one"
                )
        except ssl.SSLError as error:
            raise httpx.ConnectError(f"no TLS with the server: {error}") from error
        except (httpx.ReadError, httpx.WriteError) as error:
            raise httpx.ConnectError("the server closed the connection during the TLS handshake") from error

    def start(self, pieces: Sequence[Piece], /) -> bool:
        """Encrypt and send the first slice."""
        is_short = len(pieces) == 1 and len(pieces[0]) <= _SLICE_BYTES
        self._slices = iter(pieces) if is_short else _slices(pieces)
        self._next = next(self._slices, None)
        self._is_sending = True
        is_taken = self._send_slice()
        self._is_sending = not is_taken or self._next is not None
        return not self._is_sending

    async def finish(self) -> None:
        """Send what is left of that slice, then the others."""
        await self._below.finish()
        while self._next is not None:
            await trio.lowlevel.checkpoint()
            if not self._send_slice():
                await self._below.finish()
        self._is_sending = False

    async def receive(self) -> bytes:
        """Wait for the next bytes."""
        while (data := self._attempt(partial(self._tls.read, MAX_RECEIVE_BYTES), b"")) is None:
            # What _pull does, without a frame of its own: every answer waits here.
            if self._outgoing.pending:
                await self._flush()
            self._feed(await self._below.receive())
        return data

    async def receive_into(self, view: memoryview, /) -> int:
        """Fill *view* as far as one record goes."""
        # With a buffer the answer is a count, and any writable buffer will do; typeshed knows neither.
        read_into = cast("Callable[[int, memoryview], int]", self._tls.read)
        while (count := self._attempt(lambda: read_into(len(view), view), 0)) is None:
            await self._pull()
        return count

    def is_quiet(self) -> bool:
        """Whether no content has come, and no end. Session tickets, which are neither, are taken on the way."""
        if self._below.is_quiet():
            return not self._tls.pending() and not self._incoming.pending
        self._feed(self._below.receive_now() or b"")
        try:
            return self._attempt(lambda: self._tls.read(1), b"") is None
        except httpx.ReadError:
            return False

    def close(self) -> None:
        """Close the socket; a goodbye would have to wait for room in it."""
        self._below.close()

    def _has_shaken(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def _send_slice(self) -> bool:
        piece, self._next = self._next, next(self._slices, None)
        if piece is not None:
            try:
                self._tls.write(piece)
            except ssl.SSLError as error:
                raise httpx.WriteError(f"TLS failed: {error.reason}") from error
        return self._below.start([self._outgoing.read()])

    def _attempt(self, read: Callable[[], T], end: T) -> T | None:
        """Read what is there; ``None`` if that is nothing yet."""
        # An attempt that finds nothing raises, and costs as much as decrypting an answer.
        incoming = self._incoming
        if not (incoming.pending or self._tls.pending() or incoming.eof):
            return None
        try:
            return read()
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return end
        except ssl.SSLError as error:
            raise httpx.ReadError(f"TLS failed: {error.reason or 'the connection was cut'}") from error

    async def _pull(self) -> None:
        """Get more to decrypt, after saying what TLS itself has to say."""
        await self._flush()
        self._feed(await self._below.receive())

    async def _flush(self) -> None:
        # A sender in another task takes along what is left here.
        if self._outgoing.pending and not self._is_sending and not self._below.start([self._outgoing.read()]):
            await self._below.finish()

    def _feed(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


def _slices(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Put small pieces together and cut large ones, so that records are full."""
    gathered = bytearray()
    for piece in pieces:
        view = memoryview(piece)
        while len(gathered) + len(view) >= _SLICE_BYTES:
            room = _SLICE_BYTES - len(gathered)
            gathered += view[:room]
            yield gathered
            gathered, view = bytearray(), view[room:]
        gathered += view
    if gathered:
        yield gathered

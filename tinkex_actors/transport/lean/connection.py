"""One connection: one exchange after another, and closed at the first doubt.

Whatever interrupts an exchange (a failure, a deadline, the caller's cancelling) closes the connection, so a connection that
goes back to its lane has read exactly one whole response and nothing else. A server that answers before it has taken the
whole request is heard at once; the rest of the request is then not sent, and the connection is not used again.
"""

from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from io import BytesIO

import httpx
import trio

from tinkex_actors.transport.lean.beside import beside
from tinkex_actors.transport.lean.body import FramedBody
from tinkex_actors.transport.lean.deadlines import Deadline, Sweeper
from tinkex_actors.transport.lean.limits import Limits, Timeouts
from tinkex_actors.transport.lean.reader import ResponseReader
from tinkex_actors.transport.lean.request import LeanRequest
from tinkex_actors.transport.lean.wire import Wire

_DIRECT_BYTES = 65_536
"""From how many missing bytes on content is received where it will stay, past the parser."""
_BREATH_BYTES = 1 << 20
"""Bytes after which other tasks may run."""


class Connection:
    """A wire and the exchange on it. Made by a lane."""

    def __init__(
        self, wire: Wire, deadline: Deadline, sweeper: Sweeper, limits: Limits, on_close: Callable[["Connection"], None]
    ) -> None:
        """Own *wire*; *on_close* is called once."""
        self._wire = wire
        self._on_close = on_close
        self._sweeper = sweeper
        self._limits = limits
        self.deadline = deadline
        self.reader = ResponseReader(limits)
        self.is_reused = False
        """Whether the exchange on it is not its first."""
        self._is_used = False
        self.is_closed = False
        self._is_wholly_sent = True
        self._sent_before = 0
        self._read_timeout: float | None = None
        sweeper.add(self)

    @property
    def is_reusable(self) -> bool:
        """Whether another exchange may follow."""
        return not self.is_closed and self.reader.is_complete and self.reader.is_reusable and self._is_wholly_sent

    def is_fresh(self) -> bool:
        """Whether an idle connection still is one: nothing came, not even the end."""
        return not self.is_closed and self._wire.is_quiet()

    def is_untouched(self) -> bool:
        """Whether the kernel took no byte of the request."""
        return self._wire.sent_bytes == self._sent_before

    async def ask(self, request: LeanRequest, timeouts: Timeouts) -> None:
        """Send *request* and read the answer's head into :attr:`reader`; closed if that fails.

        Raises:
            httpx.TransportError: There is no answer, or it cannot be read.
        """
        reader, wire = self.reader, self._wire
        reader.begin(is_head=request.is_head)
        self.is_reused = self._is_used
        self._is_used = True
        self._is_wholly_sent = False
        self._read_timeout = timeouts.read
        self._sent_before = wire.sent_bytes
        try:
            try:
                if wire.start(request.pieces()) and request.stream is None:
                    self._is_wholly_sent = True
                else:
                    await self._upload(request.stream, timeouts)
            except httpx.WriteError as failure:
                await self._hear_last_words(failure)
            self.deadline.arm(self._read_timeout, httpx.ReadTimeout)
            while not reader.status:
                self._take(await wire.receive())
        except BaseException:
            self.close()
            raise

    def pause(self) -> None:
        """Nobody waits for the server until something is read again."""
        self.deadline.arm(None, None)

    async def read_some(self) -> bytes:
        """Read the next content; nothing at its end. Closed if that fails.

        Between two calls the server may be silent as long as it likes.

        Raises:
            httpx.TransportError: The content ends too early, or cannot be read.
        """
        reader = self.reader
        self.deadline.arm(self._read_timeout, httpx.ReadTimeout)
        try:
            while not reader.pieces and not reader.is_complete:
                self._take(await self._wire.receive())
        except BaseException:
            self.close()
            raise
        self.pause()
        return reader.take()

    async def read_on(self) -> None:
        """Read the content to its end; :attr:`reader` has it then. Closed if that fails.

        Raises:
            httpx.TransportError: It ends too early, cannot be read, or is larger than the limit.
        """
        try:
            await self._read_on(self.reader)
        except BaseException:
            self.close()
            raise

    def rest(self, until: float) -> None:
        """Wait for the next exchange, at most *until* then."""
        self.deadline.arm(until, None)

    def expire(self) -> None:
        """The deadline has come."""
        self.deadline.has_struck = True
        self.close()

    def close(self) -> None:
        """Close, waking whoever waits here. May be called again."""
        if not self.is_closed:
            self.is_closed = True
            self._sweeper.remove(self)
            self._wire.close()
            self._on_close(self)

    async def _upload(self, stream: FramedBody | None, timeouts: Timeouts) -> None:
        """Send what the kernel did not take at once, and what comes after it, with an ear on the server."""
        self.deadline.arm(timeouts.write, httpx.WriteTimeout)
        upload = trio.CancelScope()
        faults: list[httpx.TransportError] = []
        async with beside(partial(self._listen, upload, faults)):
            with upload:
                await self._wire.finish()
                if stream is not None:
                    await self._send_stream(stream, timeouts)
                self._is_wholly_sent = True
        if faults:
            raise faults[0]

    async def _send_stream(self, stream: FramedBody, timeouts: Timeouts) -> None:
        async with aclosing(stream):
            async for piece in stream:
                self.deadline.arm(timeouts.write, httpx.WriteTimeout)
                if piece and not self._wire.start((piece,)):
                    await self._wire.finish()
                self.pause()  # the next piece may take its maker as long as it likes

    async def _listen(self, upload: trio.CancelScope, faults: list[httpx.TransportError]) -> None:
        """End the upload when the server answers before it is over; interim answers are none."""
        try:
            while not self.reader.status:
                self._take(await self._wire.receive())
        except httpx.TransportError as fault:
            faults.append(fault)
        upload.cancel()

    async def _hear_last_words(self, failure: httpx.WriteError) -> None:
        """A server that refuses a request may answer and hang up while it is being sent: the answer counts."""
        if self.is_untouched():
            raise failure
        self.deadline.arm(self._read_timeout, httpx.ReadTimeout)
        try:
            while not self.reader.status:
                self._take(await self._wire.receive())
        except httpx.TransportError:
            raise failure from None

    def _take(self, data: bytes) -> None:
        if not data:
            self.reader.feed_eof()
            return
        self.reader.feed(data)
        if not self.reader.is_complete:
            self.deadline.refresh()

    async def _read_on(self, reader: ResponseReader) -> None:
        limit, length = self._limits.whole_body_bytes, reader.length
        if length is not None and length - reader.received_bytes >= _DIRECT_BYTES:
            if length > limit:
                raise httpx.RemoteProtocolError(f"the content is to have {length} bytes, more than {limit}")
            await self._read_directly(reader, length)
            return
        while not reader.is_complete:
            self._take(await self._wire.receive())
            if reader.received_bytes > limit:
                raise httpx.RemoteProtocolError(f"the content has more than {limit} bytes")

    async def _read_directly(self, reader: ResponseReader, length: int) -> None:
        """Receive the rest of a long content where it will stay."""
        # A BytesIO gives its buffer away as bytes: nothing is copied, and nothing is cleared before it is filled.
        room = BytesIO(bytes(length))
        with room.getbuffer() as content:
            beginning = reader.take()
            filled = breath = len(beginning)
            content[:filled] = beginning
            while filled < length:
                with content[filled:] as rest:
                    count = await self._wire.receive_into(rest)
                if not count:
                    reader.feed_eof()
                filled += count
                self.deadline.refresh()
                if filled - breath >= _BREATH_BYTES:
                    breath = filled
                    await trio.lowlevel.checkpoint()
        reader.complete_with(room.getvalue())

"""Bytes through one non-blocking socket, without a layer between it and the kernel.

A socket is written at once and only then waited for, since it nearly always has room; it is waited for before it is read,
since an answer never is there yet. Whoever closes a wire wakes the task that waits on it. One task sends and one receives
at a time, and they may be two.
"""

import select
import socket
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import Protocol

import httpx
import trio

from tinkex_actors.transport.lean.deadlines import Deadline
from tinkex_actors.transport.lean.limits import MAX_RECEIVE_BYTES

Piece = bytes | bytearray | memoryview

_MAX_PIECES = 512
"""Pieces for one call of the kernel, which takes 1,024 at most."""
_MAX_AT_ONCE = 1 << 21
"""Bytes after which other tasks may run."""


class Wire(Protocol):
    """Bytes both ways."""

    @property
    def sent_bytes(self) -> int:
        """How many bytes the kernel ever took."""
        ...

    def start(self, pieces: Sequence[Piece], /) -> bool:
        """Send what can be sent without waiting, and say whether that was all.

        Raises:
            httpx.WriteError: The connection is gone.
        """
        ...

    async def finish(self) -> None:
        """Send what :meth:`start` has left over.

        Raises:
            httpx.WriteError: The connection is gone.
            httpx.TimeoutException: The deadline came first.
        """
        ...

    async def receive(self) -> bytes:
        """Wait for the next bytes; nothing at the end. Cancelling loses none.

        Raises:
            httpx.ReadError: The connection is gone.
            httpx.TimeoutException: The deadline came first.
        """
        ...

    async def receive_into(self, view: memoryview, /) -> int:
        """Wait for bytes, put as many as there are and fit into *view*, and return how many; 0 at the end.

        Raises:
            httpx.ReadError: The connection is gone.
            httpx.TimeoutException: The deadline came first.
        """
        ...

    def is_quiet(self) -> bool:
        """Whether nothing has come, not even the end. Only for a wire on which nobody waits."""
        ...

    def close(self) -> None:
        """Close the socket, waking whoever waits on it. May be called again."""
        ...


class PlainWire:
    """A TCP socket."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        """Own *sock*, which must be non-blocking, connected, and free of other owners."""
        self._sock = sock
        self._deadline = deadline
        self._events = _events_of(sock)
        self._rest: Sequence[Piece] = ()
        self.sent_bytes = 0

    def start(self, pieces: Sequence[Piece], /) -> bool:
        """Send as much as the kernel takes, in as few calls as it allows."""
        self._rest = pieces
        try:
            self._send_on()
        except OSError as error:
            raise lost(self._deadline, httpx.WriteError) from error
        return not self._rest

    async def finish(self) -> None:
        """Send the rest, waiting for room."""
        try:
            while self._rest:
                await trio.lowlevel.wait_writable(self._sock)
                self._deadline.refresh()
                self._send_on()
        except (OSError, trio.ClosedResourceError) as error:
            raise lost(self._deadline, httpx.WriteError) from error

    async def receive(self) -> bytes:
        """Wait for the next bytes."""
        try:
            while True:
                await trio.lowlevel.wait_readable(self._sock)
                try:
                    return self._sock.recv(MAX_RECEIVE_BYTES)
                except BlockingIOError:  # woken for nothing
                    continue
        except (OSError, trio.ClosedResourceError) as error:
            raise lost(self._deadline, httpx.ReadError) from error

    async def receive_into(self, view: memoryview, /) -> int:
        """Fill *view* as far as bytes are there; they often are."""
        try:
            while True:
                try:
                    return self._sock.recv_into(view)
                except BlockingIOError:
                    await trio.lowlevel.wait_readable(self._sock)
        except (OSError, trio.ClosedResourceError) as error:
            raise lost(self._deadline, httpx.ReadError) from error

    def is_quiet(self) -> bool:
        """Ask the kernel; a read that finds nothing would raise, for three times the price."""
        return not self._events()

    def receive_now(self) -> bytes | None:
        """Take what has come, if anything has; an end and a loss are both nothing."""
        try:
            return self._sock.recv(MAX_RECEIVE_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def close(self) -> None:
        """Close the socket."""
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()

    def _send_on(self) -> None:
        """Send while the kernel takes something and nobody else has to wait for long."""
        pieces, before = self._rest, self.sent_bytes
        try:
            while pieces and self.sent_bytes - before < _MAX_AT_ONCE:
                batch = pieces[:_MAX_PIECES]
                taken = self._sock.sendmsg(batch) if len(batch) > 1 else self._sock.send(batch[0])
                self.sent_bytes += taken
                # One piece, taken whole: so it is with nearly every request.
                is_all = len(pieces) == 1 and taken == len(pieces[0])
                self._rest = pieces = () if is_all else _beyond(pieces, len(batch), taken)
        except BlockingIOError:
            return


def lost(deadline: Deadline, kind: type[httpx.NetworkError]) -> httpx.TransportError:
    """Say why a socket is no more: nothing moved in time, or it broke."""
    if deadline.has_struck and deadline.fault is not None:
        return deadline.fault("no byte moved in time")
    return kind("the connection is gone")


def _events_of(sock: socket.socket) -> Callable[[], Sequence[object]]:
    """Make what says whether there is something to read from *sock*, be it the end."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([sock], [], [], 0)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return partial(poll.poll, 0)


def _beyond(pieces: Sequence[Piece], tried: int, taken: int) -> Sequence[Piece]:
    """Drop the first *taken* bytes, all of them in the first *tried* pieces, and empty pieces with them."""
    ends = list(accumulate(map(len, pieces[:tried])))
    whole = bisect_right(ends, taken)
    if whole == len(ends):
        return pieces[tried:]
    begun = taken - (ends[whole - 1] if whole else 0)
    return [memoryview(pieces[whole])[begun:], *pieces[whole + 1 :]]

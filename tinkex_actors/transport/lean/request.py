"""A request as the pool takes it: bytes, and what decides whether it may be sent twice."""

import re
from collections.abc import Iterable, Sequence

import httpx
from attrs import field, frozen

from tinkex_actors.transport.lean.body import FramedBody
from tinkex_actors.transport.lean.wire import Piece

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
_JOIN_BELOW_BYTES = 65_536
"""One call with one joined piece is cheaper than one with two, as long as little is copied."""

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
_TARGET = re.compile(rb"[\x21-\x7e\x80-\xff]+")


@frozen(eq=False, kw_only=True)
class LeanRequest:
    """One request, ready to be sent."""

    head: bytes = field(repr=False)
    """Request line, headers, and the empty line behind them. Holds the key: never shown."""
    body: Sequence[Piece] = field(default=(), repr=lambda body: f"<{len(body)} pieces>")
    """Whole content in pieces, as the head's framing says."""
    stream: FramedBody | None = None
    """Content that is made while it is sent, framed as the head says; after ``body``. Such a request goes out once."""
    is_head: bool = False
    """Whether it is a HEAD, whose answer has no content."""
    is_repeatable: bool = False
    """Whether the server may get it twice: its method says so, or it carries a key by which a repeat is known."""

    def pieces(self) -> Sequence[Piece]:
        """All of it, for a wire."""
        if not self.body:
            return (self.head,)
        if sum(map(len, self.body)) + len(self.head) < _JOIN_BELOW_BYTES:
            return (b"".join((self.head, *self.body)),)
        return (self.head, *self.body)


def is_idempotent(method: str) -> bool:
    """Whether doing *method* twice is doing it once."""
    return method in _IDEMPOTENT


def render_head(method: bytes, target: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write a request line and headers, with the empty line behind them.

    Raises:
        httpx.LocalProtocolError: Something in them would make another request of it. The message says which field, and
            never its value.
    """
    if not _TOKEN.fullmatch(method) or not _TARGET.fullmatch(target):
        raise httpx.LocalProtocolError("the request's method or target holds characters that cannot be sent")
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, render_fields(fields))


def render_fields(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write headers, each with its line end.

    Raises:
        httpx.LocalProtocolError: A name or a value cannot be sent. The message never shows the value.
    """
    lines = bytearray()
    for name, value in fields:
        if not _TOKEN.fullmatch(name):
            raise httpx.LocalProtocolError("a header's name holds characters that cannot be sent")
        if not _VALUE.fullmatch(value):
            raise httpx.LocalProtocolError(
                f"the value of the header {name.decode()} holds characters that cannot be sent"
            )
        lines += b"%b: %b\r\n" % (name, value)
    return bytes(lines)

"""Server-sent events: bytes in any pieces to events, and the tokens that a stream of samples is made of.

The format is that of the HTML standard: lines end with LF, CR or both; a blank line ends an event; lines that begin with a
colon are comments; several ``data`` lines are one text. The result does not depend on where the pieces are cut.
"""

import re
from typing import Any

from attrs import define, field, frozen

from tinkex_actors.types import ResponseInvalid, StopReason
from tinkex_actors.wire._json_rules import as_dict
from tinkex_actors.wire._mismatch import Mismatch, show
from tinkex_actors.wire.json_codec import parse

_OPERATION = "stream_sample"
_LONGEST_EVENT = 1_000_000
_LINE_END = re.compile(rb"\r\n|\n|\r")
_TOO_MANY = 2**31
"""Tokens and sequences are numbered below it."""


@frozen
class ServerSentEvent:
    """One event."""

    data: str
    event: str = "message"
    id: str = ""


@define
class EventDecoder:
    """Takes bytes as they come, and gives the events that are complete.

    Raises:
        ResponseInvalid: An event is longer than a million bytes, or no UTF-8.
    """

    _rest: bytes = b""
    """What is left of the last line."""
    _data: list[str] = field(factory=list[str])
    _event: str = ""
    _id: str = ""
    _size: int = 0

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """Return the events that *piece* completes, in order."""
        text, begin = self._rest + piece, 0
        events: list[ServerSentEvent] = []
        for line_end in _LINE_END.finditer(text):
            # A CR at the end may be the first half of a CRLF.
            if line_end[0] == b"\r" and line_end.end() == len(text):
                break
            event = self._read(text[begin : line_end.start()])
            begin = line_end.end()
            if event is not None:
                events.append(event)
            if self._size > _LONGEST_EVENT:
                break
        self._rest = text[begin:]
        if len(self._rest) + self._size > _LONGEST_EVENT:
            raise _invalid("an event of at most a million bytes", "a longer one")
        return events

    def _read(self, line: bytes) -> ServerSentEvent | None:
        if not line:
            return self._finish()
        try:
            name, _, value = line.removeprefix(b"\xef\xbb\xbf").decode().partition(":")
        except UnicodeDecodeError:
            raise _invalid("UTF-8", show(bytes(line))) from None
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
                self._size += len(line)
            case "event":
                self._event = value
            case "id":
                self._id = value
            case _:
                pass  # a comment, or a field that is for browsers
        return None

    def _finish(self) -> ServerSentEvent | None:
        data, event = self._data, self._event
        self._data, self._event, self._size = [], "", 0
        return ServerSentEvent("\n".join(data), event or "message", self._id) if data else None


@frozen
class SampledToken:
    """One token of one sequence, as it was drawn."""

    index: int
    """Which sequence."""
    token: int
    logprob: float | None = None
    """In nats; ``None`` when the server sent none."""
    stop_reason: StopReason | None = None
    """Why the sequence ends; ``None`` until its last token."""


def decode_sample_event(event: ServerSentEvent) -> SampledToken | None:
    """Read one event of a stream of samples; ``None`` at its end.

    Raises:
        ResponseInvalid: It is neither a token nor the end.
    """
    try:
        return _read_token(as_dict(parse(event.data.encode())))
    except Mismatch as mismatch:
        raise _invalid(mismatch.expected, mismatch.got, mismatch.path) from mismatch


def _read_token(body: dict[str, Any]) -> SampledToken | None:
    match body:
        case {"kind": "done"}:
            return None
        case {"kind": "token", "index": index, "token_id": token} if _is_count(index) and _is_count(token):
            reason = body.get("finish_reason")
            if reason is not None and (not isinstance(reason, str) or reason not in set(StopReason)):
                raise Mismatch("finish_reason", "stop or length", show(reason))
            return SampledToken(
                index, token, _read_logprob(body.get("logprob")), None if reason is None else StopReason(reason)
            )
        case _:
            raise Mismatch("", "a token or the end", show(body))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _TOO_MANY


def _read_logprob(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in {int, float}:
        raise Mismatch("logprob", "a number", show(value))
    return float(value)


def _invalid(expected: str, got: str, path: str = "$") -> ResponseInvalid:
    return ResponseInvalid(path=path or "$", expected=expected, got=got, operation=_OPERATION)

"""The one way decoders say no, and how it becomes the error of the side that reads.

Decoders raise `Mismatch`; the public functions turn it into `ResponseInvalid` where a client reads an answer and into
`RequestInvalid` where a server reads a request.
"""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import DecodeError

from tinkex_actors.types import RequestId, RequestInvalid, ResponseInvalid

T = TypeVar("T")

_SHOWN = 60


class Mismatch(ValueError):
    """Something is not what the protocol has there."""

    def __init__(self, path: str, expected: str, got: str) -> None:
        super().__init__(f"{path or '$'}: expected {expected}, got {got}")
        self.path = path
        self.expected = expected
        self.got = got

    def under(self, parent: str) -> "Mismatch":
        """Return the same complaint, seen from one level up."""
        separator = "" if not self.path or self.path.startswith("[") else "."
        return Mismatch(f"{parent}{separator}{self.path}", self.expected, self.got)


def show(value: object) -> str:
    """Draw a value for a message: its JSON kind and its beginning."""
    drawn = repr(value)
    return drawn if len(drawn) <= _SHOWN else f"{drawn[:_SHOWN]}…"


def read_answer(
    read: Callable[[bytes], T], body: bytes, *, operation: str | None = None, request_id: RequestId | None = None
) -> T:
    """Run a decoder on what a server said.

    Raises:
        ResponseInvalid: Whatever is wrong with it.
    """
    try:
        return read(body)
    except (ValueError, TypeError, DecodeError, RecursionError) as error:
        found = _explain(error, body)
        raise ResponseInvalid(
            path=found.path or "$", expected=found.expected, got=found.got, operation=operation, request_id=request_id
        ) from error


def read_request(read: Callable[[bytes], T], body: bytes, *, operation: str | None = None) -> T:
    """Run a decoder on what a client asked.

    Raises:
        RequestInvalid: Whatever is wrong with it.
    """
    try:
        return read(body)
    except (ValueError, TypeError, DecodeError, RecursionError) as error:
        found = _explain(error, body)
        raise RequestInvalid(
            path=found.path or "$", expected=found.expected, got=found.got, operation=operation
        ) from error


def _explain(error: Exception, body: bytes) -> Mismatch:
    if isinstance(error, Mismatch):
        return error
    if isinstance(error, DecodeError):
        return Mismatch("$", "a protobuf message", f"{len(body)} bytes that are none")
    return Mismatch("$", "a body that obeys the protocol", str(error))

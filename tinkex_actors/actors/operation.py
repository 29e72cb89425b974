"""One operation that the server does later: how to submit it under a number, and how to read its result."""

from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import frozen

from tinkex_actors.transport.seam import Answer, Route
from tinkex_actors.types.futures import NotYet

R = TypeVar("R")


@frozen
class Value(Generic[R]):
    """A result, told apart from every failure and from "not yet"."""

    value: R


@frozen(eq=False, kw_only=True)
class Operation(Generic[R]):
    """What to send and what will come back; plain data, sent again as it is after a crash."""

    name: str
    """The protocol's name; it appears in errors and logs."""
    request_type: str
    """What ``X-Tinker-Request-Type`` calls it while its result is asked for."""
    route: Route
    """Where it is submitted."""
    encode: Callable[[int], bytes]
    """Makes the request's body for a number. Always the same bytes for the same number."""
    read: Callable[[Answer], Value[R] | NotYet]
    """Reads a successful answer to a poll; raises ``ResponseInvalid`` for another shape."""
    accept: str
    """The media type its result has."""
    weight_bytes: int = 0
    """The estimate that budgets count."""

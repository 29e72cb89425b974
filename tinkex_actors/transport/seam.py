"""The seam: ``Transport.send(route, body) -> answer``, and the nouns on both sides of it.

A transport carries bytes. It raises :class:`~tinkex_actors.types.errors.APIConnectionError` when no answer came, and hands
over every answer that did, whatever its status: what a status means depends on who asked. Layers are transports around a
transport, each with one concern and none knowing its neighbours; :func:`~tinkex_actors.transport.stack.open_transport`
puts them in order. A layer that has nothing to do with a request hands on what the layer below gives, without a frame of
its own: a sample passes all layers twice, and a thousand of them stand there at once.
"""

from collections.abc import Coroutine, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Literal, Protocol, Self, TypeAlias

import orjson
from attrs import field, frozen

from tinkex_actors.transport.standing import Standing
from tinkex_actors.wire import BodyParts

Method = Literal["GET", "POST", "PUT", "DELETE"]
TimeoutFigure = Literal["request_timeout", "retrieve_timeout", "control_timeout", "telemetry_timeout"]

Content = bytes | BodyParts

JSON = "application/json"
PROTOBUF = "application/x-protobuf"

NOTHING: Mapping[str, str] = MappingProxyType({})
"""No headers, or no values: one for all requests."""

_FIRST_SUCCESS_STATUS = 200
_FIRST_REDIRECT_STATUS = 300


class Lane(Enum):
    """Traffic that shares limits. One lane never waits for another."""

    CONTROL = "control"
    SUBMIT = "submit"
    SAMPLE = "sample"
    RETRIEVE = "retrieve"
    TELEMETRY = "telemetry"

    # Members are equal only to themselves. Enum's own hash is a call in Python, and every layer asks for it.
    __hash__ = object.__hash__


class Persistence(Enum):
    """How hard a request is tried before its failure is the caller's business."""

    ONCE = "once"
    """Never sent again here: the caller has a loop of its own."""
    RETRIES = "retries"
    """Sent again ``max_retries`` times."""
    PATIENCE = "patience"
    """Sent again ``max_retries`` times, and beyond that until ``retry_patience`` has passed."""


@frozen(kw_only=True)
class Route:
    """What the layers know of an endpoint."""

    name: str
    """The protocol's name of the operation; it appears in errors and logs."""
    path: str
    """Below the base URL, beginning with a slash; ``{names}`` are filled from ``Body.path_values``."""
    method: Method = "POST"
    lane: Lane = Lane.CONTROL
    persistence: Persistence = Persistence.RETRIES
    timeout: TimeoutFigure = "request_timeout"
    content_type: str = JSON
    content_encoding: str = ""
    """``zstd`` where the content is to be compressed."""
    accept: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    """What every request to it says besides."""
    is_streamed: bool = False
    """Whether a success is handed over as soon as it begins, as ``Answer.stream``."""
    follows_redirect: bool = False
    """Whether an answer that lies elsewhere is fetched from there, once and without any header of ours: signed links."""
    is_vital: bool = False
    """Whether it is sent even to a server that has stopped answering."""
    is_conflict_final: bool = False
    """Whether a 409 is an answer; elsewhere it may pass with time."""


@frozen(kw_only=True)
class Body:
    """One request's content and what belongs to this request alone."""

    content: Content = b""
    """In one piece, or in pieces that a socket sends without joining them."""
    weight_bytes: int = 0
    """The estimate that budgets count; not the length of ``content``."""
    idempotency_key: str = ""
    """The same for every attempt at one logical request, also after a crash."""
    headers: Mapping[str, str] = NOTHING
    path_values: Mapping[str, str] = NOTHING
    query: Mapping[str, str] = NOTHING
    """What follows the ``?``, not yet encoded."""
    attempt: int = 0
    """How often this request was sent before."""
    standing: Standing = field(factory=Standing, eq=False, repr=False)
    """Where the layers say what holds it up; the same for every attempt."""

    def with_headers(self, more: Mapping[str, str]) -> "Body":
        """The same with more headers. Written out: `evolve` costs several times as much, and this is on every request."""
        return Body(
            content=self.content,
            weight_bytes=self.weight_bytes,
            idempotency_key=self.idempotency_key,
            headers={**self.headers, **more},
            path_values=self.path_values,
            query=self.query,
            attempt=self.attempt,
            standing=self.standing,
        )


class AnswerStream(Protocol):
    """The content of an answer that is still on its way: ``async for block in stream``, once, then ``aclose``."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> bytes:
        """Return the next piece of the content.

        Raises:
            APITimeoutError: The server has been silent for too long.
            APIConnectionError: The connection was lost before the end.
        """
        ...

    async def aclose(self) -> None:
        """Give up what has not come; may be called twice."""
        ...


@frozen(kw_only=True)
class Answer:
    """What the server said, whatever its status."""

    status: int
    headers: Mapping[str, str] = NOTHING
    """Names in lower case."""
    content: bytes = b""
    attempts: int = 1
    """How many requests it took."""
    is_after_doubt: bool = False
    """Whether one of those before may have been carried out although nobody said so."""
    stream: AnswerStream | None = None
    """The content instead of ``content``, where the route is streamed; whoever takes the answer closes it."""

    @property
    def is_success(self) -> bool:
        """Whether the status is one of the 2xx."""
        return _FIRST_SUCCESS_STATUS <= self.status < _FIRST_REDIRECT_STATUS

    @property
    def is_protobuf(self) -> bool:
        """Whether the content says it is protobuf."""
        return PROTOBUF in self.headers.get("content-type", "")

    def json(self) -> object:
        """Parse the content; text that is not JSON comes back as text, and nothing as ``None``."""
        if not self.content:
            return None
        try:
            # orjson declares Any; callers look at the shape before they use it.
            parsed: object = orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return self.content.decode("utf-8", errors="replace")
        return parsed


Sending: TypeAlias = Coroutine[Any, Any, Answer]
"""A request on its way: what ``send`` gives, to be awaited."""


class Transport(Protocol):
    """Carries requests to one server."""

    def send(self, route: Route, body: Body, /) -> Sending:
        """Send *body* to *route* and wait for its answer.

        Cancelling gives the request up; the server may have received it or not.

        Raises:
            APITimeoutError: No answer in time.
            APIConnectionError: No answer.
        """
        ...

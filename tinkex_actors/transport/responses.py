"""What a server said, as it said it: status, headers and content, for whoever needs more than a method returns.

One mechanism for every method: whatever is asked for within a block of :func:`record_responses` is recorded, in the order
of the answers, and so are the answers that come after the block has ended. Nothing is kept otherwise, and a request that is
not recorded pays one look at a context variable.
"""

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import orjson
from attrs import define, frozen


@frozen(kw_only=True, repr=False)
class RawResponse:
    """One answer."""

    operation: str
    """The protocol's name of what was asked, such as ``"forward_backward"`` or ``"retrieve_future"``."""
    method: str
    """The HTTP method."""
    path: str
    """Below the base URL."""
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    content: bytes
    """Decoded, where it came compressed; empty for a stream, which whoever asked is reading."""
    attempts: int
    """How many requests it took."""
    seconds: float
    """From the first of them to this answer, waits between them included."""

    def json(self) -> object:
        """Parse the content.

        Raises:
            ValueError: It is no JSON.
        """
        # orjson declares Any.
        parsed: object = orjson.loads(self.content)
        return parsed

    def __repr__(self) -> str:
        """Name it, without what may be somebody's data or secret."""
        return f"<RawResponse {self.operation} {self.status}, {len(self.content)} bytes>"


@define(eq=False)
class Responses:
    """The answers so far: iterate, index, or take the `last`."""

    _kept: deque[RawResponse]
    _is_open: bool = True

    @property
    def last(self) -> RawResponse:
        """The latest answer.

        Raises:
            LookupError: Nothing was answered yet.
        """
        if not self._kept:
            raise LookupError("no answer was recorded yet; await what was asked for first")
        return self._kept[-1]

    def of(self, operation: str) -> list[RawResponse]:
        """List the answers to *operation*, the protocol's name."""
        return [one for one in self._kept if one.operation == operation]

    def note(self, response: RawResponse) -> None:
        """Keep one more; the oldest goes when there are too many."""
        self._kept.append(response)

    def __iter__(self) -> Iterator[RawResponse]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, index: int) -> RawResponse:
        return self._kept[index]


_current: ContextVar[Responses | None] = ContextVar("tinkex_actors_responses", default=None)


def current_responses() -> Responses | None:
    """Find where what is asked for now is recorded; ``None`` for nowhere."""
    found = _current.get()
    return found if found is not None and found._is_open else None  # noqa: SLF001 - one module's two halves


@contextmanager
def record_responses(*, limit: int = 100) -> Generator[Responses, None, None]:
    """Record the raw answers to everything that is asked for within the block, by any method of any client.

    ::

        with record_responses() as responses:
            answer = await sampler.sample(prompt)
        print(responses.last.status, responses.last.headers.get("x-request-id"))

    What is asked for within the block and answered after it is recorded too. Tasks started within the block take part. Of
    blocks within blocks the innermost records. The exchange of a credential is never recorded.

    Args:
        limit: How many are kept; the oldest go first. Contents are kept as they came: a training batch's may be megabytes.

    Raises:
        ValueError: *limit* is below 1.
    """
    if limit < 1:
        raise ValueError(f"limit must be >= 1, got {limit}")
    responses = Responses(deque(maxlen=limit))
    token = _current.set(responses)
    try:
        yield responses
    finally:
        _current.reset(token)
        responses._is_open = False  # noqa: SLF001 - one module's two halves

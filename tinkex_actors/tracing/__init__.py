"""Where the time of a call went: one trace from the user's call, through the turns of actors, to every HTTP request.

::

    tinkex.forward_backward            from the call until its result is there
    ├─ Trainer.submit                  an actor's turn; a second one if the actor crashed meanwhile
    │  ├─ POST /api/v1/forward_backward    each attempt
    │  └─ POST /api/v1/forward_backward
    └─ Poller.retrieve
       └─ POST /api/v1/retrieve_future

This is the seam, which knows no library: `tinkex_actors.tracing.otel` fills it with OpenTelemetry
(``tinkex-actors[opentelemetry]``). Without a `Tracing` nothing is imported and nothing is begun.

A span is told names, numbers and states. It is never told what a request or an answer holds, nor an error's words, which
may quote a user's data: of errors, the class.
"""

from collections.abc import Mapping
from typing import Protocol

Attributes = Mapping[str, str | int | float | bool]


class Span(Protocol):
    """A piece of work that has begun. All of it may be used from the client's own loop alone."""

    @property
    def is_recorded(self) -> bool:
        """Whether anybody will see it; if not, nothing need be said of it."""
        ...

    def begin(self, name: str, attributes: Attributes, *, is_request: bool = False) -> "Span":
        """Begin a part of it.

        Args:
            name: Of few kinds: no ids in it.
            attributes: What is known of it.
            is_request: Whether it is a request to another process.
        """
        ...

    def tell(self, attributes: Attributes) -> None:
        """Say more of it."""
        ...

    def note(self, name: str, attributes: Attributes) -> None:
        """Say what happened meanwhile, and that it was now."""
        ...

    def end(self, error: BaseException | None = None) -> None:
        """End it; with *error* if it failed. What is ended stays as it is."""
        ...

    def headers(self) -> Mapping[str, str]:
        """Name it for the server: W3C ``traceparent`` as a rule."""
        ...


class Tracing(Protocol):
    """Begins spans."""

    def begin(self, name: str, attributes: Attributes, *, is_request: bool = False) -> Span | None:
        """Begin a span below whatever is current in the caller's task; ``None`` where this call is not to be traced."""
        ...

    def has_current(self) -> bool:
        """Whether the caller's task is in a trace."""
        ...


def as_attributes(ids: Mapping[str, object]) -> dict[str, str | int | float | bool]:
    """Name ids as attributes: ``tinkex.session_id``, ``tinkex.request_id``, …."""
    return {
        f"tinkex.{name}": value if isinstance(value, str | int | float | bool) else str(value)
        for name, value in ids.items()
    }

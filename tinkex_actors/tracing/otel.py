"""Traces by OpenTelemetry (``tinkex-actors[opentelemetry]``): its API alone; which SDK and exporter is the program's choice.

::

    async with open_tinker(settings, tracing=OpenTelemetry()) as tinker:
        ...

The program's own spans are continued: what is current where a client's method is called is the parent of that call's span,
and the sampling decision is the program's sampler's. A call that is not sampled costs one decision and the header that
passes the decision on; no further span of it is made. A busy client that is in no trace of its program says how many of its
calls the sampler is asked about at all: ``OpenTelemetry(ratio=0.01)``. The others cost next to nothing.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from opentelemetry import baggage, propagate, trace
from opentelemetry import context as contexts
from opentelemetry.trace import SpanKind, Status, StatusCode

from tinkex_actors.tracing import Attributes, Span

_SCOPE: Final = "tinkex_actors"
_W3C: Final = frozenset({"traceparent", "tracestate", "baggage"})
"""What OpenTelemetry's own propagators write, unless a program chooses others."""


class OpenTelemetry:
    """Makes the spans of a client. One may serve many clients.

    Made when the program has chosen its propagator; a later choice is not noticed.

    Args:
        provider: Whose tracer; the program's global one by default.
        ratio: How many of the calls that belong to no span of the program are traced, from 0 to 1. The server hears nothing of
            the others. Calls within a span of the program go with that.
        chance: Gives numbers in ``[0, 1)``.

    Raises:
        ValueError: The ratio is none.
    """

    def __init__(
        self,
        provider: trace.TracerProvider | None = None,
        *,
        ratio: float = 1.0,
        chance: Callable[[], float] | None = None,
    ) -> None:
        if not 0 <= ratio <= 1:
            raise ValueError(f"ratio must be from 0 to 1, got {ratio}")
        self._ratio: Final = ratio
        self._chance: Final = chance or Random().random  # noqa: S311 - it keeps no secret
        self._tracer: Final = trace.get_tracer(_SCOPE, tracer_provider=provider)
        self._is_w3c: Final = propagate.get_global_textmap().fields <= _W3C

    def begin(self, name: str, attributes: Attributes, *, is_request: bool = False) -> Span | None:
        """Begin a span below the program's current one; without one, for the share of calls that is traced."""
        if self._ratio < 1 and not self.has_current() and self._chance() >= self._ratio:
            return None
        return self.begin_below(contexts.get_current(), name, attributes, is_request=is_request)

    def begin_below(self, parent: contexts.Context, name: str, attributes: Attributes, *, is_request: bool) -> Span:
        """Begin a span below *parent*'s."""
        kind = SpanKind.CLIENT if is_request else SpanKind.INTERNAL
        span = self._tracer.start_span(name, parent, kind, attributes)
        if not span.is_recording():
            return _Unrecorded(self, span, parent)
        return _Recorded(self, span, trace.set_span_in_context(span, parent))

    def has_current(self) -> bool:
        """Whether the program has a span current here."""
        return trace.get_current_span() is not trace.INVALID_SPAN

    def write_headers(self, span: trace.Span, around: contexts.Context) -> dict[str, str]:
        """Name *span* for another process as the program's propagator does; at a quarter of the price where that is W3C's."""
        told = span.get_span_context()
        if self._is_w3c and not told.trace_state and not baggage.get_all(around):
            return {"traceparent": f"00-{told.trace_id:032x}-{told.span_id:016x}-{told.trace_flags:02x}"}
        carrier = dict[str, str]()
        propagate.inject(carrier, trace.set_span_in_context(span, around))
        return carrier


class _Recorded:
    """A span that somebody will see."""

    __slots__ = ("_context", "_home", "_span")

    def __init__(self, home: OpenTelemetry, span: trace.Span, context: contexts.Context) -> None:
        self._home = home
        self._span = span
        self._context = context

    @property
    def is_recorded(self) -> bool:
        return True

    def begin(self, name: str, attributes: Attributes, *, is_request: bool = False) -> Span:
        return self._home.begin_below(self._context, name, attributes, is_request=is_request)

    def tell(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def note(self, name: str, attributes: Attributes) -> None:
        self._span.add_event(name, attributes)

    def end(self, error: BaseException | None = None) -> None:
        if error is not None:
            kind = type(error).__name__
            self._span.set_attribute("error.type", kind)
            self._span.set_status(Status(StatusCode.ERROR, kind))
        self._span.end()

    def headers(self) -> Mapping[str, str]:
        return self._home.write_headers(self._span, self._context)


class _Unrecorded:
    """A span that nobody will see, and its parts: what is left of it is the decision, which the server hears."""

    __slots__ = ("_headers", "_home", "_parent", "_span")

    def __init__(self, home: OpenTelemetry, span: trace.Span, parent: contexts.Context) -> None:
        self._home = home
        self._span = span
        self._parent = parent
        self._headers: Mapping[str, str] | None = None

    @property
    def is_recorded(self) -> bool:
        return False

    def begin(self, name: str, attributes: Attributes, *, is_request: bool = False) -> Span:
        del name, attributes, is_request
        return self

    def tell(self, attributes: Attributes) -> None:
        del attributes

    def note(self, name: str, attributes: Attributes) -> None:
        del name, attributes

    def end(self, error: BaseException | None = None) -> None:
        del error

    def headers(self) -> Mapping[str, str]:
        if self._headers is None:
            self._headers = self._home.write_headers(self._span, self._parent)
        return self._headers

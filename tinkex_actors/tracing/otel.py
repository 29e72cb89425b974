"""Traces by OpenTelemetry (``tinkex-actors[opentelemetry]``): its API alone; which SDK and exporter is the program's choice.

::

    async with open_tinker(settings, tracing=OpenTelemetry()) as tinker:
        ...

The program's own spans are continued: what is current where a client's method is called is the parent of that call's span,
and the sampling decision is the program's sampler's. A call that is not sampled costs one decision and the header that
passes the decision on; no further span of it is made.
"""

from collections.abc import Mapping
from typing import Final

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from tinkex_actors.tracing import Attributes, Span

_SCOPE: Final = "tinkex_actors"


class OpenTelemetry:
    """Makes the spans of a client. One may serve many clients.

    Args:
        provider: Whose tracer; the program's global one by default.
    """

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._tracer: Final = trace.get_tracer(_SCOPE, tracer_provider=provider)

    def begin(self, name: str, attributes: Attributes, *, is_request: bool = False) -> Span:
        """Begin a span below the program's current one."""
        return _begin(self._tracer, name, attributes, contexts.get_current(), is_request=is_request)

    def has_current(self) -> bool:
        """Whether the program has a span current here."""
        return trace.get_current_span() is not trace.INVALID_SPAN


def _begin(
    tracer: trace.Tracer, name: str, attributes: Attributes, parent: contexts.Context, *, is_request: bool
) -> Span:
    kind = SpanKind.CLIENT if is_request else SpanKind.INTERNAL
    span = tracer.start_span(name, parent, kind, attributes)
    context = trace.set_span_in_context(span, parent)
    return _Recorded(tracer, span, context) if span.is_recording() else _Unrecorded(context)


class _Recorded:
    """A span that somebody will see."""

    __slots__ = ("_context", "_span", "_tracer")

    def __init__(self, tracer: trace.Tracer, span: trace.Span, context: contexts.Context) -> None:
        self._tracer = tracer
        self._span = span
        self._context = context

    @property
    def is_recorded(self) -> bool:
        return True

    def begin(self, name: str, attributes: Attributes, *, is_request: bool = False) -> Span:
        return _begin(self._tracer, name, attributes, self._context, is_request=is_request)

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
        return _headers(self._context)


class _Unrecorded:
    """A span that nobody will see, and its parts: what is left of it is the decision, which the server hears."""

    __slots__ = ("_context", "_headers")

    def __init__(self, context: contexts.Context) -> None:
        self._context = context
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
            self._headers = _headers(self._context)
        return self._headers


def _headers(context: contexts.Context) -> dict[str, str]:
    carrier = dict[str, str]()
    propagate.inject(carrier, context)
    return carrier

"""The layer that traces: a span for each request that goes out, and its name in a header for the server.

It lies at the bottom, so that every attempt is a span of its own, under the turn that sends it. What belongs to no call of
the user (heartbeats, telemetry, a poll for many samples) is not traced; a request that a user's own task sends is, where
that task is in a trace.
"""

from typing import Final

from tinkex_actors.activity import current_activity, current_span
from tinkex_actors.tracing import Span, Tracing, as_attributes
from tinkex_actors.transport.seam import Answer, Body, Route, Transport
from tinkex_actors.transport.standing import Standing
from tinkex_actors.types.futures import QueueState


class Traced:
    """A transport whose every request is a span."""

    def __init__(self, inner: Transport, tracing: Tracing) -> None:
        self._inner: Final = inner
        self._tracing: Final = tracing

    async def send(self, route: Route, body: Body, /) -> Answer:
        """Send on, within a span.

        Raises:
            APIConnectionError: As *inner* does.
        """
        span = self._begin(route, body)
        if span is None:
            return await self._inner.send(route, body)
        body = body.with_headers(span.headers())
        if not span.is_recorded:
            return await self._inner.send(route, body)
        try:
            answer = await self._inner.send(route, body)
        except BaseException as error:
            span.end(error)
            raise
        span.tell({"http.response.status_code": answer.status})
        span.end()
        return answer

    def _begin(self, route: Route, body: Body) -> Span | None:
        parent = current_span()
        if parent is not None:
            if not parent.is_recorded:
                return parent
            return parent.begin(f"{route.method} {route.path}", _describe(route, body), is_request=True)
        # An actor always works on something; who works on nothing is a task of the user's.
        if current_activity() is None and self._tracing.has_current():
            return self._tracing.begin(f"{route.method} {route.path}", _describe(route, body), is_request=True)
        return None


def _describe(route: Route, body: Body) -> dict[str, str | int | float | bool]:
    told: dict[str, str | int | float | bool] = {
        "http.request.method": route.method,
        "url.template": route.path,
        "tinkex.attempt": body.attempt + 1,
    }
    if body.attempt:
        told["http.request.resend_count"] = body.attempt
    activity = current_activity()
    if activity is not None:
        told |= as_attributes(activity.ids())
    if isinstance(activity, Standing) and activity.queue_state is not QueueState.UNKNOWN:
        told["tinkex.queue_state"] = activity.queue_state.value
    return told

"""The layer that counts: each request that goes out, how it ended, and how long it took.

It lies at the bottom, so that every attempt counts by itself, and time spent waiting for budgets or before a repetition
does not. An operation's instruments are looked up once.
"""

import time
from typing import Final

from attrs import frozen

from tinkex_actors.metrics import Counter, Histogram, Metrics
from tinkex_actors.transport.seam import Answer, Body, Route, Transport


@frozen
class _Counts:
    total: Counter
    success: Counter
    failure: Counter
    duration: Histogram


class Metered:
    """A transport that counts what *inner* does."""

    def __init__(self, inner: Transport, metrics: Metrics) -> None:
        self._inner: Final = inner
        self._metrics: Final = metrics
        self._known: Final = dict[str, _Counts]()

    async def send(self, route: Route, body: Body, /) -> Answer:
        """Send on, and count. What never got an answer is a failure; a caller who went away is neither.

        Raises:
            APIConnectionError: As *inner* does.
        """
        counts = self._known.get(route.name)
        if counts is None:
            counts = self._meet(route.name)
        counts.total.add()
        began = time.perf_counter()
        try:
            answer = await self._inner.send(route, body)
        except Exception:
            counts.failure.add()
            counts.duration.record(time.perf_counter() - began)
            raise
        counts.duration.record(time.perf_counter() - began)
        (counts.success if answer.is_success else counts.failure).add()
        return answer

    def _meet(self, name: str) -> _Counts:
        metrics, labels = self._metrics, ("operation",)
        counts = _Counts(
            metrics.counter("tinkex_requests_total", "Requests sent, each attempt.", labels=labels).of(name),
            metrics.counter("tinkex_requests_success", "Requests answered with success.", labels=labels).of(name),
            metrics.counter("tinkex_requests_failure", "Requests refused or unanswered.", labels=labels).of(name),
            metrics.histogram("tinkex_request_duration_seconds", "How long an answer took.", labels=labels).of(name),
        )
        self._known[name] = counts
        return counts

"""The layers in their order.

::

    Retrying     again after lost connections and statuses that pass
    Paced        429 on samples: everyone pauses
    Billed       402: everyone pauses, for a while
    Breaking     nothing is sent to a server that has stopped answering, but one at a time
    Budgeted     counts and bytes on their way at once
    Authorized   the credential: a key, or the token it is exchanged for
    Dumping      a log of what passes, where the settings want it
    Traced       a span for every attempt, where calls are traced
    Metered      counts every attempt, and how long it took
    DirectTransport, or HttpTransport over what a user plugs in

Budgets lie below the others, so that nothing is held while a request waits to be sent again. Every number that the server
may narrow in ``client/config`` is asked for when it is needed, since the connection is open before that is known.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from random import Random

import trio

from tinkex_actors.log import show_log
from tinkex_actors.metrics import Metrics
from tinkex_actors.settings import Settings
from tinkex_actors.tracing import Tracing
from tinkex_actors.transport.auth import Authorized
from tinkex_actors.transport.billing import Billed
from tinkex_actors.transport.bottom import HttpBelow, open_bottom
from tinkex_actors.transport.breaker import Breaker, Breaking
from tinkex_actors.transport.budget import Budgeted
from tinkex_actors.transport.direct import DirectTransport
from tinkex_actors.transport.dump import Dumping
from tinkex_actors.transport.http import HttpTransport
from tinkex_actors.transport.metered import Metered
from tinkex_actors.transport.pacing import Paced
from tinkex_actors.transport.responses import RawResponse, Responses
from tinkex_actors.transport.retry import Retrying
from tinkex_actors.transport.seam import Answer, Body, Lane, Route, Sending, Transport
from tinkex_actors.transport.traced import Traced
from tinkex_actors.types import ClientConfigResponse
from tinkex_actors.types.errors import ClientClosed

__all__ = ["Config", "HttpBelow", "Line", "open_transport"]

Config = Callable[[], ClientConfigResponse]
"""Tells what the server has said about itself so far."""


class Line:
    """The layers as one transport, and their state for whoever wants to see it."""

    def __init__(
        self,
        bottom: Transport,
        settings: Settings,
        *,
        chance: Callable[[], float],
        config: Config,
        streams: HttpTransport | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """Put the layers over *bottom*.

        Args:
            bottom: Carries requests.
            settings: The key, the limits and the delays.
            chance: Gives numbers in ``[0, 1)`` for the jitter.
            config: Tells what the server has said about itself so far.
            streams: Reads answers while they arrive; beside the layers, since nothing of it is ever sent again.
            tracing: Traces every attempt; here for whoever begins calls.
        """
        self.tracing = tracing
        self.streams = streams
        self.is_closed = False
        figures = settings.figures

        def sample_bytes() -> float:
            return min(figures.sample_dispatch_bytes, config().sample_dispatch_bytes_semaphore_size)

        def train_bytes() -> float:
            return min(figures.train_dispatch_bytes, config().fwdbwd_dispatch_bytes_semaphore_size)

        def billing_pause() -> float:
            return min(figures.billing_pause_max, config().billing_exception_max_pause_duration_sec)

        shown = Dumping(bottom, settings) if settings.dump_headers or settings.dump_bytes else bottom
        budgeted = Budgeted(
            Authorized(shown, settings, config, chance=chance),
            counts={Lane.SAMPLE: figures.submissions_at_once},
            sizes={Lane.SAMPLE: sample_bytes, Lane.SUBMIT: train_bytes},
        )
        self.breaker = Breaker(figures)
        billed = Billed(Breaking(budgeted, self.breaker), figures, billing_pause)
        self.paced = Paced(billed, figures)
        self._top = Retrying(self.paced, figures, chance=chance)

    def send(self, route: Route, body: Body, /) -> Sending:
        """Send through all layers.

        Raises:
            ClientClosed: The connections are closed.
        """
        if self.is_closed:
            raise ClientClosed(f"{route.name} was not sent: the client was closed; open another one")
        responses = body.standing.responses
        return self._top.send(route, body) if responses is None else self._send_recorded(route, body, responses)

    async def _send_recorded(self, route: Route, body: Body, responses: Responses) -> Answer:
        began = trio.current_time()
        answer = await self._top.send(route, body)
        responses.note(_raw(route, body, answer, trio.current_time() - began))
        return answer


def _raw(route: Route, body: Body, answer: Answer, seconds: float) -> RawResponse:
    return RawResponse(
        operation=route.name,
        method=route.method,
        path=route.path.format_map(body.path_values) if body.path_values else route.path,
        status=answer.status,
        headers=answer.headers,
        content=answer.content,
        attempts=answer.attempts,
        seconds=seconds,
    )


def streams_of(transport: Transport) -> HttpTransport:
    """Find what reads answers while they arrive.

    Raises:
        RuntimeError: There is nothing of the kind below *transport*.
    """
    if isinstance(transport, Line) and transport.streams is not None:
        return transport.streams
    raise RuntimeError(f"expected a transport made by open_transport, got a {type(transport).__name__}")


def _streams_below(bottom: Transport) -> HttpTransport | None:
    """Find what reads answers while they arrive: beside the hot requests, or all there is."""
    cold = bottom.cold if isinstance(bottom, DirectTransport) else bottom
    return cold if isinstance(cold, HttpTransport) else None


@asynccontextmanager
async def open_transport(
    settings: Settings,
    *,
    below: HttpBelow | None = None,
    address: Callable[[], str] | None = None,
    config: Config = ClientConfigResponse,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
) -> AsyncGenerator[Line, None]:
    """Open everything between a request and the network; all connections are closed at the end of the block.

    Args:
        settings: As for :func:`~tinkex_actors.transport.bottom.open_bottom`.
        below: The same.
        address: The same.
        config: Tells what the server has said about itself so far; by default nothing.
        metrics: Count every attempt, and how long it took.
        tracing: Traces every attempt of what a user asked for.
    """
    if settings.log_level:
        show_log(settings.log_level)
    async with open_bottom(settings, below=below, address=address) as bottom:
        counted = bottom if metrics is None else Metered(bottom, metrics)
        traced = counted if tracing is None else Traced(counted, tracing)
        # Jitter only spreads load: it needs no seed and keeps no secret.
        chance = Random().random  # noqa: S311 - see the line above
        streams = _streams_below(bottom)
        line = Line(traced, settings, chance=chance, config=config, streams=streams, tracing=tracing)
        try:
            yield line
        finally:
            line.is_closed = True

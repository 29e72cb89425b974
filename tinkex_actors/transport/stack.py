"""The layers in their order.

::

    Retrying     again after lost connections and statuses that pass
    Paced        429 on samples: everyone pauses
    Budgeted     counts and bytes on their way at once
    HttpTransport

Budgets lie below the other two, so that nothing is held while a request waits to be sent again.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from random import Random

import httpx

from tinkex_actors.settings import Figures, Settings
from tinkex_actors.transport.budget import Budgeted
from tinkex_actors.transport.http import open_http
from tinkex_actors.transport.pacing import Paced
from tinkex_actors.transport.retry import Retrying
from tinkex_actors.transport.seam import Lane, Transport

HttpBelow = httpx.AsyncBaseTransport
"""What may be plugged in below httpx: the one name of that library that other layers may use."""


def stack_layers(bottom: Transport, figures: Figures, *, chance: Callable[[], float]) -> Transport:
    """Put the layers over *bottom*."""
    budgeted = Budgeted(
        bottom,
        counts={Lane.SAMPLE: figures.submissions_at_once},
        sizes={Lane.SAMPLE: figures.sample_dispatch_bytes, Lane.SUBMIT: figures.train_dispatch_bytes},
    )
    return Retrying(Paced(budgeted, figures), figures, chance=chance)


@asynccontextmanager
async def open_transport(
    settings: Settings,
    *,
    below: httpx.AsyncBaseTransport | None = None,
    address: Callable[[], str] | None = None,
) -> AsyncGenerator[Transport, None]:
    """Open everything between a request and the network; all connections are closed at the end of the block.

    The arguments are those of :func:`~tinkex_actors.transport.http.open_http`.
    """
    async with open_http(settings, below=below, address=address) as bottom:
        # Jitter only spreads load: it needs no seed and keeps no secret.
        yield stack_layers(bottom, settings.figures, chance=Random().random)  # noqa: S311 - see the line above

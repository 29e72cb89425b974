"""What lies below the layers: our pool, what a user plugs in, or httpx's own where a proxy stands in between."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from ssl import SSLContext
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from tinkex_actors.redaction import redact_text
from tinkex_actors.settings import Figures, Settings
from tinkex_actors.transport.certificates import context_maker
from tinkex_actors.transport.deprecation import DeprecationNotes
from tinkex_actors.transport.direct import DirectTransport
from tinkex_actors.transport.heads import HeadWriter
from tinkex_actors.transport.http import HttpTransport
from tinkex_actors.transport.lean.limits import Limits
from tinkex_actors.transport.lean.pool import open_pool
from tinkex_actors.transport.lean.transport import LeanTransport
from tinkex_actors.transport.seam import Lane, Transport

HttpBelow = httpx.AsyncBaseTransport | httpx.AsyncClient
"""What may be plugged in: a transport of httpx's kind, or a whole client, which stays its owner's to close."""


@asynccontextmanager
async def open_bottom(
    settings: Settings, *, below: HttpBelow | None = None, address: Callable[[], str] | None = None
) -> AsyncGenerator[Transport, None]:
    """Open the connections for one client; all are closed at the end of the block.

    Args:
        settings: The address, the key, the headers.
        below: What carries requests: a transport of httpx's kind, which is closed at the end, or an ``httpx.AsyncClient``,
            which is not. By default the lean pool; or httpx's own, when the settings or the environment name a proxy.
        address: Where to send, asked before each request; by default the settings' address. A server that is restarted
            elsewhere is followed.

    Raises:
        TypeError: *below* carries no asynchronous requests.
        ValueError: *below* is closed, or a certificate or a proxy of the environment cannot be used.
    """
    _check_below(below)
    where, notes = address or (lambda: settings.base_url), DeprecationNotes()
    if isinstance(below, httpx.AsyncClient):
        yield HttpTransport(below, settings, where, notes)
    elif below is not None or settings.proxy or settings.default_query or is_proxied(settings.base_url):
        async with _open_client(below, settings, context_maker(settings)) as client:
            yield HttpTransport(client, settings, where, notes)
    else:
        context = context_maker(settings)
        async with (
            open_pool(limits=_lane_limits(settings.figures), context=context) as pool,
            # A signed link leads elsewhere, perhaps through a proxy that our own address does without.
            _open_client(None if _proxies(settings.base_url) else LeanTransport(pool), settings, context) as client,
        ):
            cold = HttpTransport(client, settings, where, notes)
            yield DirectTransport(pool, HeadWriter(settings, where, pool), cold, notes)


def _check_below(below: object) -> None:
    if below is not None and not isinstance(below, HttpBelow):
        raise TypeError(
            f"below must be an httpx.AsyncClient or an httpx.AsyncBaseTransport, got {type(below).__name__}"
        )
    if isinstance(below, httpx.AsyncClient) and below.is_closed:
        raise ValueError("below must be an open httpx.AsyncClient, got one that is closed; open ours inside its block")


def is_proxied(url: str) -> bool:
    """Tell whether the environment names a proxy for *url*."""
    parts = urlsplit(url)
    proxies = _proxies(url)
    return (parts.scheme in proxies or "all" in proxies) and not proxy_bypass(parts.hostname or "")


def _proxies(url: str) -> Mapping[str, str]:
    """The environment's proxies, but none for this machine: a proxy's loopback is not ours."""
    return {} if _is_this_machine(url) else getproxies()


def _open_client(
    transport: httpx.AsyncBaseTransport | None, settings: Settings, context: Callable[[], SSLContext]
) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    if transport is not None:
        # httpx lets a proxy win over a transport; what is plugged in has its own way out.
        return httpx.AsyncClient(transport=transport, limits=limits)
    proxy = httpx.Proxy(settings.proxy, headers=dict(settings.proxy_headers)) if settings.proxy else None
    try:
        return httpx.AsyncClient(proxy=proxy, verify=context(), limits=limits)
    except (httpx.InvalidURL, ValueError, ImportError) as fault:
        # Only the environment's can be wrong here: the setting was looked at when it was made.
        raise ValueError(
            f"a proxy of the environment cannot be used ({redact_text(str(fault))}); check HTTPS_PROXY, HTTP_PROXY and "
            "ALL_PROXY, or name another one by the setting proxy"
        ) from fault


def _lane_limits(figures: Figures) -> dict[str, Limits]:
    counts = {
        Lane.SUBMIT: figures.submit_connections,
        Lane.SAMPLE: figures.sample_connections,
        Lane.RETRIEVE: figures.retrieve_connections,
        Lane.CONTROL: figures.control_connections,
        Lane.TELEMETRY: figures.control_connections,
    }
    idle = figures.idle_connection_timeout
    return {lane.value: Limits(connections=count, idle_seconds=idle) for lane, count in counts.items()}


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

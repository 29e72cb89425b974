"""The headers of the protocol: what every request of a client carries, and what one attempt adds."""

import platform
import sys
from importlib.metadata import version

import httpx

from tinkex_actors.settings import SDK_VERSION, Settings
from tinkex_actors.transport.seam import Body, Route

_SYSTEMS = {"Darwin": "MacOS"}
_MACHINES = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64"}


def client_headers(settings: Settings) -> httpx.Headers:
    """Headers that do not change while the client lives; a later one replaces an earlier one in any spelling."""
    headers = httpx.Headers(_own_headers(settings))
    headers.update(settings.access_headers)
    headers.update(settings.default_headers)
    return headers


def route_headers(route: Route, silence: float) -> dict[str, str]:
    """Headers of every request to *route*; *silence* is how long it may be silent, in seconds."""
    headers = {"Accept": route.accept, "x-stainless-read-timeout": f"{silence:g}"}
    if route.method != "GET":
        headers["Content-Type"] = route.content_type
    if route.content_encoding:
        headers["Content-Encoding"] = route.content_encoding
    return headers | dict(route.headers)


def attempt_headers(route: Route, body: Body) -> dict[str, str]:
    """Headers of one attempt at one request; the request's own come last and win."""
    headers = {"x-stainless-retry-count": str(body.attempt)}
    if route.method != "GET":
        headers["X-Idempotency-Key"] = body.idempotency_key
    return headers | dict(body.headers)


def _own_headers(settings: Settings) -> dict[str, str]:
    return {
        "User-Agent": f"tinkex-actors/{version('tinkex-actors')} (AsyncTinker/Python {SDK_VERSION})",
        "X-API-Key": settings.api_key,
        "X-Stainless-Package-Version": SDK_VERSION,
        "X-Stainless-OS": _SYSTEMS.get(platform.system(), platform.system() or "Unknown"),
        "X-Stainless-Arch": _MACHINES.get(platform.machine(), platform.machine() or "unknown"),
        "X-Stainless-Runtime": platform.python_implementation(),
        "X-Stainless-Runtime-Version": ".".join(map(str, sys.version_info[:3])),
        "X-Stainless-Async": "async:trio",
    }

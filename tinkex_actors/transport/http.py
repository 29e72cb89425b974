"""The bottom: requests over httpx on trio, and httpx's failures as ours.

This is the only module that speaks HTTP. What is plugged in below httpx (a pool of ours, a user's transport, a mock) is an
argument. No message made here contains a header: one of them is the key.
"""

import platform
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

import httpx

from tinkex_actors.settings import SDK_VERSION, Settings
from tinkex_actors.transport.seam import Answer, Body, Route
from tinkex_actors.types.errors import APIConnectionError, APITimeoutError

_SYSTEMS = {"Darwin": "MacOS"}
_MACHINES = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64"}


class _OneChunk(httpx.AsyncByteStream):
    """A request's body in one piece.

    httpx's own is an async generator, and one that is abandoned in the middle, as cancelling a request does, is reported
    by trio as a leak.
    """

    def __init__(self, content: bytes) -> None:
        self._rest = [content]

    def __aiter__(self) -> "_OneChunk":
        return self

    async def __anext__(self) -> bytes:
        if not self._rest:
            raise StopAsyncIteration
        return self._rest.pop()


class HttpTransport:
    """Sends one request and reads its whole answer; never sends again.

    A redirect is an answer like any other: following it would carry the key to whoever the server names. A row that says
    ``follows_redirect`` has its answer fetched from there by a request that carries nothing of ours.
    """

    def __init__(self, client: httpx.AsyncClient, settings: Settings, address: Callable[[], str]) -> None:
        """Send through *client*, which the caller closes, to wherever *address* says at that moment."""
        self._client = client
        self._settings = settings
        self._address = address

    async def send(self, route: Route, body: Body, /) -> Answer:
        """Send *body* and read the answer."""
        request = self._request(route, body)
        try:
            response = await self._client.send(request)
            if route.follows_redirect and response.has_redirect_location:
                response = await self._client.send(_bare_request(request, response))
        except httpx.TimeoutException as fault:
            raise APITimeoutError(self._sentence(route, fault), operation=route.name) from fault
        except httpx.RequestError as fault:
            raise APIConnectionError(self._sentence(route, fault), operation=route.name) from fault
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(status=response.status_code, headers=headers, content=response.content)

    def _request(self, route: Route, body: Body) -> httpx.Request:
        figures = self._settings.figures
        silence = getattr(figures, route.timeout)
        is_get = route.method == "GET"
        request = self._client.build_request(
            route.method,
            self._address() + _fill(route.path, body.path_values),
            params=dict(body.query) or None,
            content=None if is_get else body.content,
            headers=_request_headers(route, body, silence),
            timeout=httpx.Timeout(silence, connect=min(figures.connect_timeout, silence)),
        )
        if not is_get:
            request.stream = _OneChunk(body.content)
        return request

    def _sentence(self, route: Route, fault: httpx.RequestError) -> str:
        """Say what happened and with whom; httpx's own words only where they cannot hold a header."""
        words = "" if isinstance(fault, httpx.ProtocolError) else f": {fault}" * bool(str(fault))
        return f"{route.name}: no answer from {self._address()} ({type(fault).__name__}{words})"


def _bare_request(request: httpx.Request, redirect: httpx.Response) -> httpx.Request:
    """Ask for what *redirect* points to; made without the client, so that none of its headers goes along.

    Raises:
        UnsupportedProtocol: It points to no address, or from TLS to none.
    """
    # httpx has read the location before and refused what cannot be parsed.
    url = request.url.join(redirect.headers["location"])
    if url.scheme not in {"https", request.url.scheme} or not url.host:
        raise httpx.UnsupportedProtocol("redirected to what is no address, or to one without TLS", request=request)
    return httpx.Request("GET", url, headers={"Accept": "*/*"}, extensions={"timeout": request.extensions["timeout"]})


@asynccontextmanager
async def open_http(
    settings: Settings,
    *,
    below: httpx.AsyncBaseTransport | None = None,
    address: Callable[[], str] | None = None,
) -> AsyncGenerator[HttpTransport, None]:
    """Open the connections for one client; all are closed at the end of the block.

    Args:
        settings: The address, the key, the headers.
        below: What carries httpx's requests; by default httpx's own pool.
        address: Where to send, asked before each request; by default the settings' address. A server that is restarted
            elsewhere is followed.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx.AsyncClient(
        headers=_client_headers(settings),
        limits=limits,
        transport=below,
        trust_env=not _is_this_machine(settings.base_url),
    ) as client:
        yield HttpTransport(client, settings, address or (lambda: settings.base_url))


def _is_this_machine(url: str) -> bool:
    """Tell whether no proxy can lie between: a proxy's loopback is not ours."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _fill(path: str, values: Mapping[str, str]) -> str:
    """Put identifiers into a path. ``:`` stays as it is, ``/`` is kept too: a checkpoint's id is two components."""
    return path.format_map({name: quote(value, safe=":/") for name, value in values.items()}) if values else path


def _client_headers(settings: Settings) -> httpx.Headers:
    """Headers that do not change while the client lives; a later one replaces an earlier one in any spelling."""
    headers = httpx.Headers(_own_headers(settings))
    headers.update(settings.access_headers)
    headers.update(settings.default_headers)
    return headers


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


def _request_headers(route: Route, body: Body, silence: float) -> dict[str, str]:
    """Headers of one attempt."""
    headers = {
        "Accept": route.accept,
        "x-stainless-retry-count": str(body.attempt),
        "x-stainless-read-timeout": f"{silence:g}",
    }
    if route.method != "GET":
        headers["Content-Type"] = route.content_type
        headers["X-Idempotency-Key"] = body.idempotency_key
    return headers | dict(body.headers)

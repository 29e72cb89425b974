"""Request heads for the hot lanes, rendered once for each endpoint.

Of a head only three lines change from request to request: how often it was sent, its key, its length. So the rest is
rendered when an endpoint is used for the first time, and a request costs one join of strings.
"""

from collections.abc import Callable

import httpx
from attrs import field, frozen

from tinkex_actors.settings import Settings
from tinkex_actors.transport.coding import ACCEPTED
from tinkex_actors.transport.headers import attempt_headers, client_headers, route_headers
from tinkex_actors.transport.lean.dialing import Origin
from tinkex_actors.transport.lean.lane import Lane
from tinkex_actors.transport.lean.limits import Timeouts
from tinkex_actors.transport.lean.pool import Pool
from tinkex_actors.transport.lean.request import render_head
from tinkex_actors.transport.seam import Body, Route

_MAX_BLOCKS = 100
"""Far more endpoints than there are."""


@frozen(eq=False, kw_only=True)
class Block:
    """What is the same for every request to one endpoint at one address."""

    route: Route
    address: str
    lane: Lane
    method: bytes
    target: bytes
    headers: httpx.Headers = field(repr=False)
    start: bytes = field(repr=False)
    """The head but for its last lines. Holds the key: never shown."""
    names: frozenset[str]
    """The headers in it, in lower case."""
    timeouts: Timeouts


class HeadWriter:
    """Writes heads for POST requests of one client."""

    def __init__(self, settings: Settings, address: Callable[[], str], pool: Pool) -> None:
        """Write heads with *settings*' headers, for wherever *address* says at that moment, to send over *pool*."""
        self._pool = pool
        self._settings = settings
        self.address = address
        self._headers = client_headers(settings)
        # By identity: a row of the endpoints' table is made once, and comparing it would cost more than writing a head.
        self._blocks: dict[int, Block] = {}

    def block(self, route: Route) -> Block:
        """The unchanging part for *route*, rendered if this is the first time.

        Raises:
            httpx.LocalProtocolError: One of the client's own headers cannot be sent.
        """
        address = self.address()
        block = self._blocks.get(id(route))
        if block is None or block.address != address:
            if len(self._blocks) >= _MAX_BLOCKS:
                self._blocks.clear()
            block = self._blocks[id(route)] = self._render(route, address)
        return block

    def head(self, block: Block, route: Route, body: Body, size: int) -> bytes:
        """Write the head of one attempt, whose content has *size* bytes.

        Raises:
            httpx.LocalProtocolError: One of its headers cannot be sent. The message never shows a value.
        """
        values = body.idempotency_key + "".join(body.headers.values())
        if not (values.isascii() and values.isprintable()):
            raise httpx.LocalProtocolError("a header of the request holds characters that cannot be sent")
        if body.headers and not block.names.isdisjoint(map(str.lower, body.headers)):
            headers = httpx.Headers(block.headers)
            headers.update(attempt_headers(route, body) | {"Content-Length": str(size)})
            return render_head(block.method, block.target, headers.raw)
        own = "".join([f"{name}: {value}\r\n" for name, value in body.headers.items()])
        # As attempt_headers has them for a POST; test_bottom compares.
        lines = (
            f"x-stainless-retry-count: {body.attempt}\r\nX-Idempotency-Key: {body.idempotency_key}\r\n"
            f"{own}Content-Length: {size}\r\n\r\n"
        )
        return block.start + lines.encode()

    def _fixed_headers(self, route: Route, address: httpx.URL) -> httpx.Headers:
        headers = httpx.Headers({"Host": address.netloc.decode("ascii"), "Accept-Encoding": ACCEPTED})
        headers.update(self._headers)
        headers.update(route_headers(route, self._silence(route)))
        for framing in ("content-length", "transfer-encoding"):
            headers.pop(framing, None)
        return headers

    def _render(self, route: Route, address: str) -> Block:
        url, headers = httpx.URL(address + route.path), self._fixed_headers(route, httpx.URL(address))
        method = route.method.encode("ascii")
        silence = self._silence(route)
        connect = min(self._settings.figures.connect_timeout, silence)
        return Block(
            route=route,
            address=address,
            lane=self._pool.lane(Origin.of(url.scheme, url.raw_host.decode("ascii"), url.port), route.lane.value),
            method=method,
            target=url.raw_path,
            headers=headers,
            start=render_head(method, url.raw_path, headers.raw)[:-2],
            names=frozenset(headers.keys()),
            timeouts=Timeouts(connect=connect, read=silence, write=silence, pool=silence),
        )

    def _silence(self, route: Route) -> float:
        silence: float = getattr(self._settings.figures, route.timeout)
        return silence

"""The page's endpoints, and who may ask them.

======================= ================================================================
``GET /``               the page; with its style and script it holds nothing and needs no token
``GET /api/state``      everything once: trees, runs, requests, events
``GET /api/stream``     the same as server-sent events, each part when it changes
``GET /api/actor``      one actor: stacks, last exit, trace
``POST /api/control``   ``{"path", "action"}``: pause, resume, restart, stop; where that is allowed
``GET /metrics``        Prometheus' text format
``GET /healthz``        ``ok``
======================= ================================================================

A token travels in the ``Authorization`` header alone: no other site's page can set it, so none can make a browser give
orders. A request for another host than this one is refused too, which stops a name that is bent to the loopback.
"""

import hmac
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from supervisors import ChildNotFound, Supervisor
from tinkex_actors.observer.control import ACTIONS, ControlRefused, control
from tinkex_actors.observer.prometheus_page import write_page
from tinkex_actors.observer.settings import ObserverSettings, is_loopback
from tinkex_actors.observer.state import State
from tinkex_actors.observer.stream import Stream
from tinkex_actors.observer.tree_view import Opened, parse_opened, view_actor
from tinkex_actors.redaction import redact

Endpoint = Callable[[Request], Awaitable[Response]]

_FILES = {"/": ("page.html", "text/html"), "/page.css": ("page.css", "text/css"), "/page.js": ("page.js", "text/javascript")}  # fmt: skip
_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
_MOST_BYTES = 10_000
_MOST_STREAMS = 32


class Doors:
    """The endpoints of one observer."""

    def __init__(self, state: State, settings: ObserverSettings) -> None:
        self._state = state
        self._settings = settings
        self._streams = 0

    def app(self) -> Starlette:
        """Put the endpoints behind their paths."""
        routes = [Route(path, _file(*file), methods=["GET"]) for path, file in _FILES.items()]
        open_ones = {"/healthz": self._health}
        kept = {
            "/api/state": self._whole,
            "/api/stream": self._stream,
            "/api/actor": self._actor,
            "/metrics": self._metrics,
        }
        routes += [Route(path, self._local(endpoint), methods=["GET"]) for path, endpoint in open_ones.items()]
        routes += [Route(path, self._kept(endpoint), methods=["GET"]) for path, endpoint in kept.items()]
        routes.append(Route("/api/control", self._kept(self._control), methods=["POST"]))
        return Starlette(routes=routes)

    def _local(self, endpoint: Endpoint) -> Endpoint:
        """Refuse requests that mean another host."""

        async def answer(request: Request) -> Response:
            host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
            if is_loopback(self._settings.host) and not is_loopback(host.strip("[]")):
                return refuse(421, f"this is not {host}")
            return await endpoint(request)

        return answer

    def _kept(self, endpoint: Endpoint) -> Endpoint:
        """Refuse requests without the token, where there is one."""

        async def answer(request: Request) -> Response:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if self._settings.token and not hmac.compare_digest(given.encode(), self._settings.token.encode()):
                return refuse(401, "the token is missing or wrong; open the page by the whole address that was printed")
            return await endpoint(request)

        return self._local(answer)

    async def _health(self, _: Request) -> Response:
        return Response("ok", media_type="text/plain", headers=_HEADERS)

    async def _whole(self, request: Request) -> Response:
        return _answer(await self._state.whole(_opened(request), after=_number(request, "after")))

    async def _stream(self, request: Request) -> Response:
        if self._streams >= _MOST_STREAMS:
            return refuse(503, f"{_MOST_STREAMS} pages are open already; close one")
        return Stream(self._state, _opened(request), self._settings.interval, self._count)

    def _count(self, by: int) -> None:
        self._streams += by

    async def _actor(self, request: Request) -> Response:
        path = request.query_params.get("path", "")
        try:
            found = self._state.watch.find(path)
        except ChildNotFound as error:
            return refuse(404, str(error))
        if isinstance(found, Supervisor):
            return refuse(400, f"{path} is a supervisor; ask for an actor")
        return _answer(redact(view_actor(self._state.watch, path, found)))

    async def _metrics(self, _: Request) -> Response:
        try:
            page = write_page(self._state.counted())
        except ModuleNotFoundError as missing:
            return refuse(501, f"needs {missing.name}; install tinkex-actors[metrics]")
        return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8", headers=_HEADERS)

    async def _control(self, request: Request) -> Response:
        if not self._settings.allow_control:
            return refuse(403, "this page only looks; start it with --allow-control to give orders")
        order = await _read_order(request)
        if order is None:
            return refuse(400, f'expected {{"path": ..., "action": one of {", ".join(ACTIONS)}}}')
        try:
            return _answer({"done": await control(self._state.watch, *order)})
        except ControlRefused as error:
            return refuse(409, str(error))


def refuse(status: int, detail: str) -> Response:
    """Answer no, and why."""
    return Response(orjson.dumps({"detail": detail}), status, _HEADERS, "application/json")


def _answer(document: object) -> Response:
    return Response(orjson.dumps(document), 200, _HEADERS, "application/json")


def _file(name: str, kind: str) -> Endpoint:
    async def answer(_: Request) -> Response:
        # A few kilobytes that the system keeps in memory: shorter than handing it to a thread.
        content = Path(__file__).with_name(name).read_bytes()
        return Response(content, 200, {**_HEADERS, "content-security-policy": _POLICY}, f"{kind}; charset=utf-8")

    return answer


def _opened(request: Request) -> Opened:
    query = request.query_params
    return parse_opened(query.getlist("open"), query.getlist("closed"), query.getlist("start"))


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 16 else 0  # noqa: PLR2004 - digits of a count


async def _read_order(request: Request) -> tuple[str, str] | None:
    body = b""
    async with aclosing(request.stream()) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > _MOST_BYTES:
                return None
    try:
        match json.loads(body):
            case {"path": str(path), "action": str(action)} if action in ACTIONS:
                return path, action
            case _:
                return None
    except ValueError:
        return None

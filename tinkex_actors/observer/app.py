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
from pathlib import Path

from supervisors import ChildNotFound, Supervisor
from tinkex_actors.observer.control import ACTIONS, ControlRefused, control
from tinkex_actors.observer.http import Answer, Flow, Request
from tinkex_actors.observer.plain import encode
from tinkex_actors.observer.prometheus_page import write_page
from tinkex_actors.observer.settings import ObserverSettings, is_loopback
from tinkex_actors.observer.state import State
from tinkex_actors.observer.stream import Stream
from tinkex_actors.observer.tree_view import Opened, parse_opened, view_actor
from tinkex_actors.redaction import redact

Endpoint = Callable[[Request], Awaitable[Answer | Flow]]

_FILES = {"/": ("page.html", "text/html"), "/page.css": ("page.css", "text/css")} | {
    f"/{name}.js": (f"{name}.js", "text/javascript") for name in ("line", "tree", "panels", "actor")
}
_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_MOST_STREAMS = 32


class Doors:
    """The endpoints of one observer."""

    def __init__(self, state: State, settings: ObserverSettings) -> None:
        self._state = state
        self._settings = settings
        self._streams = 0
        self._open: dict[tuple[str, str], Endpoint] = {
            **{("GET", path): _file(*file) for path, file in _FILES.items()},
            ("GET", "/healthz"): self._health,
        }
        self._kept: dict[tuple[str, str], Endpoint] = {
            ("GET", "/api/state"): self._whole,
            ("GET", "/api/stream"): self._stream,
            ("GET", "/api/actor"): self._actor,
            ("GET", "/metrics"): self._metrics,
            ("POST", "/api/control"): self._control,
        }

    async def respond(self, request: Request) -> Answer | Flow:
        """Answer a request that means this host, and shows the token where one is asked for."""
        if not self._means_us(request.headers.get("host", "")):
            return refuse(421, "this is another host")
        asked = (request.method, request.path)
        if asked in self._open:
            return await self._open[asked](request)
        if asked not in self._kept:
            paths = {path for _, path in (*self._open, *self._kept)}
            return refuse(405, "not by this method") if request.path in paths else refuse(404, "there is no such page")
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._settings.token and not hmac.compare_digest(given.encode(), self._settings.token.encode()):
            return refuse(401, "the token is missing or wrong; open the page by the whole address that was printed")
        return await self._kept[asked](request)

    def _means_us(self, host: str) -> bool:
        """Whether *host* can be this one: served on the loopback, only its names are."""
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        return not is_loopback(self._settings.host) or is_loopback(name.strip("[]"))

    async def _health(self, _: Request) -> Answer:
        return Answer(b"ok", kind="text/plain")

    async def _whole(self, request: Request) -> Answer:
        return _answer(await self._state.whole(_opened(request), after=_number(request, "after")))

    async def _stream(self, request: Request) -> Answer | Flow:
        if self._streams >= _MOST_STREAMS:
            return refuse(503, f"{_MOST_STREAMS} pages are open already; close one")
        stream = Stream(self._state, _opened(request), self._settings.interval, self._count)
        return Flow(stream.run, "text/event-stream")

    def _count(self, by: int) -> None:
        self._streams += by

    async def _actor(self, request: Request) -> Answer:
        path = request.one("path")
        try:
            found = self._state.watch.find(path)
        except ChildNotFound as error:
            return refuse(404, str(error))
        if isinstance(found, Supervisor):
            return refuse(400, f"{path} is a supervisor; ask for an actor")
        return _answer(redact(view_actor(self._state.watch, path, found)))

    async def _metrics(self, _: Request) -> Answer:
        try:
            page = write_page(self._state.counted())
        except ModuleNotFoundError as missing:
            return refuse(501, f"needs {missing.name}; install tinkex-actors[metrics]")
        return Answer(page, kind="text/plain; version=0.0.4; charset=utf-8")

    async def _control(self, request: Request) -> Answer:
        if not self._settings.allow_control:
            return refuse(
                403, "this page only looks; its process must be started with allow_control for it to give orders"
            )
        order = _read_order(request.body)
        if order is None:
            return refuse(400, f'expected {{"path": ..., "action": one of {", ".join(ACTIONS)}}}')
        try:
            return _answer({"done": await control(self._state.watch, *order)})
        except ControlRefused as error:
            return refuse(409, str(error))


def refuse(status: int, detail: str) -> Answer:
    """Answer no, and why."""
    return Answer(encode({"detail": detail}), status)


def _answer(document: object) -> Answer:
    return Answer(encode(document))


def _file(name: str, kind: str) -> Endpoint:
    async def answer(_: Request) -> Answer:
        # A few kilobytes that the system keeps in memory: shorter than handing it to a thread.
        content = Path(__file__).with_name(name).read_bytes()
        return Answer(content, kind=f"{kind}; charset=utf-8", headers={"content-security-policy": _POLICY})

    return answer


def _opened(request: Request) -> Opened:
    return parse_opened(*(request.query.get(name, ()) for name in ("open", "closed", "start")))


def _number(request: Request, name: str) -> int:
    text = request.one(name)
    return int(text) if text.isdecimal() and len(text) < 16 else 0  # noqa: PLR2004 - digits of a count


def _read_order(body: bytes) -> tuple[str, str] | None:
    try:
        match json.loads(body):
            case {"path": str(path), "action": str(action)} if action in ACTIONS:
                return path, action
            case _:
                return None
    except (ValueError, RecursionError):
        return None

"""The router: from HTTP to `Call`, to an endpoint, and back from `Answer`.

Every answer has its length in front and a body, errors too: the official client takes an error without a length for the
work of a proxy and sends the request again. What an endpoint refuses becomes ``{"detail": …}`` with the refusal's
status; whatever else escapes it is a bug, is logged by the server with its traceback and answered with 500.
"""

from contextlib import aclosing
from functools import partial

import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from supervisors import ActorCrashed, ActorNotAlive, SupervisorStopped
from tinkex_actors.local.http import page
from tinkex_actors.local.http.bodies import read_body
from tinkex_actors.local.http.call import Answer, Call, Endpoint, Streamed, refuse
from tinkex_actors.local.http.event_stream import EventStream
from tinkex_actors.local.http.routes import KEYED, OPEN, PREFIX
from tinkex_actors.local.keys import Keys, Owner
from tinkex_actors.local.refusals import Refusal
from tinkex_actors.local.service import Service
from tinkex_actors.log import get_log

_NOBODY = Owner("")


def make_app(service: Service, keys: Keys) -> Starlette:
    """Put the endpoints behind their paths."""
    routes = [_route(name, endpoint, service, None) for name, endpoint in OPEN.items()]
    # Whoever can reach a server without configured keys may watch it: it is on the loopback only.
    watched = keys if keys.are_configured else None
    routes += [
        Route("/", partial(_serve, page.page, service, None), methods=["GET"]),
        Route("/status.json", partial(_serve, page.status, service, watched), methods=["GET"]),
    ]
    routes += [_route(name, endpoint, service, keys) for name, endpoint in KEYED.items()]
    return Starlette(routes=routes, exception_handlers={HTTPException: _explain, Exception: _admit})


def _route(name: str, endpoint: Endpoint, service: Service, keys: Keys | None) -> Route:
    method, path = name.split(" ")
    return Route(PREFIX + path, partial(_serve, endpoint, service, keys), methods=[method])


async def _serve(endpoint: Endpoint, service: Service, keys: Keys | None, request: Request) -> Response:
    started = trio.current_time()
    try:
        answer: Answer | Streamed = await endpoint(service, await _read(request, service, keys))
    except Refusal as refusal:
        answer = refuse(refusal.status, refusal.detail)
    except ClientDisconnect:
        return _Silence()
    except (ActorNotAlive, SupervisorStopped):
        answer = refuse(410, "this has ended meanwhile; create a new session")
    except ActorCrashed:
        answer = refuse(500, "the server crashed on another request of this model; send this one again")
    if service.logs_requests:
        _note(request, answer, trio.current_time() - started)
    return _respond(answer)


def _note(request: Request, answer: Answer | Streamed, seconds: float) -> None:
    """Write a line of the access log; no header and no body, so no key is ever in it. Of a stream, its beginning."""
    get_log("tinkex_actors.local.access").info(
        "request",
        method=request.method,
        path=request.url.path,
        status=answer.status if isinstance(answer, Answer) else 200,
        size_bytes=len(answer.body) if isinstance(answer, Answer) else 0,
        duration_ms=round(1000 * seconds, 1),
    )


async def _read(request: Request, service: Service, keys: Keys | None) -> Call:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.raw}
    # The key is checked first: nobody without one makes the server read or unpack a body.
    owner = _NOBODY if keys is None else keys.check(headers.get("x-api-key"))
    encoding = headers.get("content-encoding")
    async with aclosing(request.stream()) as chunks:
        body = b"" if request.method == "GET" else await read_body(chunks, encoding, service.shop.limits)
    base_url = f"{request.base_url}{PREFIX.removeprefix('/')}"
    gone = partial(_wait_for_disconnect, request)
    return Call(owner, body, request.path_params, dict(request.query_params), headers, base_url, gone)


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Silence(Response):
    """What is sent to a client that left in the middle of its request: nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""


def _respond(answer: Answer | Streamed) -> Response:
    if isinstance(answer, Streamed):
        return EventStream(answer)
    return Response(answer.body, answer.status, dict(answer.headers), answer.content_type)


async def _explain(_: Request, error: Exception) -> Response:
    """Answer what the router itself refuses: unknown paths and methods."""
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, str(error))
    return _respond(refuse(status, detail))


async def _admit(_: Request, __: Exception) -> Response:
    return _respond(refuse(500, "the server has a bug; its log says where"))

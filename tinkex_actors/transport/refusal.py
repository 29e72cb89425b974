"""An answer that says no becomes the exception whose class tells the reaction."""

import re
from typing import Any

from tinkex_actors.redaction import mask_url, redact_credentials
from tinkex_actors.transport.seam import Answer, Route
from tinkex_actors.types.errors import APIStatusError, status_error_class
from tinkex_actors.types.ids import RequestId

_LONGEST_DETAIL = 500
_SEARCHED_FOR_A_TITLE = 10_000
_TITLE = re.compile(r"\A\s*<.*?<title>\s*([^<]+?)\s*</title>", re.IGNORECASE | re.DOTALL)
_REDIRECTS = range(300, 400)
_NOT_FOUND = 404
_METHOD_NOT_ALLOWED = 405
_NEXT_STEPS = {
    401: "check the API key",
    402: "check the account's billing",
    403: "the key may not do this",
    407: "that is the proxy: write its name and password into the setting proxy, http://name:password@host:port",
    409: "what it would make is there already, or in use: look at what there is, or take another name",
    413: "send less at once",
}


def status_error(route: Route, answer: Answer, *, request_id: RequestId | None = None) -> APIStatusError:
    """Make the exception for an answer that is no success; it carries the status, headers and body.

    The message repeats what the server said and nothing of the request, which may hold a secret: not even where the server
    does. ``body`` is what it said, word for word.
    """
    body = answer.json()
    step = _next_step(answer)
    message = f"{route.name} was answered with {answer.status}: {_detail(body)}" + (f"; {step}" if step else "")
    return status_error_class(answer.status)(
        message,
        status_code=answer.status,
        headers=answer.headers,
        operation=route.name,
        request_id=request_id,
        attempts=answer.attempts,
        body=body,
        is_after_doubt=answer.is_after_doubt,
    )


def is_unknown_route(answer: Answer) -> bool:
    """Tell whether a server says that it has no such endpoint, rather than no such thing.

    It does so in the words of its framework: 405, or 404 with no sentence but "Not Found".
    """
    match answer.status, answer.json():
        case (404, {"detail": str(detail)}):
            return detail.lower() == "not found"
        case (404, dict()):
            return False
        case (status, _):
            return status in {_NOT_FOUND, _METHOD_NOT_ALLOWED}


def _next_step(answer: Answer) -> str:
    elsewhere = answer.headers.get("location")
    if answer.status not in _REDIRECTS or not elsewhere:
        return _NEXT_STEPS.get(answer.status, "")
    # A redirect is not followed: that would carry the key to whoever the server names.
    return f"it points to {mask_url(elsewhere.partition('?')[0])}; if the server is there, set base_url to it"


def _detail(body: object) -> str:
    """Find the sentence in a body: shortened, and without credentials that the server repeats."""
    text = redact_credentials(_sentence(body))
    return text if len(text) <= _LONGEST_DETAIL else text[:_LONGEST_DETAIL] + "…"


# Any: what a body holds is anybody's guess.
def _sentence(body: Any) -> str:
    """Find FastAPI's ``detail``, or an ``error`` or ``message``, bare or one level down; a page's title; else all of it."""
    match body:
        case None | {"detail": None}:
            return "no explanation"
        case str():
            title = _TITLE.match(body[:_SEARCHED_FOR_A_TITLE])
            return body if title is None else f"a page of HTML, {title[1]!r}"
        case {"detail": [{"msg": str()}, *_] as faults}:
            return "; ".join(_fault(fault) for fault in faults)
        case (
            {"detail": str(text)}
            | {"error": str(text)}
            | {"message": str(text)}
            | {"detail": {"message": str(text)}}
            | {"error": {"message": str(text)}}
            | {"detail": {"error": {"message": str(text)}}}
        ):
            return text
        case _:
            return str(body)


def _fault(fault: Any) -> str:
    """Write down one fault that pydantic found: where and what, and not what was there, which is the request's."""
    match fault:
        case {"loc": [*place], "msg": str(words)}:
            return f"{'.'.join(map(str, place))}: {words}"
        case {"msg": str(words)}:
            return words
        case _:
            return "another fault"

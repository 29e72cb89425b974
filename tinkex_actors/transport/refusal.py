"""An answer that says no becomes the exception whose class tells the reaction."""

from tinkex_actors.redaction import redact_credentials
from tinkex_actors.transport.seam import Answer, Route
from tinkex_actors.types.errors import APIStatusError, status_error_class
from tinkex_actors.types.ids import RequestId

_LONGEST_DETAIL = 500
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

    The message repeats what the server said and nothing of the request: a request may hold a secret. A server may quote
    the key it refuses, so its words are redacted.
    """
    body = answer.json()
    step = _NEXT_STEPS.get(answer.status)
    message = f"{route.name} was answered with {answer.status}: {redact_credentials(_detail(body))}" + (
        f"; {step}" if step else ""
    )
    return status_error_class(answer.status)(
        message,
        status_code=answer.status,
        headers=answer.headers,
        operation=route.name,
        request_id=request_id,
        attempts=answer.attempts,
        body=body,
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


def _detail(body: object) -> str:
    """Find the sentence in a body: FastAPI's ``detail``, a bare ``error`` or ``message``, else all of it, shortened."""
    match body:
        case None:
            text = "no explanation"
        case {"detail": str(text)} | {"error": str(text)} | {"message": str(text)}:
            pass
        case _:
            text = str(body)
    return text if len(text) <= _LONGEST_DETAIL else text[:_LONGEST_DETAIL] + "…"

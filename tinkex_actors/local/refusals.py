"""What the server says no with: one class per reaction of the client, each with its HTTP status.

::

    Refusal
    ├─ BadRequest 400        the request is wrong as it stands
    ├─ Unauthorized 401      no key, or a wrong one
    ├─ Forbidden 403         a good key, but not for this
    ├─ NotFound 404          no such thing, or not yours
    ├─ Gone 410              it was there and has ended
    ├─ TooLarge 413          above a limit of size
    ├─ Unprocessable 422     a field is missing or has another shape
    └─ TooMany 429           above a limit of rate; again later

409 is not here: the official SDK takes it for "try again" and blocks its caller for minutes.
"""

from typing import ClassVar


class Refusal(Exception):
    """The request is answered with `status` and ``{"detail": ...}``."""

    status: ClassVar[int] = 500

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        """Expected, got, and the next step: what the client reads."""


class BadRequest(Refusal):
    """The request is wrong as it stands."""

    status = 400


class Unauthorized(Refusal):
    """No API key, or a wrong one."""

    status = 401


class Forbidden(Refusal):
    """The key is good, but not for this."""

    status = 403


class NotFound(Refusal):
    """No such thing, or it belongs to another key."""

    status = 404


class Gone(Refusal):
    """It was there and has ended."""

    status = 410


class TooLarge(Refusal):
    """Above a limit of size."""

    status = 413


class Unprocessable(Refusal):
    """A field is missing or has another shape than the protocol's."""

    status = 422


class TooMany(Refusal):
    """Above a limit of rate; the same request may pass later."""

    status = 429

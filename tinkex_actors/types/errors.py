"""Every exception a user of the client can meet: one tree, a class per reaction.

The names are those of the official SDK where it has one, so that ``except`` clauses keep their meaning::

    TinkerError
    ├─ APIError                       the conversation with the server went wrong
    │  ├─ APIConnectionError          no answer: try again later
    │  │  ├─ APITimeoutError          no answer in time
    │  │  └─ CircuitOpen              not sent: the server has stopped answering, and others try already
    │  ├─ APIResponseValidationError  an answer of another shape than the protocol's (alias: ResponseInvalid)
    │  └─ APIStatusError              an answer that says no
    │     ├─ BadRequestError 400           ├─ ConflictError 409
    │     ├─ AuthenticationError 401       ├─ UnprocessableEntityError 422
    │     ├─ BillingError 402              ├─ RateLimitError 429
    │     ├─ PermissionDeniedError 403     └─ InternalServerError 500 and above
    │     └─ NotFoundError 404
    ├─ RequestFailedError             the server accepted the operation and then failed it
    ├─ PromiseExpired                 the server no longer knows the operation it accepted
    ├─ CredentialError                no usable key: expired, or its command failed
    ├─ ClientClosed                   the client was closed: open another one
    ├─ RequestInvalid                 a request of another shape than the protocol's (what a server raises)
    └─ NotSupportedByServer           this kind of server has no equivalent of the feature

Attributes carry what a report needs; the message alone is enough for a person.
"""

from collections.abc import Mapping
from enum import StrEnum

from tinkex_actors.types.ids import RequestId


class RequestErrorCategory(StrEnum):
    """Whose fault a failed operation was, in the server's opinion. Reading is case-insensitive."""

    UNKNOWN = "unknown"
    SERVER = "server"
    USER = "user"

    @classmethod
    def _missing_(cls, value: object) -> "RequestErrorCategory":
        """Read other spellings by their lower case, and everything else as unknown."""
        known = {member.value: member for member in cls}
        return known.get(value.lower(), cls.UNKNOWN) if isinstance(value, str) else cls.UNKNOWN


class TinkerError(Exception):
    """The root of the tree."""


class ClientClosed(TinkerError):
    """The client was closed. An operation that was on its way may have been executed or not."""


class APIError(TinkerError):
    """The conversation with the server went wrong."""

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        request_id: RequestId | None = None,
        attempts: int | None = None,
        body: object = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        """The protocol's name of what was being done, such as ``"forward_backward"``."""
        self.request_id = request_id
        """The promise in question, when one was held."""
        self.attempts = attempts
        """How often it was tried, when that is known."""
        self.body = body
        """What the server said: parsed JSON, else text, else ``None``."""


class APIConnectionError(APIError):
    """No answer came: refused, reset, unresolved, or lost on the way."""


class APITimeoutError(APIConnectionError):
    """No answer came in time."""


class CircuitOpen(APIConnectionError):
    """It was not sent: the last requests went unanswered, and one at a time tries whether the server is back."""

    def __init__(self, message: str, *, operation: str | None = None, retry_in: float = 0.0) -> None:
        super().__init__(message, operation=operation, attempts=0)
        self.retry_in = retry_in
        """Seconds until the next one is let through; 0 if one is on its way."""


class APIResponseValidationError(APIError):
    """The server's answer has another shape than the protocol's.

    The message names where, what was expected and what was there; so do the attributes.
    """

    def __init__(
        self, *, path: str, expected: str, got: str, operation: str | None = None, request_id: RequestId | None = None
    ) -> None:
        where = f" in the answer to {operation}" if operation else " in the server's answer"
        super().__init__(f"{path}: expected {expected}, got {got}{where}", operation=operation, request_id=request_id)
        self.path = path
        """Where in the answer, such as ``"sequences[0].tokens"``; ``"$"`` is the whole."""
        self.expected = expected
        """What the protocol has there."""
        self.got = got
        """What was there, shortened."""


ResponseInvalid = APIResponseValidationError
"""The short name of `APIResponseValidationError` within this package."""


_FIRST_SERVER_ERROR = 500


class APIStatusError(APIError):
    """The server answered with a status that means no."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        headers: Mapping[str, str] | None = None,
        operation: str | None = None,
        request_id: RequestId | None = None,
        attempts: int | None = None,
        body: object = None,
        is_after_doubt: bool = False,
    ) -> None:
        super().__init__(message, operation=operation, request_id=request_id, attempts=attempts, body=body)
        self.is_after_doubt = is_after_doubt
        """Whether an attempt before this one may have been carried out although nobody said so."""
        self.status_code = status_code
        """The HTTP status."""
        self.headers: Mapping[str, str] = headers or {}
        """The answer's headers; names in lower case."""

    @property
    def category(self) -> RequestErrorCategory:
        """Whose fault it is: in the server's opinion where its body has one, else the user's below 500."""
        match self.body:
            case {"category": str(told)}:
                return RequestErrorCategory(told)
            case _ if self.status_code < _FIRST_SERVER_ERROR:
                return RequestErrorCategory.USER
            case _:
                return RequestErrorCategory.SERVER


class BadRequestError(APIStatusError):
    """400: the server finds the request wrong."""


class AuthenticationError(APIStatusError):
    """401: the key is missing, wrong or expired."""


class BillingError(APIStatusError):
    """402: the account cannot pay."""


class PermissionDeniedError(APIStatusError):
    """403: the key may not do this."""


class NotFoundError(APIStatusError):
    """404: no such thing, or no such endpoint."""


class ConflictError(APIStatusError):
    """409: it clashes with what is already there."""


class UnprocessableEntityError(APIStatusError):
    """422: the request's fields are wrong."""


class RateLimitError(APIStatusError):
    """429: too much at once."""


class InternalServerError(APIStatusError):
    """500 and above: the server failed."""


_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: BillingError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def status_error_class(status_code: int) -> type[APIStatusError]:
    """Choose the class for an HTTP status; one that has no class of its own is a plain `APIStatusError`."""
    if status_code >= _FIRST_SERVER_ERROR:
        return InternalServerError
    return _BY_STATUS.get(status_code, APIStatusError)


class RequestFailedError(TinkerError):
    """The server accepted the operation and then failed it. Trying again is a new operation."""

    def __init__(
        self,
        message: str,
        *,
        request_id: RequestId | None = None,
        category: RequestErrorCategory = RequestErrorCategory.UNKNOWN,
        operation: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id
        """The promise that failed."""
        self.category = category
        """Whose fault it was, in the server's opinion."""
        self.operation = operation
        """The protocol's name of what was being done."""


class PromiseExpired(TinkerError):
    """The server no longer knows an operation it had accepted: it restarted, or kept the result too short a time."""

    def __init__(self, message: str, *, request_id: RequestId | None = None, operation: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id
        """The lost promise."""
        self.operation = operation
        """The protocol's name of what was being done."""


class CredentialError(TinkerError):
    """There is no usable credential: a token has expired, or the command that prints one failed. Nothing was sent."""


class RequestInvalid(TinkerError):
    """A request has another shape than the protocol's. A server answers it with 422."""

    def __init__(self, *, path: str, expected: str, got: str, operation: str | None = None) -> None:
        super().__init__(f"{path}: expected {expected}, got {got}")
        self.path = path
        """Where in the request, such as ``"data[3].loss_fn_inputs.weights"``; ``"$"`` is the whole."""
        self.expected = expected
        """What the protocol has there."""
        self.got = got
        """What was there, shortened."""
        self.operation = operation
        """The protocol's name of the operation."""


class NotSupportedByServer(TinkerError):
    """This kind of server has no equivalent of the feature."""

    def __init__(self, feature: str, *, hint: str | None = None) -> None:
        super().__init__(f"the server does not offer {feature}" + (f"; {hint}" if hint else ""))
        self.feature = feature
        """What was asked for, in the words of the documentation."""

"""`tinkex_actors.types.errors`: the official tree, and messages that are enough for a person."""

from typing import cast

import pytest
import tinker

from tinkex_actors import types
from tinkex_actors.types import (
    APIConnectionError,
    APIStatusError,
    NotSupportedByServer,
    PromiseExpired,
    RequestErrorCategory,
    RequestFailedError,
    RequestId,
    RequestInvalid,
    ResponseInvalid,
    status_error_class,
)

OFFICIAL = [
    name
    for name in dir(tinker)
    if isinstance(getattr(tinker, name), type) and issubclass(getattr(tinker, name), tinker.TinkerError)
]


@pytest.mark.parametrize("name", OFFICIAL)
def test_every_official_exception_is_here_under_the_same_parents(name: str) -> None:
    """``except`` clauses written for the SDK keep their meaning."""
    ancestors = {base.__name__ for base in getattr(tinker, name).__mro__}
    assert ancestors <= {base.__name__ for base in getattr(types, name).__mro__}


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (402, "BillingError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "ConflictError"),
        (418, "APIStatusError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (599, "InternalServerError"),
    ],
)
def test_a_status_chooses_its_class(status: int, name: str) -> None:
    """A class for each reaction."""
    assert status_error_class(status).__name__ == name


def test_a_status_error_carries_what_a_report_needs() -> None:
    """Operation, promise, attempts, headers and body."""
    error = APIStatusError(
        "nope", status_code=418, headers={"a": "b"}, operation="x", request_id=RequestId("r"), attempts=3, body={"k": 1}
    )
    assert (str(error), error.status_code, error.headers, error.operation) == ("nope", 418, {"a": "b"}, "x")
    assert (error.request_id, error.attempts, error.body) == ("r", 3, {"k": 1})
    assert APIConnectionError("lost").operation is None


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ResponseInvalid(path="a.b", expected="text", got="7"), "a.b: expected text, got 7 in the server's answer"),
        (
            ResponseInvalid(path="a", expected="text", got="7", operation="get_info"),
            "a: expected text, got 7 in the answer to get_info",
        ),
        (RequestInvalid(path="a", expected="text", got="7"), "a: expected text, got 7"),
        (NotSupportedByServer("exports"), "the server does not offer exports"),
        (NotSupportedByServer("exports", hint="use archives"), "the server does not offer exports; use archives"),
        (PromiseExpired("gone", request_id=RequestId("r")), "gone"),
        (RequestFailedError("boom", category=RequestErrorCategory.USER), "boom"),
    ],
)
def test_the_message_says_it_all(error: Exception, message: str) -> None:
    """What was expected, what was there, and the next step."""
    assert str(error) == message


@pytest.mark.parametrize(
    ("text", "category"), [("User", "user"), ("SERVER", "server"), ("alien", "unknown"), (None, "unknown")]
)
def test_categories_are_read_leniently(text: object, category: str) -> None:
    """An unknown category must not hide the failure."""
    assert RequestErrorCategory(cast("str", text)) == category

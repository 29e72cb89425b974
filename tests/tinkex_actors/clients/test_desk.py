"""Whatever a server answers: a value of the protocol, or one of our errors, for every method of the REST surface."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.clients.rest_server import SETTINGS, rest_over
from tinkex_actors.clients import RestClient
from tinkex_actors.settings import Figures
from tinkex_actors.types import (
    APIConnectionError,
    APIStatusError,
    InternalServerError,
    NotFoundError,
    NotSupportedByServer,
    ResponseInvalid,
    TinkerError,
)

PATH = "tinker://r:train:0/weights/a"
EXPORT = "tinker://r:train:0/external_weights/a"
DAY = datetime(2026, 1, 1, tzinfo=UTC)
BRIEF = evolve(SETTINGS, figures=Figures(max_retries=1, retry_patience=1.0))

Call = Callable[[RestClient], Awaitable[Any]]

QUESTIONS: dict[str, Call] = {
    "check_health": lambda rest: rest.check_health(),
    "get_api_key": lambda rest: rest.get_api_key(),
    "list_training_runs": lambda rest: anext(aiter(rest.list_training_runs())),
    "get_training_run": lambda rest: rest.get_training_run("r"),
    "get_weights_info": lambda rest: rest.get_weights_info_by_tinker_path(PATH),
    "list_checkpoints": lambda rest: rest.list_checkpoints("r"),
    "list_user_checkpoints": lambda rest: anext(aiter(rest.list_user_checkpoints())),
    "get_external_weights_urls": lambda rest: rest.get_external_weights_urls(EXPORT),
    "get_checkpoint_archive_url": lambda rest: rest.get_checkpoint_archive_url(PATH),
    "copy_weights": lambda rest: rest.copy_weights(PATH, "p"),
    "get_session": lambda rest: rest.get_session("s"),
    "list_sessions": lambda rest: anext(aiter(rest.list_sessions())),
    "search_sessions": lambda rest: anext(aiter(rest.search_sessions())),
    "get_sampler": lambda rest: rest.get_sampler("q"),
    "export_session_trace": lambda rest: rest.export_session_trace("s"),
    "get_audit_log": lambda rest: rest.admin.get_audit_log(),
    "get_billing_usage": lambda rest: rest.admin.get_billing_usage(DAY, DAY + timedelta(hours=1)),
    "get_storage_usage": lambda rest: rest.admin.get_current_checkpoint_storage_usage(),
}
ORDERS: dict[str, Call] = {
    "delete_api_key": lambda rest: rest.delete_api_key(),
    "delete_checkpoint": lambda rest: rest.delete_checkpoint("r", "weights/a"),
    "publish": lambda rest: rest.publish_checkpoint_from_tinker_path(PATH),
    "unpublish": lambda rest: rest.unpublish_checkpoint_from_tinker_path(PATH),
    "set_ttl": lambda rest: rest.set_checkpoint_ttl_from_tinker_path(PATH, 3600),
    "assign_project": lambda rest: rest.assign_session_project("s", "p"),
}
ALL = QUESTIONS | ORDERS


def in_turn(answers: Iterable[httpx.Response]) -> Callable[[httpx.Request], httpx.Response]:
    """Answer with one after another."""
    rest = iter(answers)
    return lambda _: next(rest)


GARBAGE = [
    b"",
    b"<html>502</html>",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b'{"a": NaN}',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"sessions": 7, "checkpoints": {}, "training_runs": [null], "entries": [[]], "data": "x", "cursor": 1}',
    b'{"sessions": [7], "checkpoints": [{}], "training_runs": [{}], "cursor": {"offset": 0, "limit": 1, "total_count": 1}}',
    b'{"status": 7, "urls": [], "url": 7, "tinker_path": 7, "session_id": [], "key_id": "1", "expires": "soon"}',
]


@pytest.mark.parametrize("name", QUESTIONS)
async def test_an_answer_that_is_none_is_one_kind_of_error(name: str) -> None:
    """Never what a parser raised."""
    async with rest_over(in_turn(httpx.Response(200, content=body) for body in GARBAGE)) as rest:
        for _ in GARBAGE:
            with pytest.raises(ResponseInvalid) as refused:
                await QUESTIONS[name](rest)
            assert refused.value.operation


@pytest.mark.parametrize("name", ORDERS)
async def test_what_a_success_says_to_an_order_is_read_by_nobody(name: str) -> None:
    """Services answer with nothing, with an object, with a page."""
    async with rest_over(in_turn(httpx.Response(200, content=body) for body in GARBAGE)) as rest:
        for _ in GARBAGE:
            await ORDERS[name](rest)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("status", "body"), [(404, {"detail": "Not Found"}), (405, {"detail": "Method Not Allowed"})])
async def test_a_server_without_the_endpoint_does_not_support_it(name: str, status: int, body: object) -> None:
    """The error names the feature, and its cause has the server's own words."""
    async with rest_over(lambda _: httpx.Response(status, json=body)) as rest:
        with pytest.raises(NotSupportedByServer, match="the server does not offer") as refused:
            await ALL[name](rest)
    assert isinstance(refused.value.__cause__, APIStatusError)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", NotSupportedByServer),
        (b"<html>404</html>", NotSupportedByServer),
        (b'{"detail": "NOT FOUND"}', NotSupportedByServer),
        (b'{"detail": {"run": "unknown"}}', NotFoundError),
        (b'{"error": "unknown"}', NotFoundError),
    ],
)
async def test_a_404_is_told_apart_by_its_words(body: bytes, error: type[TinkerError]) -> None:
    """The protocol's errors are objects that explain; what has no words comes from a router."""
    async with rest_over(lambda _: httpx.Response(404, content=body)) as rest:
        with pytest.raises(error):
            await rest.get_training_run("r")


async def test_what_may_be_missing_either_way_is_said() -> None:
    """A path with an identifier in it leaves a doubt; a list leaves none."""
    async with rest_over(lambda _: httpx.Response(404, json={"detail": "Not Found"})) as rest:
        with pytest.raises(NotSupportedByServer, match=r"training run; or there is nothing by that name$"):
            await rest.get_training_run("r")
        with pytest.raises(NotSupportedByServer, match=r"lists of sessions$"):
            await rest.list_sessions().page()


@pytest.mark.parametrize("name", ALL)
async def test_a_server_without_the_thing_says_so(name: str) -> None:
    """That is another error than a server without the endpoint."""
    async with rest_over(lambda _: httpx.Response(404, json={"detail": "no such thing here"})) as rest:
        with pytest.raises(NotFoundError, match="no such thing here"):
            await ALL[name](rest)


@pytest.mark.parametrize("name", ALL)
async def test_a_server_that_is_down_is_asked_again_for_a_while(name: str, autojump_clock: MockClock) -> None:
    """Then the last failure is handed over, with the number of attempts."""
    failures: list[type[APIConnectionError | InternalServerError]] = [APIConnectionError, InternalServerError]
    is_there = False

    def answer(_: httpx.Request) -> httpx.Response:
        """Answer everything."""
        if is_there:
            return httpx.Response(503)
        raise httpx.ConnectError("refused")

    async with rest_over(answer, BRIEF) as rest:
        for failure in failures:
            with pytest.raises(failure) as failed:
                await ALL[name](rest)
            assert (failed.value.attempts or 0) > 1
            is_there = True
    assert autojump_clock.current_time() > 0


@pytest.mark.parametrize("name", ALL)
async def test_any_other_refusal_has_its_class(name: str) -> None:
    """Redirects too: they are not followed to wherever they lead, except signed links."""
    statuses = (301, 302, 400, 401, 402, 403, 413, 418, 422)
    async with rest_over(in_turn(httpx.Response(status, json={"detail": "no"}) for status in statuses)) as rest:
        for _ in statuses:
            with pytest.raises(TinkerError) as refused:
                await ALL[name](rest)
            assert isinstance(refused.value, APIStatusError | ResponseInvalid)


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "../x"])
async def test_an_identifier_cannot_lead_elsewhere(bad: str) -> None:
    """Deleting a checkpoint must not become deleting something else; nothing is sent."""
    async with rest_over(lambda _: pytest.fail("sent")) as rest:
        for call in (rest.get_training_run, rest.get_session, rest.get_sampler, rest.export_session_trace):
            with pytest.raises(ValueError, match="must be an identifier without a slash"):
                await call(bad)
        for path in (f"tinker://{bad}/weights/a", f"tinker://r/weights/{bad}"):
            with pytest.raises(ValueError, match="must be"):
                await rest.delete_checkpoint_from_tinker_path(path)


async def test_what_is_special_in_an_identifier_stays_within_it() -> None:
    """A question mark begins no query; a colon stays as it is."""
    seen = list[bytes]()

    def answer(request: httpx.Request) -> httpx.Response:
        """Answer everything."""
        seen.append(request.url.raw_path)
        return httpx.Response(200)

    async with rest_over(answer) as rest:
        await rest.delete_checkpoint("r:train:0", "weights/a?b#c d%2F")
    assert seen == [b"/api/v1/training_runs/r:train:0/checkpoints/weights/a%3Fb%23c%20d%252F"]

"""What the REST client promises about checkpoints beyond asking."""

from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from trio.testing import MockClock

from tests.tinkex_actors.clients.rest_server import SETTINGS, rest_over
from tinkex_actors.types import CheckpointArchiveUrl, ConflictError, NotFoundError, ResponseInvalid

PATH = "tinker://r:train:0/weights/a"


class Script:
    """Answers in order and remembers what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.seen = list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_what_is_public_already_is_published_at_once(autojump_clock: MockClock) -> None:
    """Services say 409 then; waiting for it to pass would take a minute, and the wish is fulfilled."""
    conflict = httpx.Response(409, json={"detail": "already public"})
    script = Script(conflict, conflict)
    async with rest_over(script) as rest:
        await rest.publish_checkpoint_from_tinker_path(PATH)
        await rest.unpublish_checkpoint_from_tinker_path(PATH)
    assert [request.method for request in script.seen] == ["POST", "DELETE"]
    assert autojump_clock.current_time() == 0


async def test_a_deletion_whose_answer_was_lost_has_succeeded(autojump_clock: MockClock) -> None:
    """The repeat finds nothing, which is what was wanted; a first attempt that finds nothing is an error."""
    gone = httpx.Response(404, json={"detail": "no such checkpoint"})
    async with rest_over(Script(httpx.ReadError("lost"), gone, gone)) as rest:
        await rest.delete_checkpoint_from_tinker_path(PATH)
        with pytest.raises(NotFoundError):
            await rest.delete_checkpoint_from_tinker_path(PATH)
    assert autojump_clock.current_time() > 0


async def test_a_copy_is_asked_for_under_one_key(autojump_clock: MockClock) -> None:
    """So that repeats make no second copy; the token travels in a header and never in the body."""
    script = Script(httpx.Response(503), httpx.Response(200, json={"tinker_path": "tinker://c/weights/a"}))
    async with rest_over(script) as rest:
        assert await rest.copy_weights(PATH, "p", weights_access_token="secret") == "tinker://c/weights/a"  # noqa: S106 - a test's
    first, second = script.seen
    assert first.headers["x-idempotency-key"] == second.headers["x-idempotency-key"]
    assert second.headers["x-tinker-weights-access-token"] == "secret"
    assert orjson.loads(second.content) == {"source_path": PATH, "destination_project_id": "p"}
    assert autojump_clock.current_time() > 0


async def test_what_makes_no_sense_is_refused_before_it_is_sent() -> None:
    """Each with what to do instead."""
    async with rest_over(Script()) as rest:
        with pytest.raises(ValueError, match="set TINKER_PROJECT_ID"):
            await rest.copy_weights(PATH)
        with pytest.raises(ValueError, match="ttl_seconds must be >= 1, or None for ever, got 0"):
            await rest.set_checkpoint_ttl_from_tinker_path(PATH, 0)
        with pytest.raises(ValueError, match="only tinker://run/external_weights/name"):
            await rest.get_external_weights_urls(PATH)
        with pytest.raises(ValueError, match="must begin with tinker://"):
            await rest.get_weights_info_by_tinker_path("r/weights/a")
        with pytest.raises(ValueError, match="access_scope must be owned or accessible, got 'all'"):
            rest.list_training_runs(access_scope="all")  # type: ignore[arg-type]  # the point
        with pytest.raises(ValueError, match="project_id must not be empty"):
            await rest.assign_session_project("s", "")
        with pytest.raises(ValueError, match="must not be empty"):
            rest.search_sessions(display_name="")


@pytest.mark.tinkex("T63")
async def test_an_archive_is_waited_for_while_it_is_packed(autojump_clock: MockClock) -> None:
    """503 until it is there; then the link, not what is behind it."""
    link = {"location": "https://storage/a.tar?s=1", "expires": "Thu, 01 Jan 2026 01:00:00 GMT"}
    busy = [httpx.Response(503, headers={"retry-after": "30"}) for _ in range(5)]
    script = Script(*busy, httpx.Response(302, headers=link))
    async with rest_over(script) as rest:
        archive = await rest.get_checkpoint_archive_url(PATH)
    assert archive == CheckpointArchiveUrl("https://storage/a.tar?s=1", datetime(2026, 1, 1, 1, tzinfo=UTC))
    assert autojump_clock.current_time() == 150
    assert script.seen[-1].url.path == "/api/v1/training_runs/r:train:0/checkpoints/weights/a/archive"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status_code": 200, "json": {"url": "https://x", "expires": None}}, CheckpointArchiveUrl("https://x")),
        ({"status_code": 302, "headers": {"location": "https://x", "expires": "0"}}, CheckpointArchiveUrl("https://x")),
        (
            {"status_code": 302, "headers": {"location": "/api/v1/there"}},
            CheckpointArchiveUrl(f"{SETTINGS.base_url}/api/v1/there"),
        ),
    ],
)
async def test_an_archives_link_comes_in_several_forms(answer: dict[str, Any], expected: CheckpointArchiveUrl) -> None:
    """As an answer, as a redirect, and as a redirect within the server."""
    async with rest_over(Script(httpx.Response(**answer))) as rest:
        assert await rest.get_checkpoint_archive_url(PATH) == expected


@pytest.mark.parametrize("place", ["ftp://x", "http://[", None])
async def test_an_archive_that_lies_nowhere_is_an_error_of_the_server(place: str | None) -> None:
    """Named by the header that is wrong."""
    headers = {} if place is None else {"location": place}
    async with rest_over(Script(httpx.Response(302, headers=headers))) as rest:
        with pytest.raises(ResponseInvalid, match="location: expected an address"):
            await rest.get_checkpoint_archive_url(PATH)


async def test_a_conflict_of_anything_else_is_an_error(autojump_clock: MockClock) -> None:
    """Only publishing is done when it is done already."""
    async with rest_over(lambda _: httpx.Response(409, json={"detail": "in use"})) as rest:
        with pytest.raises(ConflictError, match="in use"):
            await rest.delete_checkpoint_from_tinker_path(PATH)
    assert autojump_clock.current_time() > 0

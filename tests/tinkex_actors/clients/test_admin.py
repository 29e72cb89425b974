"""What administrators ask, as it goes over the wire."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

import httpx
import pytest

from tests.tinkex_actors.clients.rest_server import rest_over
from tinkex_actors.types import PermissionDeniedError

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_questions_are_written_as_the_service_reads_them() -> None:
    """Times in UTC with a Z, days without a time, and nothing that was not given."""
    seen = list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        """Answer everything."""
        seen.append(request.url.query.decode())
        return httpx.Response(200, json={"entries": [], "data": []})

    async with rest_over(answer) as rest:
        await rest.admin.get_audit_log()
        await rest.admin.get_audit_log("projects", day=NOON)
        await rest.admin.get_audit_log("teams", day=date(2026, 1, 2))
        there = NOON.astimezone(timezone(timedelta(hours=2)))
        await rest.admin.get_billing_usage(there, NOON + timedelta(days=14))
        await rest.admin.get_current_checkpoint_storage_usage(project_id="a b")
        await rest.admin.get_current_checkpoint_storage_usage()
    assert seen == [
        "event_type=all",
        "event_type=projects&day=2026-01-01",
        "event_type=teams&day=2026-01-02",
        "starting_on=2026-01-01T12%3A00%3A00Z&ending_before=2026-01-15T12%3A00%3A00Z",
        "project_id=a+b",
        "",
    ]


async def test_an_audit_log_that_lies_in_storage_is_fetched_without_the_key() -> None:
    """Services hand out a signed link to it."""
    entry = {"timestamp": "2026-01-01T00:00:00Z", "event": "checkpoint_read"}

    def answer(request: httpx.Request) -> httpx.Response:
        """Answer everything."""
        if request.url.host == "storage":
            assert "x-api-key" not in request.headers
            return httpx.Response(200, json={"entries": [entry]})
        return httpx.Response(302, headers={"location": "http://storage/log"})

    async with rest_over(answer) as rest:
        assert [one.event for one in (await rest.admin.get_audit_log()).entries] == ["checkpoint_read"]


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (NOON.replace(tzinfo=None), NOON, "starting_on must have a time zone, got 2026-01-01 12:00:00; add tzinfo=UTC"),
        (NOON, NOON + timedelta(minutes=1), "ending_before must be a full hour in UTC"),
        (NOON, NOON, "ending_before must be up to 14 days after starting_on, got 0:00:00 after it"),
        (NOON, NOON + timedelta(days=15), "must be up to 14 days after starting_on, got 15 days"),
    ],
)
async def test_a_window_that_makes_no_sense_is_refused(start: datetime, end: datetime, message: str) -> None:
    """Before it is sent."""
    async with rest_over(lambda _: pytest.fail("sent")) as rest:
        with pytest.raises(ValueError, match=re.escape(message)):
            await rest.admin.get_billing_usage(start, end)
        with pytest.raises(ValueError, match=r"event_type must be one of all, checkpoints, .*, got 'models'"):
            await rest.admin.get_audit_log("models")  # type: ignore[arg-type]  # the point


async def test_a_key_without_the_right_is_told_so() -> None:
    """Once, and without repeats."""
    async with rest_over(lambda _: httpx.Response(403, json={"detail": "not an administrator"})) as rest:
        with pytest.raises(PermissionDeniedError, match="not an administrator") as refused:
            await rest.admin.get_audit_log()
    assert refused.value.attempts == 1

"""Sessions and accounts in JSON, held against the official SDK's own types."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter
from tinker import types as sdk
from tinker.types.session_search_request import SessionSearchRequest as SdkSearch
from tinker.types.session_search_response import SessionSearchResponse as SdkFound

from tests.tinkex_actors.wire.test_json_codec import NASTY, _replace
from tinkex_actors.types import (
    AuditLogResponse,
    BillingUsageResponse,
    ClientSessionFinished,
    ClientSessionFinishReason,
    CurrentCheckpointStorageUsageResponse,
    FinishReason,
    ResponseInvalid,
    SearchOwner,
    SessionActive,
    SessionCancelled,
    SessionFailed,
    SessionFailedRequestReason,
    SessionFailedSamplingSessionReason,
    SessionFailedTrainingRunReason,
    SessionId,
    SessionSearchCursor,
    SessionSearchResponse,
    SessionStatusQuery,
    StorageBillingEvent,
    TraceExportResponse,
    TrainingBillingEvent,
    UnknownVariant,
)
from tinkex_actors.types.ids import ModelId, RequestId, SamplingSessionId
from tinkex_actors.wire import SessionSearchRequest, decode_answer, decode_request, encode_json

SUMMARY: dict[str, Any] = {
    "session_id": "s",
    "created_at": "2026-01-01T00:00:00Z",
    "owner": "me",
    "project_id": "p",
    "checkpoints_count": 0,
}
NOON = "2026-01-01T12:00:00Z"
USAGE = {"bucket_start": NOON, "bucket_end": NOON}
BILLING: dict[str, Any] = {
    "data": [
        {**USAGE, "event_info": {"type": "training", "token_count": 5}, "estimated_cost_usd": 0.5, "session_id": "s"},
        {**USAGE, "event_info": {"type": "sampling_prefill", "cached": True, "token_count": 5}},
        {**USAGE, "event_info": {"type": "sampling_sample", "token_count": 5}},
        {**USAGE, "event_info": {"type": "checkpoint", "count": 1}},
        {**USAGE, "event_info": {"type": "storage", "gigabyte_hours": 2}},
    ],
    "sessions": {"s": {"user_metadata": {"a": "b"}}},
    "cost_data_through": NOON,
}
AUDIT: dict[str, Any] = {"entries": [{"timestamp": NOON, "event": "checkpoint_read", "event_details": {"who": ["x"]}}]}
STORAGE: dict[str, Any] = {"data": [{"checkpoint_count": 2, "size_bytes": 10, "size_gigabytes": 1e-8}]}


def found(status: object) -> object:
    """Read the status of a session that was found."""
    body = orjson.dumps({"sessions": [{**SUMMARY, "status": status}]})
    return decode_answer(SessionSearchResponse, body).sessions[0].status


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, None),
        ({"type": "active"}, SessionActive()),
        ({"type": "cancelled", "detail": "by hand"}, SessionCancelled("by hand")),
        (
            {"type": "client_finished", "reason": {"type": "errored"}},
            ClientSessionFinished(ClientSessionFinishReason(FinishReason.ERRORED)),
        ),
        (
            {
                "type": "failed",
                "category": "user",
                "message": "no",
                "reason": {"type": "request", "request_id": "r", "request_type": "t"},
            },
            SessionFailed("user", SessionFailedRequestReason(RequestId("r"), "t"), "no"),
        ),
        (
            {
                "type": "failed",
                "category": "internal",
                "message": "",
                "reason": {"type": "training_run", "training_run_id": "m"},
            },
            SessionFailed("internal", SessionFailedTrainingRunReason(ModelId("m")), ""),
        ),
        (
            {
                "type": "failed",
                "category": "internal",
                "message": "",
                "reason": {"type": "sampling_session", "sampling_session_id": "q"},
            },
            SessionFailed("internal", SessionFailedSamplingSessionReason(SamplingSessionId("q")), ""),
        ),
    ],
)
def test_every_status_is_read_as_the_official_client_reads_it(status: object, expected: object) -> None:
    """What the one can tell apart, the other can."""
    assert found(status) == expected
    if status is not None:
        theirs = SdkFound.model_validate({"sessions": [{**SUMMARY, "status": status}]}).sessions[0].status
        assert isinstance(theirs, BaseModel)
        assert orjson.loads(encode_json(expected)) == theirs.model_dump(mode="json", exclude_none=True)


def test_a_status_newer_than_this_client_is_no_error() -> None:
    """With everything that came along; so is a reason of a failure, and a kind of usage."""
    assert found({"type": "asleep", "until": 7}) == UnknownVariant("asleep", {"until": 7})
    failed = {"type": "failed", "category": "new", "message": "m", "reason": {"type": "disk", "path": "/"}}
    assert found(failed) == SessionFailed("new", UnknownVariant("disk", {"path": "/"}), "m")
    usage = {**BILLING, "data": [{**USAGE, "event_info": {"type": "gpu", "hours": 1}}]}
    read = decode_answer(BillingUsageResponse, orjson.dumps(usage))
    assert read.data[0].event_info == UnknownVariant("gpu", {"hours": 1})
    assert orjson.loads(encode_json(read.data[0].event_info)) == {"type": "gpu", "hours": 1}


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        ({"type": None}, r"sessions\[0\].status.type: expected active, cancelled.*got None"),
        ("active", r"sessions\[0\].status: expected an object, got 'active'"),
        ({"type": "failed", "category": "user", "message": "m"}, r"sessions\[0\].status.reason: expected a value"),
        ({"type": "client_finished", "reason": {"type": "won"}}, r"status.reason.type: expected one of success"),
    ],
)
def test_a_malformed_status_is_named_by_its_path(status: object, complaint: str) -> None:
    """So that a report of it can be understood."""
    with pytest.raises(ResponseInvalid, match=complaint):
        found(status)


@pytest.mark.parametrize(
    "ours",
    [
        SessionSearchRequest(),
        SessionSearchRequest(
            {"a": "b"},
            SearchOwner("user", ("u",)),
            SessionId("s"),
            ("p",),
            "name",
            (SessionStatusQuery("active"), SessionStatusQuery("client_finished", (FinishReason.SUCCESS,))),
            7,
            SessionSearchCursor("2026-01-01T00:00:00Z", SessionId("s")),
        ),
        SessionSearchRequest(owner=SearchOwner("accessible")),
    ],
)
def test_a_search_is_written_as_the_official_client_writes_it(ours: SessionSearchRequest) -> None:
    """Their strict model accepts it, and writes the same again."""
    body = orjson.loads(encode_json(ours))
    assert SdkSearch.model_validate(body).model_dump(mode="json", exclude_none=True) == body
    assert decode_request(SessionSearchRequest, encode_json(ours)) == ours


def test_a_bill_is_read_as_the_official_client_reads_it() -> None:
    """Every kind of usage, and the defaults."""
    read = decode_answer(BillingUsageResponse, orjson.dumps(BILLING))
    assert read.data[0].event_info == TrainingBillingEvent(5)
    assert read.data[-1].event_info == StorageBillingEvent(2.0, free=False)
    assert read.cost_data_through == datetime(2026, 1, 1, 12, tzinfo=UTC)
    theirs = TypeAdapter(sdk.BillingUsageResponse)
    assert theirs.validate_json(encode_json(read)) == theirs.validate_python(BILLING)


@pytest.mark.parametrize(
    ("kind", "body"), [(AuditLogResponse, AUDIT), (CurrentCheckpointStorageUsageResponse, STORAGE)]
)
def test_accounts_are_read_without_loss(kind: type[Any], body: dict[str, Any]) -> None:
    """What came goes back the same."""
    read = decode_answer(kind, orjson.dumps(body))
    again = orjson.loads(encode_json(read))
    assert decode_answer(kind, encode_json(read)) == read
    assert body.keys() <= again.keys()


BODIES: list[tuple[type[Any], Any]] = [
    (BillingUsageResponse, BILLING),
    (AuditLogResponse, AUDIT),
    (CurrentCheckpointStorageUsageResponse, STORAGE),
    (SessionSearchResponse, {"sessions": [{**SUMMARY, "status": {"type": "cancelled"}}], "next_cursor": {"last_created_at": NOON, "last_session_id": "s"}}),
    (TraceExportResponse, {"status": "ready", "url": "https://there"}),
]  # fmt: skip


@given(st.sampled_from(BODIES), NASTY, st.data())
def test_a_mutated_answer_is_read_or_refused(sample: tuple[type[Any], Any], nasty: object, data: st.DataObject) -> None:
    """Any value at any place: a right value or the one error, never another."""
    kind, body = sample
    try:
        assert isinstance(decode_answer(kind, orjson.dumps(_replace(body, nasty, data))), kind)
    except ResponseInvalid as error:
        assert error.path  # noqa: PT017 - not raising is fine as well

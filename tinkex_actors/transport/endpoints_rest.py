"""The endpoints that only look things up and put them in order: one row for each, as in `endpoints`.

They hold no promise and no number: every one is safe to send again. Not every kind of server has them all, so each row says
what it offers (`Endpoint.feature`).
"""

from typing import Generic, TypeVar

from attrs import frozen

from tinkex_actors.transport.endpoints import Endpoint, Question, encode_nothing
from tinkex_actors.transport.seam import Persistence
from tinkex_actors.types import (
    ApiKeyResponse,
    AuditLogResponse,
    BillingUsageResponse,
    CheckpointArchiveUrl,
    CheckpointsListResponse,
    CopyWeightsResponse,
    CurrentCheckpointStorageUsageResponse,
    ExternalWeightsUrlsResponse,
    GetSamplerResponse,
    GetServerCapabilitiesResponse,
    GetSessionResponse,
    HealthResponse,
    ListSessionsResponse,
    SessionSearchResponse,
    TraceExportResponse,
    TrainingRun,
    TrainingRunsResponse,
    WeightsInfoResponse,
)
from tinkex_actors.wire.requests import (
    AssignProjectRequest,
    CheckpointTtlRequest,
    CopyWeightsRequest,
    SessionSearchRequest,
    WeightsInfoRequest,
)

Q = TypeVar("Q")
R = TypeVar("R")

_RUN = "/api/v1/training_runs/{run}"
_CHECKPOINT = _RUN + "/checkpoints/{kind}/{name}"


@frozen(kw_only=True)
class RestOrder(Endpoint[Q], Generic[Q]):
    """A row that changes something; whatever a success says is read by nobody."""

    persistence: Persistence = Persistence.PATIENCE


@frozen(kw_only=True)
class RestQuestion(Question[Q, R], Generic[Q, R]):
    """A row whose answer is an *R*."""

    persistence: Persistence = Persistence.PATIENCE


def _get(
    feature: str, name: str, path: str, answer: type[R], *, follows_redirect: bool = False
) -> RestQuestion[None, R]:
    return RestQuestion(
        feature=feature,
        name=name,
        path=path,
        method="GET",
        encode=encode_nothing,
        answer=answer,
        follows_redirect=follows_redirect,
    )


# ---------------------------------------------------------------------- the server

HEALTH = _get("a health check", "healthz", "/api/v1/healthz", HealthResponse)
CAPABILITIES = _get(
    "a list of its models",
    "get_server_capabilities",
    "/api/v1/get_server_capabilities",
    GetServerCapabilitiesResponse,
)
API_KEY = _get("a look at one's API key", "auth/apikey/me", "/api/v1/auth/apikey/me", ApiKeyResponse)
DELETE_API_KEY: RestOrder[None] = RestOrder(
    feature="deleting one's API key",
    name="auth/apikey/me/delete",
    path="/api/v1/auth/apikey/me",
    method="DELETE",
    encode=encode_nothing,
)

# ---------------------------------------------------------------------- training runs

TRAINING_RUNS = _get("lists of training runs", "training_runs/list", "/api/v1/training_runs", TrainingRunsResponse)
TRAINING_RUN = _get("a look at a training run", "training_runs", _RUN, TrainingRun)
WEIGHTS_INFO: RestQuestion[WeightsInfoRequest, WeightsInfoResponse] = RestQuestion(
    feature="a look at saved weights",
    name="weights_info",
    path="/api/v1/weights_info",
    answer=WeightsInfoResponse,
)

# ---------------------------------------------------------------------- checkpoints

RUN_CHECKPOINTS = _get(
    "lists of a run's checkpoints",
    "training_runs/checkpoints/list",
    _RUN + "/checkpoints",
    CheckpointsListResponse,
)
USER_CHECKPOINTS = _get(
    "lists of checkpoints across runs",
    "checkpoints/list",
    "/api/v1/checkpoints",
    CheckpointsListResponse,
)
EXTERNAL_WEIGHTS_URLS = _get(
    "downloads of external weights",
    "checkpoints/external_weights_urls",
    _CHECKPOINT + "/external_weights_urls",
    ExternalWeightsUrlsResponse,
)
ARCHIVE = _get(
    "downloads of checkpoints in one file",
    "checkpoints/archive",
    _CHECKPOINT + "/archive",
    CheckpointArchiveUrl,
)
DOWNLOAD: RestOrder[None] = RestOrder(
    feature="downloads",
    name="download",
    path="",
    method="GET",
    encode=encode_nothing,
)
"""Not an endpoint of the service: a link that it has signed."""
DELETE_CHECKPOINT: RestOrder[None] = RestOrder(
    feature="deleting checkpoints",
    name="checkpoints/delete",
    path=_CHECKPOINT,
    method="DELETE",
    encode=encode_nothing,
)
PUBLISH: RestOrder[None] = RestOrder(
    feature="publishing checkpoints",
    name="checkpoints/publish",
    path=_CHECKPOINT + "/publish",
    encode=encode_nothing,
    is_conflict_final=True,
)
UNPUBLISH: RestOrder[None] = RestOrder(
    feature="publishing checkpoints",
    name="checkpoints/unpublish",
    path=_CHECKPOINT + "/publish",
    method="DELETE",
    encode=encode_nothing,
    is_conflict_final=True,
)
SET_TTL: RestOrder[CheckpointTtlRequest] = RestOrder(
    feature="a time to live for checkpoints",
    name="checkpoints/ttl",
    path=_CHECKPOINT + "/ttl",
    method="PUT",
)
COPY_WEIGHTS: RestQuestion[CopyWeightsRequest, CopyWeightsResponse] = RestQuestion(
    feature="copies of checkpoints",
    name="copy_weights",
    path="/api/v1/copy_weights",
    answer=CopyWeightsResponse,
)

# ---------------------------------------------------------------------- sessions

SESSIONS = _get("lists of sessions", "sessions/list", "/api/v1/sessions", ListSessionsResponse)
SESSION = _get("a look at a session", "sessions", "/api/v1/sessions/{session_id}", GetSessionResponse)
SAMPLER = _get("a look at a sampling session", "samplers", "/api/v1/samplers/{sampler_id}", GetSamplerResponse)
SEARCH_SESSIONS: RestQuestion[SessionSearchRequest, SessionSearchResponse] = RestQuestion(
    feature="searching for sessions",
    name="sessions/search",
    path="/api/v1/sessions/search",
    answer=SessionSearchResponse,
)
ASSIGN_PROJECT: RestOrder[AssignProjectRequest] = RestOrder(
    feature="projects",
    name="sessions/project",
    path="/api/v1/sessions/{session_id}/project",
    method="PUT",
)
TRACE_EXPORT = _get(
    "traces of sessions",
    "sessions/trace_export",
    "/api/v1/sessions/{session_id}/trace_export",
    TraceExportResponse,
)

# ---------------------------------------------------------------------- the organisation

AUDIT = _get("an audit log", "audit", "/api/v1/audit", AuditLogResponse, follows_redirect=True)
BILLING_USAGE = _get("billing", "billing/usage/events", "/api/v1/billing/usage/events", BillingUsageResponse)
STORAGE_USAGE = _get(
    "billing of storage",
    "billing/usage/checkpoints/current",
    "/api/v1/billing/usage/checkpoints/current",
    CurrentCheckpointStorageUsageResponse,
)

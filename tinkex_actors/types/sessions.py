"""Sessions: the frame in which models and samplers live, kept alive by heartbeats."""

from enum import StrEnum
from typing import Literal, TypeAlias

from attrs import field, frozen

from tinkex_actors.types.ids import ModelId, SamplingSessionId, SessionId

AccessScope: TypeAlias = Literal["owned", "accessible"]
"""The caller's own only, or everything the caller may see."""


class FinishReason(StrEnum):
    """How a session ended."""

    SUCCESS = "success"
    ERRORED = "errored"
    INTERRUPTED = "interrupted"


@frozen
class CreateSessionResponse:
    """A new session. The messages are for people; none of them is an error of the request."""

    session_id: SessionId
    info_message: str | None = None
    warning_message: str | None = None
    error_message: str | None = None


@frozen
class CreateSamplingSessionResponse:
    """Something to sample from."""

    sampling_session_id: SamplingSessionId


@frozen
class GetSamplerResponse:
    """What a sampling session samples from."""

    sampler_id: SamplingSessionId
    base_model: str
    model_path: str | None = None


@frozen
class GetSessionResponse:
    """What belongs to a session."""

    training_run_ids: tuple[ModelId, ...]
    sampler_ids: tuple[SamplingSessionId, ...]
    user_metadata: dict[str, str] | None = field(default=None, hash=False)
    display_name: str | None = None


@frozen
class ListSessionsResponse:
    """One page of session ids."""

    sessions: tuple[SessionId, ...]


@frozen
class TraceExportResponse:
    """How far the export of a session's trace is."""

    status: Literal["pending", "ready", "failed"]
    url: str | None = None
    """A signed link, good for about an hour, once it is ready."""
    error: str | None = None

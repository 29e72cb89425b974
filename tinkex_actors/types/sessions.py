"""Sessions: the frame in which models and samplers live, kept alive by heartbeats."""

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from tinkex_actors.types.ids import ModelId, SamplingSessionId, SessionId


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
class SessionSummary:
    """One session in a search."""

    session_id: SessionId
    created_at: datetime
    owner: str
    project_id: str | None
    checkpoints_count: int
    display_name: str | None = None
    user_metadata: dict[str, str] | None = field(default=None, hash=False)
    checkpoint_storage_bytes: int | None = None

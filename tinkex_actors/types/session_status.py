"""How a session is, and what a search may ask for.

A status is one of a closed set that services extend: a variant newer than this client is an `UnknownVariant` with all its
fields, never an error.
"""

from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

from attrs import field, frozen

from tinkex_actors.types.ids import ModelId, RequestId, SamplingSessionId, SessionId
from tinkex_actors.types.sessions import FinishReason

MOST_OWNERS = 10
"""How many owners one search may name."""

StatusName: TypeAlias = Literal["active", "cancelled", "failed", "client_finished"]


@frozen
class UnknownVariant:
    """Something that this client does not know yet."""

    type: str
    fields: dict[str, Any] = field(factory=dict[str, Any], hash=False)
    """Everything else that the service says about it."""


@frozen
class SessionFailedRequestReason:
    """One of its requests failed it."""

    request_id: RequestId
    request_type: str
    type: Literal["request"] = "request"


@frozen
class SessionFailedTrainingRunReason:
    """One of its models failed it."""

    training_run_id: ModelId
    type: Literal["training_run"] = "training_run"


@frozen
class SessionFailedSamplingSessionReason:
    """One of its sampling sessions failed it."""

    sampling_session_id: SamplingSessionId
    type: Literal["sampling_session"] = "sampling_session"


SessionFailedReason: TypeAlias = (
    SessionFailedRequestReason | SessionFailedTrainingRunReason | SessionFailedSamplingSessionReason | UnknownVariant
)


@frozen
class SessionActive:
    """It goes on."""

    type: Literal["active"] = "active"


@frozen
class SessionCancelled:
    """Somebody ended it from outside."""

    detail: str | None = None
    type: Literal["cancelled"] = "cancelled"


@frozen
class SessionFailed:
    """Something in it ended it."""

    category: str
    """Whose fault: ``user`` or ``internal``."""
    reason: SessionFailedReason
    message: str
    type: Literal["failed"] = "failed"


@frozen
class ClientSessionFinishReason:
    """What its client said at the end."""

    type: FinishReason


@frozen
class ClientSessionFinished:
    """Its client ended it."""

    reason: ClientSessionFinishReason
    detail: str | None = None
    type: Literal["client_finished"] = "client_finished"


SessionStatus: TypeAlias = SessionActive | SessionCancelled | SessionFailed | ClientSessionFinished | UnknownVariant


@frozen
class SessionStatusQuery:
    """Which status a session that is looked for has.

    Raises:
        ValueError: There is no such status, or reasons are given for one that has none.
    """

    type: StatusName
    reasons: tuple[FinishReason, ...] | None = field(default=None)
    """Only for ``client_finished``: any of these; ``None`` is all."""

    def __attrs_post_init__(self) -> None:
        if self.type not in get_args(StatusName):
            raise ValueError(f"a session's status must be one of {', '.join(get_args(StatusName))}, got {self.type!r}")
        if self.reasons is not None and (self.type != "client_finished" or not self.reasons):
            raise ValueError(f"reasons must be at least one, and only for client_finished, got {self.reasons!r}")


@frozen
class SearchOwner:
    """Whose sessions are looked for.

    Raises:
        ValueError: Owners are named for another type than ``user``, or not 1 to 10 for that one.
    """

    type: Literal["own", "accessible", "user"] = "own"
    """The caller's own, everybody's that the caller may see, or those of the users in ``owner_urns``."""
    owner_urns: tuple[str, ...] | None = None

    def __attrs_post_init__(self) -> None:
        if self.type not in ("own", "accessible", "user"):
            raise ValueError(f"owner must be own, accessible or a list of users, got {self.type!r}")
        if (self.type == "user") != (self.owner_urns is not None):
            raise ValueError(f"owner_urns belongs to owner user and only there, got {self.type} {self.owner_urns!r}")
        if self.owner_urns is not None and not 1 <= len(self.owner_urns) <= MOST_OWNERS:
            raise ValueError(f"owner_urns must be 1 to {MOST_OWNERS}, got {len(self.owner_urns)}")


@frozen
class SessionSearchCursor:
    """Where the next page of a search begins; handed back as it came."""

    last_created_at: str
    """As the service wrote it: reading it as a time could round it, and lose or repeat a session."""
    last_session_id: SessionId


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
    status: SessionStatus | None = None
    """``None`` when it neither ended nor is known to go on."""


@frozen
class SessionSearchResponse:
    """One page of a search, newest first."""

    sessions: tuple[SessionSummary, ...]
    next_cursor: SessionSearchCursor | None = None
    """``None`` on the last page."""

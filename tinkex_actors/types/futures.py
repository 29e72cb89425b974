"""Promises and what asking for them brings: done, not yet, too big to send unasked, or failed."""

from enum import StrEnum
from typing import TypeAlias

from attrs import field, frozen

from tinkex_actors.types.errors import RequestErrorCategory
from tinkex_actors.types.ids import ModelId, RequestId, SequenceId


class QueueState(StrEnum):
    """Why an operation waits, in the server's words. Reading is case-insensitive; what is not known is ``UNKNOWN``."""

    ACTIVE = "active"
    PAUSED_RATE_LIMIT = "paused_rate_limit"
    PAUSED_CAPACITY = "paused_capacity"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> "QueueState":
        known = {member.value: member for member in cls}
        return known.get(value.lower(), cls.UNKNOWN) if isinstance(value, str) else cls.UNKNOWN


PAUSED = frozenset({QueueState.PAUSED_RATE_LIMIT, QueueState.PAUSED_CAPACITY})
"""The states in which nothing is carried out."""


@frozen
class Promise:
    """The server's word that it has accepted an operation. The official SDK calls it an untyped future."""

    request_id: RequestId
    """What to ask for."""
    model_id: ModelId | None = None
    """The model it is about, when the server says so."""
    sample_sequence_ids: tuple[SequenceId, ...] | None = None
    """Names of the sequences a sampling request will bring, in order; ``None`` on servers that give none."""


@frozen
class TryAgain:
    """Not yet."""

    request_id: RequestId | None = None
    """The promise; servers may leave it out."""
    queue_state: QueueState = field(default=QueueState.UNKNOWN, converter=QueueState)
    """Why it waits."""
    queue_state_reason: str | None = None
    """The same in the server's words, for people."""
    retry_after_ms: int | None = None
    """How long the server suggests to wait, in milliseconds."""


@frozen
class MetadataOnly:
    """Done, and so large that the server wants to be asked again before it sends the result."""

    response_payload_size: int
    """Bytes to expect."""


@frozen
class FutureFailure:
    """The operation failed."""

    error: str
    """What went wrong, in the server's words."""
    category: RequestErrorCategory = field(default=RequestErrorCategory.UNKNOWN, converter=RequestErrorCategory)
    """Whose fault it was."""


NotYet: TypeAlias = TryAgain | MetadataOnly | FutureFailure
"""Every answer to a promise that is not its result."""

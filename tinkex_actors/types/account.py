"""Who one is to the service, what was done in an organisation's name, and what it costs.

Costs are gross estimates in US dollars before credits, not amounts due; ``None`` is a cost that the service cannot tell.
"""

from datetime import datetime
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from tinkex_actors.types.ids import ModelId, SessionId, TinkerPath
from tinkex_actors.types.session_status import UnknownVariant

AuditEventType: TypeAlias = Literal["all", "checkpoints", "projects", "teams", "organizations"]


@frozen
class WhoamiResponse:
    """Whom a credential stands for."""

    user_urn: str
    org_urn: str
    """``tml:organization:…``."""
    email: str | None = None
    """``None`` when no person is behind it."""


@frozen
class ApiKeyResponse:
    """What the service keeps about an API key; never the key."""

    key_id: int
    name: str
    note: str | None = None
    details: Any = field(default=None, hash=False)


@frozen
class AuditLogEntry:
    """Something that was done in the organisation's name."""

    timestamp: datetime
    event: str
    """``{resource}_{action}``, such as ``checkpoint_read``."""
    event_details: dict[str, Any] = field(factory=dict[str, Any], hash=False)
    """Who did it, and to what."""
    model_id: ModelId | None = None
    """Older services only; see ``event_details``."""
    tinker_path: TinkerPath | None = None
    """Older services only; see ``event_details``."""
    purpose: str | None = None
    """Older services only; see ``event_details``."""


@frozen
class AuditLogResponse:
    """A day's entries, by time."""

    entries: tuple[AuditLogEntry, ...]


@frozen
class TrainingBillingEvent:
    """Tokens that were trained on."""

    token_count: int
    type: Literal["training"] = "training"


@frozen
class SamplingPrefillBillingEvent:
    """Tokens of prompts."""

    cached: bool
    """Whether they came from the cache, at its lower rate."""
    token_count: int
    type: Literal["sampling_prefill"] = "sampling_prefill"


@frozen
class SamplingSampleBillingEvent:
    """Tokens that were sampled."""

    token_count: int
    type: Literal["sampling_sample"] = "sampling_sample"


@frozen
class CheckpointBillingEvent:
    """Operations on checkpoints."""

    count: int
    type: Literal["checkpoint"] = "checkpoint"


@frozen
class StorageBillingEvent:
    """Checkpoints kept."""

    gigabyte_hours: float
    free: bool = False
    type: Literal["storage"] = "storage"


BillingEventInfo: TypeAlias = (
    TrainingBillingEvent
    | SamplingPrefillBillingEvent
    | SamplingSampleBillingEvent
    | CheckpointBillingEvent
    | StorageBillingEvent
    | UnknownVariant
)


@frozen
class BillingUsageEvent:
    """One kind of usage in one hour, and to whom it belongs."""

    bucket_start: datetime
    bucket_end: datetime
    """Exclusive."""
    event_info: BillingEventInfo
    """What was used, and how much of it."""
    base_model: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    session_id: SessionId | None = None
    project_id: str | None = None
    estimated_cost_usd: float | None = None
    effective_rate_usd_per_million_tokens: float | None = None
    """Cost is rate times tokens / 1,000,000."""
    effective_rate_usd_per_gigabyte_month: float | None = None
    """Cost is rate times gigabyte hours / 720."""


@frozen
class BillingUsageSession:
    """What was said about a session when it was opened."""

    user_metadata: dict[str, str] | None = field(default=None, hash=False)


@frozen
class BillingUsageResponse:
    """Usage by the hour."""

    data: tuple[BillingUsageEvent, ...]
    sessions: dict[str, BillingUsageSession] = field(factory=dict[str, BillingUsageSession], hash=False)
    """Every session that appears in ``data``."""
    cost_data_through: datetime | None = None
    """Estimates before it rest on invoices, later ones on the published rates."""


@frozen
class CurrentCheckpointStorageUsageItem:
    """What one owner keeps in one project."""

    checkpoint_count: int
    size_bytes: int
    size_gigabytes: float
    """The same in the unit of the bill."""
    project_id: str | None = None
    org_user_urn: str | None = None
    user_email: str | None = None
    user_name: str | None = None
    estimated_monthly_cost_usd: float | None = None


@frozen
class CurrentCheckpointStorageUsageResponse:
    """What is kept now, by project and owner; an hour or two old."""

    data: tuple[CurrentCheckpointStorageUsageItem, ...]
    effective_rate_usd_per_gigabyte_month: float | None = None

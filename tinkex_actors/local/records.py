"""What is written down about runs and sampling sessions, and outlives the process that works on them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import define, field, frozen

from tinkex_actors.local.checkpoints import Recipe
from tinkex_actors.local.keys import Owner
from tinkex_actors.types.ids import ModelId, RequestId, SamplingSessionId, SessionId
from tinkex_actors.types.training import OptimizerConfig


@define(eq=False, kw_only=True)
class RunRecord:
    """One training run."""

    model_id: ModelId
    session_id: SessionId
    """Empty for a run that only holds copied weights."""
    number: int
    """Its ``model_seq_id`` within the session."""
    owner: Owner
    recipe: Recipe
    optimizer: OptimizerConfig
    created_at: datetime
    last_request_at: datetime
    creation: RequestId
    """The promise of its creation."""
    user_metadata: Mapping[str, Any] | None = None
    ended: str | None = field(default=None)
    """Why it cannot work any more; None while it can."""
    is_corrupted: bool = False
    """Whether its weights were lost against its will."""


@frozen(eq=False, kw_only=True)
class SamplerRecord:
    """One sampling session."""

    sampling_session_id: SamplingSessionId
    session_id: SessionId
    number: int
    """Its ``sampling_session_seq_id`` within the session."""
    owner: Owner
    base_model: str
    model_path: str | None = None
    """The checkpoint it samples from, if it has a name."""
    model_id: ModelId | None = None
    """The run that a snapshot without a name was made of."""
    file: str | None = None
    """That snapshot's file."""

"""What a journal is told, and what it knows: plain values.

A *life* is one model on the server, from its creation to its loss. A run has as many lives as it needs; each begins with
the state of a checkpoint (or with nothing), so a step that was done in one life may be done again in the next.

::

    LifeBegan ─► StepIntended ─► StepAccepted ─► StepDone ─► StepIntended …
                 CheckpointIntended ─► CheckpointSaved ─► CheckpointGone
              ─► LifeEnded                                            RunDone
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

JsonScalar: TypeAlias = str | int | float | bool | None
How: TypeAlias = Literal["fresh", "resumed"]
CheckpointState: TypeAlias = Literal["intended", "saved", "superseded", "deleted", "lost"]


MARK = "tinkex_run"


@frozen(kw_only=True)
class LifeBegan:
    """A model exists on the server."""

    life: int
    session_id: str
    model_id: str
    base_step: int
    """How many steps are in its weights."""
    first_number: int = 1
    """The sequence number of the first request behind those that made it."""
    from_path: str | None = None
    """The checkpoint it was made from; None for a new adapter."""


@frozen(kw_only=True)
class LifeEnded:
    """The model is gone, or must not be used again."""

    life: int
    failure: str | None = None
    """Why, unless in good order."""


@frozen(kw_only=True)
class StepIntended:
    """A step is about to be submitted."""

    step: int
    life: int
    first_number: int
    """The sequence number of its first request."""
    epoch: int = 0
    members: tuple[int, ...] | None = None
    """The places of its examples in the data; None when the batch itself is kept."""
    payload: bytes | None = None
    """The batch itself, where it cannot be made again."""
    notes: Mapping[str, JsonScalar] = field(factory=dict[str, JsonScalar], hash=False)
    """What its maker had to say about it; goes to the metrics."""


@frozen(kw_only=True)
class StepAccepted:
    """The server has promised to carry out all requests of a step."""

    step: int
    life: int
    request_ids: tuple[str, ...]
    next_number: int
    """The sequence number behind its last request."""


@frozen(kw_only=True)
class StepDone:
    """A step was carried out."""

    step: int
    life: int
    metrics: Mapping[str, JsonScalar] = field(hash=False)
    """The row of ``metrics.jsonl``: nothing in it depends on the clock."""
    tokens: int
    spans: Mapping[str, float] = field(factory=dict[str, float], hash=False)
    """Seconds, for ``timing_spans.jsonl``."""


@frozen(kw_only=True)
class CheckpointIntended:
    """A checkpoint is about to be asked for."""

    name: str
    step: int
    """Steps whose effect will be in it."""
    life: int
    number: int
    """The sequence number of the request."""
    epoch: int
    is_final: bool = False


@frozen(kw_only=True)
class CheckpointSaved:
    """The server has it."""

    name: str
    life: int
    state_path: str
    sampler_path: str | None = None
    next_number: int
    """The sequence number behind its requests."""


@frozen(kw_only=True)
class CheckpointGone:
    """It is to be used no more."""

    name: str
    life: int
    state: CheckpointState


@frozen(kw_only=True)
class RunDone:
    """Every step of the plan is in the last checkpoint."""


Entry: TypeAlias = (
    LifeBegan
    | LifeEnded
    | StepIntended
    | StepAccepted
    | StepDone
    | CheckpointIntended
    | CheckpointSaved
    | CheckpointGone
    | RunDone
)


@frozen(kw_only=True)
class Life:
    """One life, as the journal knows it."""

    life: int
    session_id: str
    model_id: str
    base_step: int
    first_number: int
    is_open: bool
    """Whether nobody has said that it ended: the process may have been killed in it."""


@frozen(kw_only=True)
class Intent:
    """A step that was intended, as the journal knows it."""

    step: int
    life: int
    """The life of the last intent."""
    first_number: int
    next_number: int | None
    """Known once it was accepted."""
    epoch: int
    members: tuple[int, ...] | None
    payload: bytes | None = field(repr=False)
    notes: Mapping[str, JsonScalar] = field(hash=False)
    done_life: int | None
    """The life in which it was last carried out."""


@frozen(kw_only=True)
class Checkpoint:
    """A checkpoint, as the journal knows it."""

    name: str
    step: int
    life: int
    number: int
    next_number: int | None
    epoch: int
    state: CheckpointState
    is_final: bool
    state_path: str | None
    sampler_path: str | None
    metrics: Mapping[str, JsonScalar] = field(hash=False)
    """The row of its last step; empty for step 0."""
    tokens: int
    """Tokens that were trained up to it."""


@frozen(kw_only=True)
class Known:
    """Everything a start must know."""

    is_done: bool
    mark: str
    """What the run's sessions have in their metadata, under `MARK`."""
    lives: tuple[Life, ...]
    intents: Mapping[int, Intent] = field(hash=False)
    """Steps not older than the oldest usable checkpoint, by number."""
    checkpoints: tuple[Checkpoint, ...]
    """Intended and saved ones, in the order of their intents."""

    @property
    def next_life(self) -> int:
        """The number of the next life; from 1."""
        return 1 + max((life.life for life in self.lives), default=0)

    def saved(self) -> list[Checkpoint]:
        """The checkpoints a model can be made from, oldest first."""
        return [one for one in self.checkpoints if one.state == "saved" and one.state_path is not None]

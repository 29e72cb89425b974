"""Saved weights: paths, checkpoints, training runs, and what saving and loading answer."""

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from tinkex_actors.types.ids import ModelId, SamplingSessionId, TinkerPath
from tinkex_actors.types.training import AdamOptimizerConfig, OptimizerConfig

_SCHEME = "tinker://"
_KINDS = "weights, sampler_weights, external_weights"


class CheckpointType(StrEnum):
    """What a checkpoint is good for: training on, sampling from, or taking away."""

    TRAINING = "training"
    SAMPLER = "sampler"
    EXTERNAL = "external"


_TYPE_OF_KIND = {
    "weights": CheckpointType.TRAINING,
    "sampler_weights": CheckpointType.SAMPLER,
    "external_weights": CheckpointType.EXTERNAL,
}


@frozen
class ParsedCheckpointTinkerPath:
    """The parts of ``tinker://{run}/{kind}/{name}``."""

    tinker_path: TinkerPath
    training_run_id: ModelId
    checkpoint_type: CheckpointType
    checkpoint_id: str
    """``{kind}/{name}``: unique within the run."""

    @classmethod
    def from_ids(cls, training_run_id: str, checkpoint_id: str) -> "ParsedCheckpointTinkerPath":
        """Put a path together from a run and a ``{kind}/{name}``.

        Raises:
            ValueError: The checkpoint's id is none.
        """
        return cls.from_tinker_path(f"{_SCHEME}{training_run_id}/{checkpoint_id}")

    @property
    def kind(self) -> str:
        """The middle of the path: ``weights``, ``sampler_weights`` or ``external_weights``."""
        return self.checkpoint_id.partition("/")[0]

    @property
    def name(self) -> str:
        """The end of the path: what the caller named it."""
        return self.checkpoint_id.partition("/")[2]

    @classmethod
    def from_tinker_path(cls, path: str) -> "ParsedCheckpointTinkerPath":
        """Take a path apart.

        Raises:
            TypeError: It is no text.
            ValueError: Another scheme, not exactly three segments, or an unknown kind.
        """
        _require_text(path)
        if not path.startswith(_SCHEME):
            raise ValueError(f"a checkpoint path must begin with {_SCHEME}, got {path!r}")
        segments = path.removeprefix(_SCHEME).split("/")
        if len(segments) != 3:  # noqa: PLR2004 - run, kind, name
            raise ValueError(f"a checkpoint path must be {_SCHEME}run/kind/name, got {path!r}")
        run, kind, name = segments
        if kind not in _TYPE_OF_KIND:
            raise ValueError(f"the kind of a checkpoint must be one of {_KINDS}, got {kind!r} in {path!r}")
        return cls(TinkerPath(path), ModelId(run), _TYPE_OF_KIND[kind], f"{kind}/{name}")


@frozen
class SaveWeightsResponse:
    """A saved training state."""

    path: TinkerPath


@frozen
class SaveWeightsForSamplerResponse:
    """Weights to sample from: by path when they were named, by session when they were not."""

    path: TinkerPath | None = None
    sampling_session_id: SamplingSessionId | None = None


@frozen
class SaveWeightsExternalResponse:
    """An export of the adapter."""

    path: TinkerPath
    size_bytes: int | None = None


@frozen
class LoadWeightsResponse:
    """A loaded training state."""

    path: TinkerPath | None = None
    model_id: ModelId | None = None


@frozen
class CopyWeightsResponse:
    """A copied checkpoint."""

    tinker_path: TinkerPath


@frozen
class WeightsInfoResponse:
    """What is needed to create a model that can load a checkpoint."""

    base_model: str
    is_lora: bool
    lora_rank: int | None = None
    train_unembed: bool | None = None
    train_mlp: bool | None = None
    train_attn: bool | None = None
    optimizer_config: OptimizerConfig = field(factory=AdamOptimizerConfig)


@frozen
class Checkpoint:
    """A saved state as the service lists it."""

    checkpoint_id: str
    """``{kind}/{name}``."""
    checkpoint_type: CheckpointType
    time: datetime
    """When it was saved."""
    tinker_path: TinkerPath
    size_bytes: int | None = None
    public: bool = False
    """Whether anyone may load it."""
    user_metadata: dict[str, str] | None = field(default=None, hash=False)
    expires_at: datetime | None = None
    """When the service deletes it; ``None`` is never."""


@frozen
class Cursor:
    """Where a page lies in its list."""

    offset: int
    limit: int
    total_count: int


@frozen
class CheckpointsListResponse:
    """One page of checkpoints; a run's own list has no cursor."""

    checkpoints: tuple[Checkpoint, ...]
    cursor: Cursor | None = None


@frozen
class TrainingRun:
    """A model that was or is in training."""

    training_run_id: ModelId
    base_model: str
    model_owner: str
    is_lora: bool
    last_request_time: datetime
    corrupted: bool = False
    """The service lost its state."""
    lora_rank: int | None = None
    last_checkpoint: Checkpoint | None = None
    last_sampler_checkpoint: Checkpoint | None = None
    user_metadata: dict[str, str] | None = field(default=None, hash=False)


@frozen
class TrainingRunsResponse:
    """One page of training runs."""

    training_runs: tuple[TrainingRun, ...]
    cursor: Cursor


@frozen
class ExternalWeightsUrlsResponse:
    """Where the files of an export can be fetched, for a while."""

    urls: dict[str, str] = field(hash=False)
    """Signed addresses by relative file path."""
    expires: datetime


@frozen
class CheckpointArchiveUrl:
    """Where one file with all of a checkpoint can be fetched, for a while, on servers of the older generation."""

    url: str
    expires: datetime | None = None


# object: this is a door, and what comes in may be anything.
def _require_text(path: object) -> None:
    if not isinstance(path, str):
        raise TypeError(f"a checkpoint path must be text, got {type(path).__name__}")

"""What a model can be asked to do, decoded and checked as far as that needs no engine.

`kind` is the word for an operation in the audit log and in messages, `request_type` the protocol's name of it.
"""

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

from attrs import field, frozen

from tinkex_actors.local.checkpoints import StoredCheckpoint
from tinkex_actors.local.paths import Kind
from tinkex_actors.types.sampling import SamplingClientKind
from tinkex_actors.types.training import ForwardBackwardInput, OptimParams


@frozen
class Create:
    """Make a new adapter."""

    seed: int
    kind: ClassVar[str] = "create_model"
    request_type: ClassVar[str] = "CreateModel"


@frozen
class CreateFrom:
    """Make an adapter from a checkpoint."""

    checkpoint: StoredCheckpoint
    with_optimizer: bool
    kind: ClassVar[str] = "load_weights"
    request_type: ClassVar[str] = "LoadWeights"


@frozen
class Pass:
    """Compute a loss, and its gradients unless `forward_only`."""

    input: ForwardBackwardInput
    forward_only: bool
    request_type: ClassVar[str] = "ForwardBackward"

    @property
    def kind(self) -> str:
        """Forward passes change nothing; the log tells them apart."""
        return "forward" if self.forward_only else "forward_backward"


@frozen
class Step:
    """Move the weights by the gradients gathered."""

    params: OptimParams
    kind: ClassVar[str] = "optim_step"
    request_type: ClassVar[str] = "OptimStep"


_SAVES = {
    Kind.TRAINING: ("save_weights", "SaveWeights"),
    Kind.SAMPLER: ("save_weights_for_sampler", "SaveWeightsForSampler"),
    Kind.EXTERNAL: ("save_weights_external", "SaveWeightsExternal"),
}


@frozen(kw_only=True)
class Save:
    """Store the weights under a name: with the optimizer's state to go on training, or without it to sample or take away."""

    name: str
    checkpoint_kind: Kind
    overwrite: bool = False
    ttl_seconds: int | None = None
    user_metadata: Mapping[str, str] | None = field(default=None, hash=False)

    @property
    def kind(self) -> str:
        """After the endpoint that asked for it."""
        return _SAVES[self.checkpoint_kind][0]

    @property
    def request_type(self) -> str:
        """After the endpoint that asked for it."""
        return _SAVES[self.checkpoint_kind][1]


@frozen(kw_only=True)
class Expose:
    """Let the weights be sampled from without storing them: as they are now, or as they will be after each call."""

    sampling_session_seq_id: int
    client_kind: SamplingClientKind
    kind: ClassVar[str] = "save_weights_for_sampler"
    request_type: ClassVar[str] = "SaveWeightsForSampler"


@frozen
class Load:
    """Become what a checkpoint describes."""

    checkpoint: StoredCheckpoint
    with_optimizer: bool
    kind: ClassVar[str] = "load_weights"
    request_type: ClassVar[str] = "LoadWeights"


Operation: TypeAlias = Create | CreateFrom | Pass | Step | Save | Expose | Load

CHANGES_WEIGHTS = (Create, CreateFrom, Step, Load)
"""After a crash in the middle of one of these nobody can say what the weights are."""

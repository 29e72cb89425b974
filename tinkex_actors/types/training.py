"""Training: adapters, optimizers, and what the training operations bring back."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from attrs import evolve, field, frozen

from tinkex_actors.types._checks import INT32_MAX, flag, integer, number, optional, text
from tinkex_actors.types.data import Datum, LossFnConfig
from tinkex_actors.types.ids import ModelId
from tinkex_actors.types.tensors import TensorData, brief_list


@frozen
class LoraConfig:
    """A low-rank adapter.

    Raises:
        ValueError: Nothing would be trained, or the rank is below 1.
    """

    rank: int = field(default=32, validator=integer(minimum=1, maximum=INT32_MAX))
    """Inner dimension of the adapter's two matrices."""
    seed: int | None = field(default=None, validator=optional(integer()))
    """Of the random initial weights."""
    train_unembed: bool = field(default=True, validator=flag())
    """Adapt the output layer."""
    train_mlp: bool = field(default=True, validator=flag())
    """Adapt the feed-forward layers."""
    train_attn: bool = field(default=True, validator=flag())
    """Adapt the attention layers."""

    def __attrs_post_init__(self) -> None:
        if not (self.train_unembed or self.train_mlp or self.train_attn):
            raise ValueError("at least one of train_unembed, train_mlp and train_attn must be True, got none")


@frozen
class AdamOptimizerConfig:
    """Train with AdamW."""

    type: Literal["adamw"] = "adamw"


@frozen
class DimuonOptimizerConfig:
    """Train with Dimuon."""

    type: Literal["dimuon"] = "dimuon"
    version: Literal[1] = 1


@frozen
class OtherOptimizerConfig:
    """An optimizer family that this version does not know; its fields are kept as they came."""

    type: str = field(validator=text(empty=False))
    fields: Mapping[str, Any] = field(factory=dict[str, Any], hash=False)
    """Everything beside the type."""


OptimizerConfig: TypeAlias = AdamOptimizerConfig | DimuonOptimizerConfig | OtherOptimizerConfig


@frozen
class AdamParams:
    """One AdamW step: torch's formula, bias correction included. May change every step."""

    learning_rate: float = field(default=1e-4, validator=number(minimum=0.0))
    beta1: float = field(default=0.9, validator=number(minimum=0.0, below=1.0))
    """Decay of the mean of the gradient."""
    beta2: float = field(default=0.95, validator=number(minimum=0.0, below=1.0))
    """Decay of the mean of its square."""
    eps: float = field(default=1e-12, validator=number(minimum=0.0))
    """Added to the denominator."""
    weight_decay: float = field(default=0.0, validator=number(minimum=0.0))
    """Decoupled."""
    grad_clip_norm: float = field(default=0.0, validator=number(minimum=0.0))
    """Largest global norm of the gradient; 0 is no limit."""


@frozen
class DimuonParams:
    """One Dimuon step."""

    learning_rate: float = field(validator=number(minimum=0.0))
    grad_clip_norm: float = field(default=0.0, validator=number())
    """Largest global norm of the gradient; 0 or less is no limit."""
    beta1: float = field(default=0.9, validator=number(minimum=0.0, below=1.0))
    """Decay of the momentum."""
    type: Literal["dimuon"] = "dimuon"


@frozen
class OtherOptimParams:
    """A step of an optimizer family that this version does not know."""

    type: str = field(validator=text(empty=False))
    fields: Mapping[str, Any] = field(factory=dict[str, Any], hash=False)
    """Everything beside the type."""


OptimParams: TypeAlias = AdamParams | DimuonParams | OtherOptimParams


@frozen
class OptimStepResponse:
    """What an optimizer step reported."""

    metrics: dict[str, float] | None = field(default=None, hash=False)
    """By name; ``None`` when the server reports nothing. Never reduced, so names need no suffix."""


LossFnOutput: TypeAlias = dict[str, TensorData]


@frozen
class ForwardBackwardInput:
    """What one forward or forward-backward request computes."""

    data: tuple[Datum, ...] = field(hash=False)
    """The examples, in order."""
    loss_fn: str = field(validator=text(empty=False))
    """A loss by name; `tinkex_actors.types.LossFnType` has those of the protocol."""
    loss_fn_config: LossFnConfig | None = field(default=None, hash=False)
    """Its parameters: numbers or text."""

    @property
    def is_sparse(self) -> bool:
        """Whether any tensor is stored as compressed sparse rows."""
        return any(tensor.is_sparse for datum in self.data for tensor in datum.loss_fn_inputs.values())

    def to_dense(self) -> "ForwardBackwardInput":
        """Return the same with every tensor dense."""
        if not self.is_sparse:
            return self
        dense = [{name: tensor.to_dense() for name, tensor in datum.loss_fn_inputs.items()} for datum in self.data]
        return evolve(
            self, data=tuple(evolve(datum, loss_fn_inputs=d) for datum, d in zip(self.data, dense, strict=True))
        )


@frozen
class ForwardBackwardRequest:
    """One numbered slice of a forward or forward-backward call."""

    forward_backward_input: ForwardBackwardInput
    model_id: ModelId
    seq_id: int = field(validator=integer(minimum=0, maximum=INT32_MAX))
    """Place in the model's sequence of requests, from 1."""
    forward_only: bool = False
    """Leave the gradients alone."""


@frozen
class ForwardBackwardOutput:
    """What a forward or forward-backward call brought."""

    loss_fn_output_type: str
    """The server's name for the kind of outputs; says little."""
    loss_fn_outputs: list[LossFnOutput] = field(hash=False, repr=brief_list)
    """One for each datum, in order: tensors by name, ``logprobs`` (float32, shape of ``target_tokens``) among them."""
    metrics: dict[str, float] = field(hash=False)
    """By ``name:reduction``, such as ``loss:sum``."""

"""Training examples: a model input, what the loss needs beside it, and where the tokens came from.

Position *i* of the model input predicts the token after it: targets arrive already shifted.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from numbers import Real
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from attrs import evolve, field, frozen

from tinkex_actors.types._checks import INT64_MAX, integer, text
from tinkex_actors.types.model_input import ModelInput
from tinkex_actors.types.tensors import Array, Numbers, TensorData, TensorDtype, to_array, to_dtype

LossFnInputs: TypeAlias = Mapping[str, TensorData]
LossFnConfig: TypeAlias = Mapping[str, float | str]

_LIST_DTYPES: Mapping[str, TensorDtype] = {
    "target_tokens": TensorDtype.INT64,
    "weights": TensorDtype.FLOAT32,
    "advantages": TensorDtype.FLOAT32,
    "logprobs": TensorDtype.FLOAT32,
    "clip_low_threshold": TensorDtype.FLOAT32,
    "clip_high_threshold": TensorDtype.FLOAT32,
    "sequence_ratio_mask": TensorDtype.FLOAT32,
    "values": TensorDtype.FLOAT32,
    "returns": TensorDtype.FLOAT32,
}
_NUMERIC_CONFIG = frozenset(
    {"clip_low_threshold", "clip_high_threshold", "beta", "kl_coeff", "value_clip", "delta_low", "delta_high"}
)


class LossFnType(StrEnum):
    """The losses a server of the protocol knows by name. They are summed over tokens and data, never averaged."""

    CROSS_ENTROPY = "cross_entropy"
    IMPORTANCE_SAMPLING = "importance_sampling"
    PPO = "ppo"
    CISPO = "cispo"
    DRO = "dro"
    GSPO = "gspo"
    STABLE_REINFORCE = "stable_reinforce"
    CUSTOM = "custom"
    PPO_CRITIC = "ppo_critic"
    """SkyRL tx alone: inputs ``values`` and ``returns``, parameter ``value_clip``."""
    DPPO = "dppo"
    """SkyRL tx alone: parameters ``delta_low`` and ``delta_high``."""


def parse_loss_fn(name: str) -> LossFnType:
    """Read a loss by name.

    Raises:
        ValueError: No such loss; the message lists those there are.
    """
    try:
        return LossFnType(name)
    except ValueError:
        raise ValueError(f"loss_fn must be one of {', '.join(LossFnType)}, got {name!r}") from None


def parse_loss_fn_config(config: object) -> dict[str, float | str] | None:
    """Bring a loss configuration into the protocol's form: text keys, and floats or text as values.

    Numbers become floats. Text stays text, except under the keys that are always numbers, where ``"0.2"`` is 0.2.

    Raises:
        TypeError: Not a mapping, or a value that is neither a number nor text.
        ValueError: Text that is not a number under a key that needs one.
    """
    if config is None:
        return None
    if not _is_mapping(config):
        raise TypeError(f"loss_fn_config must map names to numbers or text, got {type(config).__name__}")
    return {str(key): _config_value(str(key), value) for key, value in config.items()}


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _config_value(key: str, value: Any) -> float | str:
    if isinstance(value, str) and key not in _NUMERIC_CONFIG:
        return value
    if isinstance(value, bool) or not isinstance(value, Real | str):
        raise TypeError(f"loss_fn_config[{key!r}] must be a number or text, got {type(value).__name__}")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"loss_fn_config[{key!r}] must be a number, got {value!r}") from None


@frozen(kw_only=True)
class PromptProvenanceSpan:
    """A run of tokens that some sampling request had been given as its prompt."""

    sequence_id: str = field(validator=text(empty=False))
    """A sequence whose request had this prompt."""
    offset: int = field(default=0, validator=integer(minimum=0, maximum=INT64_MAX))
    """Where in that prompt the run begins."""
    length: int = field(validator=integer(minimum=0, maximum=INT64_MAX))
    """How many tokens it covers."""


@frozen(kw_only=True)
class SampledProvenanceSpan:
    """A run of tokens that one sampled sequence produced."""

    sequence_id: str = field(validator=text(empty=False))
    """That sequence."""
    offset: int = field(default=0, validator=integer(minimum=0, maximum=INT64_MAX))
    """Where among its sampled tokens the run begins."""
    length: int = field(validator=integer(minimum=0, maximum=INT64_MAX))
    """How many tokens it covers."""


ProvenanceSpan: TypeAlias = PromptProvenanceSpan | SampledProvenanceSpan
ProvenanceSpans: TypeAlias = Sequence[ProvenanceSpan]


def _to_loss_fn_inputs(inputs: Mapping[str, TensorData | Numbers]) -> dict[str, TensorData]:
    return {name: to_tensor(name, values) for name, values in inputs.items()}


def to_tensor(name: str, values: object) -> TensorData:
    """Make the tensor of the loss input *name*.

    Arrays, those of other libraries too (torch, jax), keep their kind (floating: float32, integers: int64); a list takes the
    element type its name stands for.

    Raises:
        KeyError: A list under a name whose element type is unknown.
        TypeError: Neither a tensor, an array nor a list.
        ValueError: Ragged lists, or values that do not fit.
    """
    if isinstance(values, TensorData):
        return values
    if isinstance(values, np.ndarray):
        return _named(name, values, None)
    if hasattr(values, "__array__"):
        return _named(name, _from_abroad(name, values), None)
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise TypeError(f"{name} must be a TensorData, an array or a list, got {type(values).__name__}")
    if name not in _LIST_DTYPES:
        known = ", ".join(_LIST_DTYPES)
        raise KeyError(f"the element type of {name!r} is unknown; pass an array, or use one of {known}")
    return _named(name, values, _LIST_DTYPES[name])


def _from_abroad(name: str, values: Any) -> Any:
    """Ask an array of another library for one of numpy's.

    Raises:
        ValueError: It cannot be had: torch refuses for one that has a gradient, or whose elements numpy has no type for.
    """
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{name}: a {type(values).__name__} that numpy cannot read; pass a numpy array ({error})"
        ) from error


def _named(name: str, values: Any, dtype: TensorDtype | None) -> TensorData:
    try:
        array: Array = to_array(values)
        return TensorData.from_numpy(array if dtype is None else to_dtype(array, dtype))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _to_spans(spans: Iterable[ProvenanceSpan] | None) -> tuple[ProvenanceSpan, ...] | None:
    return None if spans is None else tuple(spans)


@frozen
class Datum:
    """One training example.

    ``Datum(ModelInput.from_ints(tokens), {"target_tokens": targets, "weights": weights})``; lists and arrays are
    converted by ``to_tensor``.

    Raises:
        ValueError: Only one of the two span lists is given, or an input does not convert.
    """

    model_input: ModelInput
    """What the model reads."""
    loss_fn_inputs: dict[str, TensorData] = field(
        factory=dict[str, TensorData], converter=_to_loss_fn_inputs, hash=False
    )
    """What the loss reads, by name; each usually has one element per position."""
    model_input_spans: tuple[ProvenanceSpan, ...] | None = field(default=None, converter=_to_spans)
    """Where the model input came from: runs that tile it. Set through `with_provenance`."""
    loss_fn_input_spans: tuple[ProvenanceSpan, ...] | None = field(default=None, converter=_to_spans)
    """Where the targets came from: runs that tile ``target_tokens``."""

    def __attrs_post_init__(self) -> None:
        if (self.model_input_spans is None) != (self.loss_fn_input_spans is None):
            raise ValueError("provenance comes in pairs: give both span lists or neither")

    def with_provenance(self, model_input: ProvenanceSpans, loss_fn_inputs: ProvenanceSpans) -> "Datum":
        """Return a copy that says where its tokens came from.

        Args:
            model_input: Runs that tile the model input.
            loss_fn_inputs: Runs that tile ``target_tokens``.

        Raises:
            ValueError: The runs do not add up to the length of what they tile.
        """
        _check_tiling("model_input", model_input, self.model_input.length)
        targets = self.loss_fn_inputs.get("target_tokens")
        if targets is not None and targets.shape is not None and len(targets.shape) == 1:
            _check_tiling("loss_fn_inputs", loss_fn_inputs, targets.shape[0])
        return evolve(self, model_input_spans=tuple(model_input), loss_fn_input_spans=tuple(loss_fn_inputs))


def _check_tiling(name: str, spans: ProvenanceSpans, length: int) -> None:
    covered = sum(span.length for span in spans)
    if covered != length:
        raise ValueError(f"the spans of {name} must cover {length} positions exactly, got {covered}")

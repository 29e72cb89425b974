"""What training reads: one sequence with the arrays its loss needs, checked before anything is computed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from tinkex_actors.local.engine.config import ModelConfig
from tinkex_actors.local.engine.errors import EngineInputError
from tinkex_actors.local.engine.losses import Loss, Values


@frozen(eq=False)
class Example:
    """One sequence to train on.

    Position *i* of every input belongs to the token that follows ``tokens[i]``: the caller has already shifted them.
    """

    tokens: npt.NDArray[Any]  # Any: whatever integers the wire carried; checked before use
    """``(N,)`` token ids."""
    inputs: Mapping[str, npt.NDArray[Any]] = field(factory=dict[str, npt.NDArray[Any]])
    """``target_tokens`` ``(N,)`` or ``(N, K)`` ids, and what the loss needs (``weights``, ``logprobs``, ...), same shape."""


@frozen(eq=False)
class CheckedExample:
    """An example that can be computed."""

    tokens: npt.NDArray[np.int64]
    """``(N,)``, within the vocabulary."""
    targets: npt.NDArray[np.int64]
    """``(N, K)``, within the vocabulary."""
    shape: tuple[int, ...]
    """The shape the caller gave its targets."""
    inputs: Mapping[str, Values]
    """What the loss needs, float64, finite, of that shape."""


def check_example(index: int, example: Example, loss: Loss, config: ModelConfig) -> CheckedExample:
    """Convert an example, or say what is wrong with it.

    Raises:
        EngineInputError: An array is missing, of the wrong shape or type, out of range or not finite.
    """
    try:
        tokens = check_tokens(example.tokens, config)
        targets = _check_targets(example, len(tokens), loss, config)
        inputs = {name: _check_input(name, example, targets.shape) for name in loss.inputs}
    except EngineInputError as error:
        raise EngineInputError(f"example {index}: {error}") from None
    return CheckedExample(tokens, targets.reshape(len(tokens), -1), targets.shape, inputs)


def check_tokens(tokens: npt.NDArray[Any], config: ModelConfig) -> npt.NDArray[np.int64]:
    """Convert token ids ``(N,)`` to int64.

    Raises:
        EngineInputError: There are none, too many for the model, or one is outside the vocabulary.
    """
    array = _integers("tokens", tokens, config)
    if array.ndim != 1 or not 1 <= array.size <= config.max_positions:
        raise EngineInputError(
            f"expected tokens of shape (N,) with 1 <= N <= {config.max_positions}, got {array.shape}"
        )
    return array


def _integers(name: str, values: npt.NDArray[Any], config: ModelConfig) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" and array.size:
        raise EngineInputError(f"expected {name} to be integers, got {array.dtype}")
    if array.size and not (int(array.min()) >= 0 and int(array.max()) < config.vocab_size):
        outside = array[(array < 0) | (array >= config.vocab_size)].flat[0]
        raise EngineInputError(f"expected {name} within 0 and {config.vocab_size - 1}, got {outside}")
    return array.astype(np.int64)


def _check_targets(example: Example, length: int, loss: Loss, config: ModelConfig) -> npt.NDArray[np.int64]:
    if "target_tokens" not in example.inputs:
        raise EngineInputError("expected an input 'target_tokens', got " + _names(example))
    targets = _integers("target_tokens", example.inputs["target_tokens"], config)
    dimensions = (1, 2) if loss.takes_many_targets else (1,)
    if targets.ndim not in dimensions or len(targets) != length or targets.size == 0:
        wanted = f"({length},) or ({length}, K)" if loss.takes_many_targets else f"({length},)"
        raise EngineInputError(f"expected target_tokens of shape {wanted}, got {targets.shape}")
    return targets


def _check_input(name: str, example: Example, shape: tuple[int, ...]) -> Values:
    if name not in example.inputs:
        if name == "weights":  # optional in the protocol, ones when missing
            return np.ones(shape, np.float64)
        raise EngineInputError(f"expected an input {name!r}, got {_names(example)}")
    values = np.asarray(example.inputs[name])
    if values.dtype.kind not in "iufb":
        raise EngineInputError(f"expected {name} to be numbers, got {values.dtype}")
    if values.shape != shape:
        raise EngineInputError(f"expected {name} of shape {shape} like target_tokens, got {values.shape}")
    if not np.isfinite(values).all():
        raise EngineInputError(f"expected {name} to be finite, got {values[~np.isfinite(values)].flat[0]}")
    return values.astype(np.float64)


def _names(example: Example) -> str:
    return ", ".join(sorted(example.inputs)) or "none"

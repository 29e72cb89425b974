"""What a loss over a batch is, and how what it returns is read.

A loss takes the data and their log-probabilities, one array a datum, and returns one of::

    value                           a number: reported, but it cannot train
    value, gradients                one gradient a datum, in the shape of its log-probabilities
    value, gradients, metrics       and numbers to report
    LossEvaluation(...)             all of it by name

A value that is an array is summed, and the gradients are those of the sum. A loss that draws at random has a method
``evaluate_loss(data, logprobs, *, seed)`` instead (`SeededLoss`), so that a step can be repeated.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeGuard, runtime_checkable

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.loss_errors import LossInvalid
from tinkex_actors.compute.regularizers.finite import Finiteness, check_finite
from tinkex_actors.compute.regularizers.term import Values
from tinkex_actors.types import Datum
from tinkex_actors.types.tensors import Array, to_array


@frozen(eq=False)
class LossEvaluation:
    """A loss at one point."""

    value: float
    gradients: tuple[Values, ...] | None
    """One a datum, float64, in the shape of its log-probabilities; ``None`` when the loss gives none."""
    metrics: Mapping[str, float] = field(factory=dict[str, float])
    labels: Mapping[str, str] = field(factory=dict[str, str])


LossResult: TypeAlias = (
    LossEvaluation
    | float
    | Array
    | tuple[float | Array, Sequence[Array]]
    | tuple[float | Array, Sequence[Array], Mapping[str, float]]
)
LossFunction: TypeAlias = Callable[[Sequence[Datum], Sequence[Values]], LossResult]


@runtime_checkable
class SeededLoss(Protocol):
    """A loss that may draw at random, from a seed."""

    def evaluate_loss(
        self, data: Sequence[Datum], logprobs: Sequence[Values], *, seed: int | None = None
    ) -> LossResult:
        """Evaluate at *logprobs*, the same way for the same seed."""
        ...


Loss: TypeAlias = LossFunction | SeededLoss


def evaluate_loss(
    loss: Loss, data: Sequence[Datum], logprobs: Sequence[Array], *, seed: int | None = None
) -> LossEvaluation:
    """Evaluate *loss* once, and check what it returns.

    Args:
        loss: A function or a `SeededLoss`.
        data: The batch.
        logprobs: One array a datum, nats; the loss gets them as float64.
        seed: For losses that draw at random; others do not see it.

    Raises:
        LossInvalid: It did not return a finite value and gradients in the right number and shapes.
        ValueError: The numbers of data and arrays differ.
    """
    if len(data) != len(logprobs):
        raise ValueError(f"expected logprobs of {len(data)} data, got {len(logprobs)} arrays")
    arrays = [to_array(array).astype(np.float64) for array in logprobs]
    if isinstance(loss, SeededLoss):
        return read_result(loss.evaluate_loss(data, arrays, seed=seed), arrays)
    return read_result(loss(data, arrays), arrays)


def read_result(result: LossResult, logprobs: Sequence[Values]) -> LossEvaluation:
    """Bring what a loss returned into one form, and refuse what cannot train.

    Raises:
        LossInvalid: The value or a gradient is not finite, or gradients do not match *logprobs*.
    """
    match result:
        case LossEvaluation(value=value, gradients=gradients, metrics=metrics, labels=labels):
            return LossEvaluation(_value(value), _gradients(gradients, logprobs), metrics, labels)
        case (value, gradients):
            return LossEvaluation(_value(value), _gradients(gradients, logprobs))
        case (value, gradients, metrics):
            return LossEvaluation(_value(value), _gradients(gradients, logprobs), _metrics(metrics))
        case _:
            return LossEvaluation(_value(result), None)


def gradient_norm(gradients: Sequence[Array]) -> float:
    """Return the Euclidean norm over all elements of all data."""
    return math.sqrt(sum(float(np.square(to_array(gradient).astype(np.float64)).sum()) for gradient in gradients))


# What users return is of any type until it is read.
def _value(value: Any) -> float:
    try:
        array = to_array(value)
    except ValueError as error:
        raise LossInvalid(
            f"expected a loss to return value, (value, gradients) or (value, gradients, metrics), "
            f"got {type(value).__name__} for the value"
        ) from error
    total = float(array.sum())
    if not math.isfinite(total):
        raise LossInvalid(f"expected a finite value, got {total}; a logarithm or a division is out of its range")
    return total


def _gradients(gradients: Any, logprobs: Sequence[Values]) -> tuple[Values, ...] | None:
    if gradients is None:
        return None
    if not _is_sequence(gradients):
        raise LossInvalid(f"expected a sequence of gradients, one a datum, got {type(gradients).__name__}")
    if len(gradients) != len(logprobs):
        raise LossInvalid(f"expected {len(logprobs)} gradients, one a datum, got {len(gradients)}")
    return tuple(_gradient(g, array.shape, i) for i, (g, array) in enumerate(zip(gradients, logprobs, strict=True)))


def _gradient(gradient: Any, shape: tuple[int, ...], index: int) -> Values:
    try:
        array = to_array(gradient).astype(np.float64)
    except ValueError as error:
        raise LossInvalid(f"gradients[{index}]: {error}") from error
    if array.shape != shape:
        raise LossInvalid(f"expected gradients[{index}] in the shape of its logprobs, {shape}, got {array.shape}")
    found = check_finite(array)
    if found is not Finiteness.FINITE:
        raise LossInvalid(f"expected finite gradients, got {found} in gradients[{index}]")
    return array


def _metrics(metrics: Any) -> dict[str, float]:
    if not _is_mapping(metrics):
        raise LossInvalid(f"expected metrics as a mapping of names to numbers, got {type(metrics).__name__}")
    try:
        return {str(name): float(value) for name, value in metrics.items()}
    except (TypeError, ValueError) as error:
        raise LossInvalid(f"expected every metric to be one number ({error})") from error


def _is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)

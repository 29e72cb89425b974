"""Evaluate a loss once, and read what it returned into one form, or refuse what cannot train."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from tinkex_actors.compute.adapters import adapt
from tinkex_actors.compute.loss import Loss, LossEvaluation, LossResult, SeededLoss
from tinkex_actors.compute.loss_errors import LossInvalid
from tinkex_actors.compute.regularizers.finite import Finiteness, check_finite
from tinkex_actors.compute.regularizers.term import Values
from tinkex_actors.types import Datum
from tinkex_actors.types.tensors import Array, to_array


def evaluate_loss(
    loss: Loss, data: Sequence[Datum], logprobs: Sequence[Array], *, seed: int | None = None
) -> LossEvaluation:
    """Evaluate *loss* once, and check what it returns.

    Args:
        loss: A function, a `SeededLoss`, or a function of torch, jax or autograd.
        data: The batch.
        logprobs: One array a datum, nats; the loss gets them as float64, read-only.
        seed: For losses that draw at random; others do not see it.

    Raises:
        LossInvalid: It did not return a finite value and gradients in the right number and shapes.
        ValueError: The numbers of data and arrays differ.
        TypeError: It has to be awaited.
    """
    arrays = to_read_only(data, logprobs)
    result = _call(loss, data, arrays, seed)
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError("expected a loss to return a value, got an awaitable; make it an async def")
    return read_result(result, arrays)


async def await_loss(
    loss: Loss, data: Sequence[Datum], logprobs: Sequence[Array], *, seed: int | None = None
) -> LossEvaluation:
    """Evaluate an asynchronous *loss* once; everything else as `evaluate_loss`."""
    arrays = to_read_only(data, logprobs)
    return read_result(await _call(loss, data, arrays, seed), arrays)


# One door for results to be read and to be awaited.
def _call(loss: Loss, data: Sequence[Datum], arrays: Sequence[Values], seed: int | None) -> Any:
    adapted = adapt(loss)
    if isinstance(adapted, SeededLoss):
        return adapted.evaluate_loss(data, arrays, seed=seed)
    return adapted(data, arrays)


def to_read_only(data: Sequence[Datum], logprobs: Sequence[Array]) -> list[Values]:
    """Give log-probabilities as losses get them: float64, and nobody can write into them.

    Raises:
        ValueError: The numbers of data and arrays differ.
    """
    if len(data) != len(logprobs):
        raise ValueError(f"expected logprobs of {len(data)} data, got {len(logprobs)} arrays")
    arrays = [to_array(array).astype(np.float64, copy=False).view() for array in logprobs]
    for array in arrays:
        array.flags.writeable = False
    return arrays


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
        array = to_array(gradient).astype(np.float64, copy=False)
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

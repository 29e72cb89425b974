"""Send any loss's gradient through a server that only knows its own: a custom loss as two cross-entropy passes.

1. A forward pass brings the log-probabilities ``l`` of the targets (`to_forward_data`, `read_logprobs`).
2. The loss ``L(l)`` and its gradient ``g = dL/dl`` are computed here.
3. A backward pass sends the weights ``w = -g`` (`to_surrogate_data`). The server's cross-entropy is ``sum(-w l) = sum(g l)``,
   whose gradient with respect to the model is ``sum(g dl/dtheta) = dL/dtheta``: exact at the current weights, whatever L is.

The value the server reports for the second pass is ``sum(g l)`` and means nothing; the loss is what step 2 found.
"""

from collections.abc import Sequence

import numpy as np
from attrs import evolve, frozen

from tinkex_actors.compute.evaluation import gradient_norm
from tinkex_actors.compute.loss_errors import LossInvalid
from tinkex_actors.compute.regularizers.term import Values
from tinkex_actors.types import Datum, ForwardBackwardOutput, ResponseInvalid, TensorData
from tinkex_actors.types.tensors import Array, TensorDtype, to_dtype

_TARGETS = "target_tokens"
_WEIGHTS = "weights"


def to_forward_data(data: Sequence[Datum]) -> tuple[Datum, ...]:
    """Keep of each datum what the forward pass needs: input, targets and weights (zeros where it has none).

    Everything else stays here, for the loss.

    Raises:
        ValueError: A datum has no ``target_tokens``, or weights in another shape.
    """
    return tuple(_to_forward(datum, index) for index, datum in enumerate(data))


def _to_forward(datum: Datum, index: int) -> Datum:
    if _TARGETS not in datum.loss_fn_inputs:
        raise ValueError(f"expected {_TARGETS} in data[{index}], got {', '.join(datum.loss_fn_inputs) or 'no inputs'}")
    targets = datum.loss_fn_inputs[_TARGETS]
    shape = targets.to_numpy().shape
    weights = datum.loss_fn_inputs.get(_WEIGHTS)
    if weights is not None and weights.to_numpy().shape != shape:
        raise ValueError(f"expected weights of data[{index}] in the shape of its targets, {shape}, got {weights.shape}")
    # Dense, as the second pass sends them: both passes then split into the same slices.
    dense = np.zeros(shape, np.float32) if weights is None else weights.to_numpy()
    return evolve(datum, loss_fn_inputs={_TARGETS: targets, _WEIGHTS: TensorData.from_numpy(dense)})


def read_logprobs(data: Sequence[Datum], output: ForwardBackwardOutput) -> list[Values]:
    """Take the log-probabilities of the targets out of a forward pass.

    Returns:
        One array a datum, float64, nats, in the shape of its ``target_tokens``.

    Raises:
        ResponseInvalid: Not one output a datum, other shapes, or NaN.
    """
    outputs = output.loss_fn_outputs
    if len(outputs) != len(data):
        raise _invalid("loss_fn_outputs", f"{len(data)} outputs, one a datum", str(len(outputs)))
    return [
        _read(
            one.get("logprobs"), datum.loss_fn_inputs[_TARGETS].to_numpy().shape, f"loss_fn_outputs[{index}].logprobs"
        )
        for index, (datum, one) in enumerate(zip(data, outputs, strict=True))
    ]


def _read(tensor: TensorData | None, shape: tuple[int, ...], path: str) -> Values:
    if tensor is None:
        raise _invalid(path, "the log-probabilities of the targets", "nothing")
    array = tensor.to_numpy()
    # Some servers flatten.
    if array.size != int(np.prod(shape)) or (array.ndim > 1 and array.shape != shape):
        raise _invalid(path, f"shape {shape}, that of the targets", str(array.shape))
    if np.isnan(array).any():
        raise _invalid(path, "log-probabilities", "NaN")
    return array.reshape(shape).astype(np.float64)


def _invalid(path: str, expected: str, got: str) -> ResponseInvalid:
    return ResponseInvalid(path=path, expected=expected, got=got, operation="forward")


def to_surrogate_data(forward_data: Sequence[Datum], gradients: Sequence[Array]) -> tuple[Datum, ...]:
    """Make the data of the backward pass: same inputs and targets, and the negated gradients as weights.

    Args:
        forward_data: What `to_forward_data` made.
        gradients: One a datum, in the shape of its targets, finite.

    Raises:
        LossInvalid: A gradient does not fit float32, in which weights travel.
    """
    return tuple(
        evolve(datum, loss_fn_inputs={**datum.loss_fn_inputs, _WEIGHTS: _to_weights(gradient, index)})
        for index, (datum, gradient) in enumerate(zip(forward_data, gradients, strict=True))
    )


def _to_weights(gradient: Array, index: int) -> TensorData:
    try:
        return TensorData.from_numpy(to_dtype(-gradient, TensorDtype.FLOAT32))
    except ValueError as error:
        largest = float(np.abs(gradient).max())
        raise LossInvalid(f"expected gradients[{index}] to fit float32, got {largest:g}; scale the loss") from error


@frozen(eq=False)
class Clipped:
    """Gradients after a limit on their norm."""

    gradients: tuple[Values, ...]
    norm: float
    """Before, over all data."""
    factor: float
    """What they were multiplied with; 1 when the limit does not bind."""


def clip_gradients(gradients: Sequence[Values], limit: float) -> Clipped:
    """Scale all gradients together so that their norm is at most *limit*; the direction stays."""
    norm = gradient_norm(gradients)
    factor = 1.0 if norm <= limit else limit / norm
    return Clipped(tuple(gradients) if factor == 1.0 else tuple(factor * one for one in gradients), norm, factor)

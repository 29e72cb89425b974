"""Figures of a run made from what a step sent and got back: counts, and the mean loss per token in nats.

A server reports sums; people compare means. What counts as a loss token is decided by ``weights``: a position whose
weight is not zero.
"""

from collections.abc import Sequence

import numpy as np
from attrs import frozen

from tinkex_actors.types import Datum, LossFnOutput
from tinkex_actors.types.tensors import Array


@frozen
class BatchCounts:
    """How much a batch holds."""

    sequences: int
    tokens: int
    """Positions of the model inputs."""
    loss_tokens: int
    """Positions that the loss looks at."""


def count_batch(data: Sequence[Datum]) -> BatchCounts:
    """Count a batch.

    Raises:
        ValueError: The length of a datum is unknown, since it has an image without a count.
    """
    return BatchCounts(
        len(data),
        sum(datum.model_input.length for datum in data),
        sum(int(np.count_nonzero(_weights(datum))) for datum in data),
    )


def mean_nll(data: Sequence[Datum], outputs: Sequence[LossFnOutput]) -> float:
    """Average the negative log-probability of the targets, weighted as the loss weighs them.

    Args:
        data: The batch as it was sent; ``weights`` default to ones.
        outputs: One for each datum, with ``logprobs`` in the shape of the targets.

    Returns:
        Σ w * -logprob / Σ w in nats; NaN when the weights sum to zero. Positions of weight 0 do not count, whatever their
        log-probability.

    Raises:
        ValueError: Numbers or shapes of data and outputs differ, or an output has no ``logprobs``.
    """
    if len(data) != len(outputs):
        raise ValueError(f"expected {len(data)} outputs, one for each datum, got {len(outputs)}")
    total, weight = 0.0, 0.0
    for index, (datum, output) in enumerate(zip(data, outputs, strict=True)):
        weights = _weights(datum).ravel().astype(np.float64)
        logprobs = _logprobs(output, index)
        if logprobs.size != weights.size:
            raise ValueError(f"expected {weights.size} logprobs for datum {index}, got {logprobs.size}")
        counted = weights != 0
        total -= float(np.dot(weights[counted], logprobs[counted]))
        weight += float(weights.sum())
    return total / weight if weight else float("nan")


def _weights(datum: Datum) -> Array:
    for name in ("weights", "target_tokens"):
        tensor = datum.loss_fn_inputs.get(name)
        if tensor is not None:
            array = tensor.to_numpy()
            return array if name == "weights" else np.ones(array.shape, np.float32)
    return np.ones(datum.model_input.length, np.float32)


def _logprobs(output: LossFnOutput, index: int) -> Array:
    if "logprobs" not in output:
        names = ", ".join(output) or "nothing"
        raise ValueError(f"expected logprobs in the output of datum {index}, got {names}")
    return output["logprobs"].to_numpy().ravel().astype(np.float64)

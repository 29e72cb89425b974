"""The metric ``loss:sum``, from servers that report none.

The protocol's servers report it with every forward and backward pass, and programs print it. Others name it
``total_loss:sum``, or send the losses of the tokens alone, or for ``cross_entropy`` only the log-probabilities, from which
it follows by the protocol's definition: the sum over all tokens of ``-weight * logprob``.
"""

import numpy as np
from attrs import evolve

from tinkex_actors.types import Datum, ForwardBackwardInput, ForwardBackwardOutput, LossFnOutput

LOSS_SUM = "loss:sum"
_OTHER_NAME = "total_loss:sum"


def with_loss_sum(output: ForwardBackwardOutput, given: ForwardBackwardInput) -> ForwardBackwardOutput:
    """Return *output* with ``loss:sum``, if it can be told.

    Args:
        output: What the server brought; unchanged if it reports the metric.
        given: The data it was computed from.
    """
    if LOSS_SUM in output.metrics:
        return output
    loss = _find_loss(output, given)
    return output if loss is None else evolve(output, metrics={LOSS_SUM: loss, **output.metrics})


def _find_loss(output: ForwardBackwardOutput, given: ForwardBackwardInput) -> float | None:
    if _OTHER_NAME in output.metrics:
        return output.metrics[_OTHER_NAME]
    if len(output.loss_fn_outputs) != len(given.data):
        return None
    if given.loss_fn == "cross_entropy":
        parts = [_cross_entropy(*pair) for pair in zip(given.data, output.loss_fn_outputs, strict=True)]
        found = [part for part in parts if part is not None]
        if len(found) == len(parts):
            return float(sum(found))
    if all("elementwise_loss" in fields for fields in output.loss_fn_outputs):
        return float(sum(fields["elementwise_loss"].data.sum(dtype=np.float64) for fields in output.loss_fn_outputs))
    return None


def _cross_entropy(datum: Datum, fields: LossFnOutput) -> float | None:
    if "logprobs" not in fields:
        return None
    logprobs = fields["logprobs"].data.astype(np.float64)
    tensor = datum.loss_fn_inputs.get("weights")
    weights = np.ones_like(logprobs) if tensor is None else tensor.to_numpy().reshape(-1)
    if weights.size != logprobs.size:
        return None
    # A token that does not count may have no score at all.
    return -float((weights * np.where(weights != 0, logprobs, 0.0)).sum())

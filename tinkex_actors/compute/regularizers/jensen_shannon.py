"""Jensen-Shannon divergence: symmetric, and bounded by ln 2 for distributions that sum to 1.

``JS = KL(p || m) / 2 + KL(q || m) / 2`` with ``m = max((p + q) / 2, 1e-10)``; gradient ``p ln(p / m) / 2``, and half a
``p`` more where the floor holds ``m``. Per position: `jensen_shannon_by_position`.
"""

from typing import ClassVar

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.regularizers.term import (
    NO_CONTEXT,
    Context,
    Evaluation,
    Reduction,
    Values,
    one_of,
    read_distributions,
)
from tinkex_actors.types._checks import integer, text
from tinkex_actors.types.tensors import Array

_FLOOR = 1e-10


@frozen(kw_only=True)
class JensenShannon:
    """Hold distributions near those of a reference, gently; needs a vocabulary axis."""

    name: ClassVar[str] = "jensen_shannon"

    reference_field: str = field(default="reference_logprobs", validator=text(empty=False))
    """Where the reference's log-probabilities are, in the shape of the datum's own."""
    reduction: Reduction = field(default="mean", validator=one_of("mean", "sum"))
    axis: int = field(default=-1, validator=integer())
    """Along which the vocabulary lies."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The reference."""
        return (self.reference_field,)

    def evaluate(self, logprobs: Array, context: Context = NO_CONTEXT) -> Evaluation:
        """Evaluate; metrics ``jensen_shannon`` (the value), ``js_max`` and ``js_min`` (over positions)."""
        x = read_distributions(logprobs, self.axis)
        reference = context.array(self.reference_field, x.shape)
        positions = jensen_shannon_by_position(x, reference, axis=self.axis)
        scale = 1.0 / (positions.size if self.reduction == "mean" else 1)
        value = float(scale * positions.sum())
        metrics = {"jensen_shannon": value, "js_max": float(positions.max()), "js_min": float(positions.min())}
        return Evaluation(value, scale * _slope(x, reference), metrics)


def jensen_shannon_by_position(logprobs: Values, reference: Values, *, axis: int = -1) -> Values:
    """Return the divergence of each position, in nats: the shape without *axis*."""
    p, q = np.exp(logprobs), np.exp(reference)
    log_middle = np.log(_middle(p, q))
    outcomes = _times_log(p, logprobs, log_middle) + _times_log(q, reference, log_middle)
    positions: Values = 0.5 * outcomes.sum(axis=axis)
    return positions


def _middle(p: Values, q: Values) -> Values:
    return np.maximum(0.5 * (p + q), _FLOOR)


def _times_log(p: Values, log_p: Values, log_middle: Values) -> Values:
    with np.errstate(invalid="ignore"):  # 0 * -inf: an impossible outcome contributes nothing
        return np.where(p > 0.0, p * (log_p - log_middle), 0.0)


def _slope(x: Values, reference: Values) -> Values:
    p, q = np.exp(x), np.exp(reference)
    is_floored = 0.5 * (p + q) < _FLOOR
    slope: Values = 0.5 * (_times_log(p, x, np.log(_middle(p, q))) + p * is_floored)
    return slope

"""Consistency: the same answer for two views of a datum, one of them given as a field.

With ``x`` the log-probabilities, ``q`` the pair's and ``p = e^x``:

==========  ===============================================  =================================================
metric      value                                            gradient
==========  ===============================================  =================================================
``mse``     mean or sum of ``(x - q)^2``                     ``2 (x - q)``
``l1``      mean or sum of ``|x - q|``                       ``sign(x - q)``
``cosine``  ``1 - x.q / (|x| |q|)``, flattened, not reduced  ``-q / (|x||q|) + (x.q) x / (|x|^3 |q|)``
``kl``      mean or sum over positions of                    ``[p (x - q + 1) - e^q] / 2``
            ``[p (x - q) + e^q (q - x)] / 2``
==========  ===============================================  =================================================

Norms of the cosine are floored at 1e-8, below which the second part of its gradient is 0. ``kl`` alone needs a
vocabulary axis, and an outcome of probability 0 contributes nothing from its own side.
"""

from typing import ClassVar, Literal, TypeAlias, assert_never

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
    read_logprobs,
)
from tinkex_actors.types._checks import integer, text
from tinkex_actors.types.tensors import Array

Metric: TypeAlias = Literal["mse", "l1", "cosine", "kl"]

_FLOOR = 1e-8


@frozen(kw_only=True)
class Consistency:
    """Hold log-probabilities near those of the datum's pair."""

    name: ClassVar[str] = "consistency"

    pair_field: str = field(default="original_logprobs", validator=text(empty=False))
    """Where the pair's log-probabilities are, in the shape of the datum's own."""
    metric: Metric = field(default="mse", validator=one_of("mse", "l1", "cosine", "kl"))
    reduction: Reduction = field(default="mean", validator=one_of("mean", "sum"))
    axis: int = field(default=-1, validator=integer())
    """Along which the vocabulary lies, for ``kl``."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The pair."""
        return (self.pair_field,)

    def evaluate(self, logprobs: Array, context: Context = NO_CONTEXT) -> Evaluation:
        """Evaluate; label ``consistency_metric``."""
        x = read_distributions(logprobs, self.axis) if self.metric == "kl" else read_logprobs(logprobs)
        value, gradient = self._compare(x, context.array(self.pair_field, x.shape))
        return Evaluation(value, gradient, labels={"consistency_metric": self.metric})

    def _compare(self, x: Values, q: Values) -> tuple[float, Values]:
        mean = 1.0 / x.size if self.reduction == "mean" else 1.0
        match self.metric:
            case "mse":
                apart = x - q
                value = mean * float(np.vdot(apart, apart))
                apart *= 2.0 * mean
                return value, apart
            case "l1":
                return float(mean * np.abs(x - q).sum()), mean * np.sign(x - q)
            case "cosine":
                return _cosine(x, q)
            case "kl":
                # A mean is over positions, each of which has a whole distribution.
                return _symmetric_kl(x, q, mean * x.shape[self.axis] if self.reduction == "mean" else 1.0)
            case _:
                assert_never(self.metric)


def _cosine(x: Values, q: Values) -> tuple[float, Values]:
    length, other = float(np.linalg.norm(x)), max(float(np.linalg.norm(q)), _FLOOR)
    floored = max(length, _FLOOR)
    dot = float(np.vdot(x, q))
    gradient = -q / (floored * other)
    if length > _FLOOR:
        gradient = gradient + dot * x / (length**3 * other)
    return 1.0 - dot / (floored * other), gradient


def _symmetric_kl(x: Values, q: Values, scale: float) -> tuple[float, Values]:
    p, r = np.exp(x), np.exp(q)
    with np.errstate(invalid="ignore"):  # 0 * -inf: the outcome is impossible on that side
        ours = np.where(p > 0.0, p * (x - q), 0.0)
        theirs = np.where(r > 0.0, r * (q - x), 0.0)
    return float(0.5 * scale * (ours + theirs).sum()), 0.5 * scale * (ours + p - r)

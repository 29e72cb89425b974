"""Kullback-Leibler divergence of distributions from a reference, one reference a datum.

``KL(a || b) = sum e^a clip(a - b, -100, 100)`` over the distribution axis, where ``e^a > 1e-10``:

=============  =====================  ==================================================================
direction      value                  gradient where it counts
=============  =====================  ==================================================================
``forward``    KL(current || ref)     ``p (r + [not clipped])``, with ``r`` the clipped difference
``reverse``    KL(ref || current)     ``-e^ref [not clipped]``
symmetric      half the sum of both   half the sum of both
=============  =====================  ==================================================================

Forward is the mode-seeking one here; some texts call that reverse, so go by the formula. The gradient is that of the
value as it stands, mask and clip included.
"""

from typing import ClassVar, Literal, TypeAlias

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
from tinkex_actors.types._checks import flag, integer, text
from tinkex_actors.types.tensors import Array

Direction: TypeAlias = Literal["forward", "reverse"]

_CLIP = 100.0
_NEGLIGIBLE = 1e-10


@frozen(kw_only=True)
class KlDivergence:
    """Hold distributions near those of a reference; needs a vocabulary axis."""

    name: ClassVar[str] = "kl_divergence"

    reference_field: str = field(default="reference_logprobs", validator=text(empty=False))
    """Where the reference's log-probabilities are, in the shape of the datum's own."""
    direction: Direction = field(default="forward", validator=one_of("forward", "reverse"))
    symmetric: bool = field(default=False, validator=flag())
    """Take both directions, whatever *direction* says."""
    reduction: Reduction = field(default="mean", validator=one_of("mean", "sum"))
    axis: int = field(default=-1, validator=integer())
    """Along which the vocabulary lies."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The reference."""
        return (self.reference_field,)

    def evaluate(self, logprobs: Array, context: Context = NO_CONTEXT) -> Evaluation:
        """Evaluate; metrics ``kl_divergence`` (the value), ``kl_max`` and ``kl_min`` (over positions)."""
        current = read_distributions(logprobs, self.axis)
        reference = context.array(self.reference_field, current.shape)
        slopes = self._slopes(current, reference)
        positions = slopes.values.sum(axis=self.axis)
        scale = 1.0 / (positions.size if self.reduction == "mean" else 1)
        value = float(scale * positions.sum())
        gradient = slopes.gradient
        gradient *= scale
        return Evaluation(
            value,
            gradient,
            {"kl_divergence": value, "kl_max": float(positions.max()), "kl_min": float(positions.min())},
            {"kl_direction": self.direction, "kl_symmetric": str(self.symmetric).lower()},
        )

    def _slopes(self, current: Values, reference: Values) -> "_Elements":
        if self.symmetric:
            one, other = _forward(current, reference), _reverse(current, reference)
            return _Elements(0.5 * (one.values + other.values), 0.5 * (one.gradient + other.gradient))
        return (_forward if self.direction == "forward" else _reverse)(current, reference)


@frozen(eq=False)
class _Elements:
    """The contribution of every outcome, and its derivative."""

    values: Values
    gradient: Values


def _forward(current: Values, reference: Values) -> _Elements:
    p, ratio, free = _compare(current, reference)
    values = p * ratio
    return _Elements(values, values + (p if free is None else p * free))


def _reverse(current: Values, reference: Values) -> _Elements:
    q, ratio, free = _compare(reference, current)
    return _Elements(q * ratio, -q if free is None else -q * free)


def _compare(a: Values, b: Values) -> tuple[Values, Values, Values | None]:
    """Return ``e^a`` where it counts, the clipped ``a - b``, and 1 where it is not clipped: ``None`` if nothing is."""
    probabilities = np.exp(a)
    counts = probabilities > _NEGLIGIBLE if probabilities.min() <= _NEGLIGIBLE else None
    with np.errstate(invalid="ignore"):  # two impossible outcomes; neither counts
        difference = a - b
    if counts is not None:
        probabilities, difference = np.where(counts, probabilities, 0.0), np.where(counts, difference, 0.0)
    if max(float(difference.max()), -float(difference.min())) < _CLIP:
        return probabilities, difference, None
    free = (np.abs(difference) < _CLIP).astype(np.float64)
    return probabilities, np.clip(difference, -_CLIP, _CLIP), free

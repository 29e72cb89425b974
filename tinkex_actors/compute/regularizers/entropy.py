"""Entropy of distributions: sharpen them, or keep them flat.

``H = -sum e^s s`` over the distribution axis, where ``s`` are the log-probabilities at the temperature. Terms with
``s <= -50`` count nothing. *sharpen* adds ``+H`` to a loss that is minimized, *flatten* adds ``-H``.

At temperature 1 the numbers are taken as they come, even if they do not sum to 1 (a top-k distribution does not); any
other temperature renormalizes, ``s = x/T - logsumexp(x/T)``. So the gradient jumps between 1 and its neighbours, unless
``renormalize=True`` asks for the same at 1.

With ``g = -e^s (s + 1)`` where it counts, the gradient is ``g``, and through the renormalization
``(g - e^s * sum g) / T``.
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
from tinkex_actors.types._checks import flag, integer, number
from tinkex_actors.types.tensors import Array

Direction: TypeAlias = Literal["sharpen", "flatten"]

_NEGLIGIBLE = -50.0
_OTHER_WORDS: dict[str, Direction] = {"minimize": "sharpen", "maximize": "flatten"}


def _to_direction(word: str) -> Direction:
    # Unknown words pass here and are refused by the validator.
    return _OTHER_WORDS.get(word, word)  # type: ignore[arg-type]


@frozen(kw_only=True)
class Entropy:
    """Move the entropy of distributions; needs a vocabulary axis."""

    name: ClassVar[str] = "entropy"

    direction: Direction = field(default="sharpen", converter=_to_direction, validator=one_of("sharpen", "flatten"))
    """*sharpen* lowers the entropy (also ``"minimize"``), *flatten* raises it (also ``"maximize"``)."""
    reduction: Reduction = field(default="mean", validator=one_of("mean", "sum"))
    normalize: bool = field(default=False, validator=flag())
    """Divide by ``ln V``, the entropy of the flat distribution."""
    temperature: float = field(default=1.0, validator=number(minimum=1e-6))
    renormalize: bool = field(default=False, validator=flag())
    """Make distributions sum to 1 at temperature 1 too."""
    axis: int = field(default=-1, validator=integer())
    """Along which the vocabulary lies."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Nothing beside the log-probabilities."""
        return ()

    def evaluate(self, logprobs: Array, context: Context = NO_CONTEXT) -> Evaluation:
        """Evaluate; metrics ``entropy`` (the signed value) and ``temperature``."""
        del context
        x = read_distributions(logprobs, self.axis)
        is_softmax = self.renormalize or self.temperature != 1.0
        s = _log_softmax(x / self.temperature, self.axis) if is_softmax else x
        p, scale = np.exp(s), self._scale(x)
        counts = s > _NEGLIGIBLE if s.min() <= _NEGLIGIBLE else None
        weights = p if counts is None else np.where(counts, p, 0.0)
        slope = weights * (s if counts is None else np.where(counts, s, 0.0))
        value = -scale * float(slope.sum())
        # In place from here: these arrays are as large as the log-probabilities.
        slope += weights
        if is_softmax:
            slope -= p * slope.sum(axis=self.axis, keepdims=True)
        slope *= -scale / (self.temperature if is_softmax else 1.0)
        return Evaluation(value, slope, {"entropy": value, "temperature": self.temperature}, {"mode": self.direction})

    def _scale(self, x: Values) -> float:
        size = x.shape[self.axis]
        if self.normalize and size == 1:
            raise ValueError("expected at least 2 outcomes to normalize the entropy, got 1; ln 1 is 0")
        scale = 1.0 if self.direction == "sharpen" else -1.0
        scale /= float(np.log(size)) if self.normalize else 1.0
        return scale / (x.size // size if self.reduction == "mean" else 1)


def _log_softmax(x: Values, axis: int) -> Values:
    shifted = x - x.max(axis=axis, keepdims=True)
    normalized: Values = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return normalized

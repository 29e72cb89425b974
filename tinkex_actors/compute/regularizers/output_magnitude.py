"""Output magnitude: hold the size of an array near a target.

*mean*: ``(RMS(x) - t)^2``, gradient ``2 (RMS - t) x / (n RMS)``. *sum*: ``(|x| - t)^2``, gradient
``2 (|x| - t) x / |x|``. Both are 0 at the origin, which has no direction.
"""

from typing import ClassVar

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.regularizers.term import NO_CONTEXT, Context, Evaluation, Reduction, one_of, read_logprobs
from tinkex_actors.types._checks import number
from tinkex_actors.types.tensors import Array


@frozen(kw_only=True)
class OutputMagnitude:
    """Penalize the distance of the array's length from a target; any shape."""

    name: ClassVar[str] = "output_magnitude"

    target: float = field(default=1.0, validator=number(minimum=0.0))
    reduction: Reduction = field(default="mean", validator=one_of("mean", "sum"))
    """*mean* looks at the root of the mean square, *sum* at the Euclidean length."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Nothing beside the log-probabilities."""
        return ()

    def evaluate(self, logprobs: Array, context: Context = NO_CONTEXT) -> Evaluation:
        """Evaluate; metric ``magnitude`` (the size before the target is taken off)."""
        del context
        x = read_logprobs(logprobs)
        count = x.size if self.reduction == "mean" else 1
        size = float(np.linalg.norm(x)) / count**0.5
        excess = size - self.target
        gradient = 2.0 * excess / (count * size) * x if size > 0.0 else np.zeros_like(x)
        return Evaluation(excess**2, gradient, {"magnitude": size})

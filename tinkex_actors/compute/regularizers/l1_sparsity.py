"""L1: pulls numbers to zero at a constant rate.

Value ``strength * sum|x|`` (or mean), gradient ``strength * sign(x)`` times the slope of the target; the sign of 0 is 0.
"""

from typing import ClassVar

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.regularizers.target import Target, check_target, logprobs_target, select, target_fields
from tinkex_actors.compute.regularizers.term import NO_CONTEXT, Context, Evaluation, Reduction, one_of, read_logprobs
from tinkex_actors.types._checks import number
from tinkex_actors.types.tensors import Array


@frozen(kw_only=True)
class L1Sparsity:
    """Penalize absolute values, element by element; any shape."""

    name: ClassVar[str] = "l1_sparsity"

    target: Target = field(factory=logprobs_target, validator=check_target)
    strength: float = field(default=1.0, validator=number(minimum=0.0))
    """The usual lambda."""
    reduction: Reduction = field(default="sum", validator=one_of("mean", "sum"))

    @property
    def fields(self) -> tuple[str, ...]:
        """The target, when it is a field."""
        return target_fields(self.target)

    def evaluate(self, logprobs: Array, context: Context = NO_CONTEXT) -> Evaluation:
        """Evaluate; metrics ``l1_raw`` (the value) and ``l1_mean`` (the mean of the absolute values)."""
        selected = select(self.target, read_logprobs(logprobs), context)
        x = selected.values
        total = float(np.abs(x).sum())
        scale = self.strength / (x.size if self.reduction == "mean" else 1)
        gradient = np.sign(x)
        gradient *= scale
        return Evaluation(scale * total, selected.chain(gradient), {"l1_raw": scale * total, "l1_mean": total / x.size})

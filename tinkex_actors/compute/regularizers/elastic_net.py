"""Elastic net: L1 and L2 in one, mixed by a ratio.

Value ``strength * (ratio * R|x| + (1 - ratio) * R x^2)`` with ``R`` a sum or a mean; gradient
``strength * (ratio * sign(x) + 2 (1 - ratio) x)`` times the slope of the target.
"""

from typing import ClassVar

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.regularizers.target import Target, check_target, logprobs_target, select, target_fields
from tinkex_actors.compute.regularizers.term import NO_CONTEXT, Context, Evaluation, Reduction, one_of, read_logprobs
from tinkex_actors.types._checks import number
from tinkex_actors.types.tensors import Array


@frozen(kw_only=True)
class ElasticNet:
    """Penalize absolute values and squares, element by element; any shape."""

    name: ClassVar[str] = "elastic_net"

    target: Target = field(factory=logprobs_target, validator=check_target)
    strength: float = field(default=1.0, validator=number(minimum=0.0))
    """The usual lambda."""
    l1_ratio: float = field(default=0.5, validator=number(minimum=0.0, maximum=1.0))
    """1 is L1 alone, 0 is L2 alone."""
    reduction: Reduction = field(default="sum", validator=one_of("mean", "sum"))

    @property
    def fields(self) -> tuple[str, ...]:
        """The target, when it is a field."""
        return target_fields(self.target)

    def evaluate(self, logprobs: Array, context: Context = NO_CONTEXT) -> Evaluation:
        """Evaluate; metrics ``elastic_net`` (the value) and ``l1_ratio``."""
        selected = select(self.target, read_logprobs(logprobs), context)
        x, ratio = selected.values, self.l1_ratio
        scale = self.strength / (x.size if self.reduction == "mean" else 1)
        value = scale * (ratio * float(np.abs(x).sum()) + (1.0 - ratio) * float(np.vdot(x, x)))
        gradient = np.sign(x)
        gradient *= scale * ratio
        gradient += 2.0 * scale * (1.0 - ratio) * x
        return Evaluation(value, selected.chain(gradient), {"elastic_net": value, "l1_ratio": ratio})

"""L2: pulls numbers to zero, to a number or to their mean, in proportion to the distance, up to a clip.

With ``u = x - center`` and ``v = clip(u, -k, k)`` the value is ``strength * sum v^2`` (or mean). Only what is strictly
inside the clip moves: ``w = v * [|u| < k]``, gradient ``2 * strength * w``. A mean moves with its elements, which takes
the mean of ``w`` off again.
"""

from typing import Any, ClassVar, Literal

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.regularizers.target import Target, check_target, logprobs_target, select, target_fields
from tinkex_actors.compute.regularizers.term import (
    NO_CONTEXT,
    Context,
    Evaluation,
    Reduction,
    Values,
    one_of,
    read_logprobs,
)
from tinkex_actors.types._checks import number, optional
from tinkex_actors.types.tensors import Array


def _check_center(instance: Any, attribute: Any, value: Any) -> None:
    if value != "mean":
        optional(number())(instance, attribute, value)


def _check_clip(instance: Any, attribute: Any, value: Any) -> None:
    optional(number(minimum=0.0))(instance, attribute, value)
    if value == 0:
        raise ValueError("clip must be > 0, got 0; it would leave nothing to penalize")


@frozen(kw_only=True)
class L2WeightDecay:
    """Penalize squares, element by element; any shape."""

    name: ClassVar[str] = "l2_weight_decay"

    target: Target = field(factory=logprobs_target, validator=check_target)
    strength: float = field(default=1.0, validator=number(minimum=0.0))
    """The usual lambda."""
    reduction: Reduction = field(default="sum", validator=one_of("mean", "sum"))
    clip: float | None = field(default=None, validator=_check_clip)
    """Distance beyond which the penalty no longer grows."""
    center: float | Literal["mean"] | None = field(default=None, validator=_check_center)
    """What the numbers are pulled to: a number, their own mean, or zero."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The target, when it is a field."""
        return target_fields(self.target)

    def evaluate(self, logprobs: Array, context: Context = NO_CONTEXT) -> Evaluation:
        """Evaluate; metrics ``l2_raw`` (the value) and ``l2_mean`` (mean square, neither centered nor clipped)."""
        selected = select(self.target, read_logprobs(logprobs), context)
        x = selected.values
        distance = self._center(x)
        held = distance if self.clip is None else np.clip(distance, -self.clip, self.clip)
        moving = held if self.clip is None else np.where(np.abs(distance) < self.clip, held, 0.0)
        scale = self.strength / (x.size if self.reduction == "mean" else 1)
        value = scale * float(np.vdot(held, held))
        gradient = 2.0 * scale * moving
        if self.center == "mean":
            gradient -= gradient.mean()
        metrics = {"l2_raw": value, "l2_mean": float(np.vdot(x, x)) / x.size}
        return Evaluation(value, selected.chain(gradient), metrics, {"center": str(self.center).lower()})

    def _center(self, x: Values) -> Values:
        match self.center:
            case None:
                return x
            case "mean":
                middle = float(x.mean())
            case number:
                middle = number
        return x - middle

"""Gradient penalty: hold the slope of a function of the log-probabilities near a target length.

Value ``(|g| - target)^2`` with ``g`` the gradient of the function at ``x``; gradient
``2 (|g| - target) / |g| * (Hessian @ g)``, and 0 where ``g`` is 0, since it has no direction there. ``x`` is the
log-probabilities (``output``), or a point between them and a reference (``interpolated``),
``eps * logprobs + (1 - eps) * reference`` with one ``eps`` drawn from the seed, which multiplies the gradient.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.regularizers.term import NO_CONTEXT, Context, Evaluation, Values, one_of, read_logprobs
from tinkex_actors.types._checks import number, text
from tinkex_actors.types.tensors import Array

Mode: TypeAlias = Literal["output", "interpolated"]


def _check_callable(_: Any, attribute: Any, value: Any) -> None:
    if not callable(value):
        raise TypeError(f"{attribute.name} must be callable, got {type(value).__name__}")


@frozen(kw_only=True)
class GradientPenalty:
    """Penalize how far the slope of a function is from a target; any shape that the function takes."""

    name: ClassVar[str] = "gradient_penalty"

    slope: Callable[[Values], Values] = field(validator=_check_callable)
    """The gradient of the function, in the shape of its argument."""
    curvature: Callable[[Values, Values], Values] = field(validator=_check_callable)
    """``(x, v)`` to the Hessian at x times v; `curvature_of` measures it where no formula is at hand."""
    mode: Mode = field(default="output", validator=one_of("output", "interpolated"))
    target_norm: float = field(default=1.0, validator=number(minimum=0.0))
    reference_field: str = field(default="reference_logprobs", validator=text(empty=False))
    """Where the reference is, for ``interpolated``."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The reference, when it is needed."""
        return (self.reference_field,) if self.mode == "interpolated" else ()

    def evaluate(self, logprobs: Array, context: Context = NO_CONTEXT) -> Evaluation:
        """Evaluate; metric ``slope_norm``, and ``epsilon`` when it was drawn."""
        x, metrics, epsilon = read_logprobs(logprobs), dict[str, float](), 1.0
        if self.mode == "interpolated":
            reference = context.array(self.reference_field, x.shape)
            metrics["epsilon"] = epsilon = float(context.generator().uniform())
            x = epsilon * x + (1.0 - epsilon) * reference
        slope = _shaped("slope", self.slope(x), x)
        length = float(np.linalg.norm(slope))
        excess = length - self.target_norm
        if length > 0.0:
            bend = _shaped("curvature", self.curvature(x, slope), x)
            gradient = 2.0 * epsilon * excess / length * bend
        else:
            gradient = np.zeros_like(x)
        return Evaluation(excess**2, gradient, {"slope_norm": length, **metrics})


def curvature_of(slope: Callable[[Values], Values], *, step: float = 1e-5) -> Callable[[Values, Values], Values]:
    """Measure the Hessian's product by central differences of *slope*: exact for quadratics, about 1e-9 otherwise."""

    def curvature(x: Values, v: Values) -> Values:
        length = float(np.linalg.norm(v))
        if length == 0.0:
            return np.zeros_like(x)
        shift = step / length * v
        return (slope(x + shift) - slope(x - shift)) * (length / (2.0 * step))

    return curvature


def _shaped(name: str, result: Values, x: Values) -> Values:
    array = np.asarray(result, np.float64)
    if array.shape != x.shape:
        raise ValueError(f"expected {name} to return the shape of its argument, {x.shape}, got {array.shape}")
    return array

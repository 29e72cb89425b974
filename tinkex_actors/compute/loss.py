"""What a loss over a batch is.

A loss takes the data and their log-probabilities, one array a datum, and returns one of::

    value                           a number: reported, but it cannot train
    value, gradients                one gradient a datum, in the shape of its log-probabilities
    value, gradients, metrics       and numbers to report
    LossEvaluation(...)             all of it by name

A value that is an array is summed, and the gradients are those of the sum. A loss that draws at random has a method
``evaluate_loss(data, logprobs, *, seed)`` instead (`SeededLoss`), so that a step can be repeated. Either may be an
``async def``, which can ask another model.

A function of torch, jax or autograd returns its loss, or its loss and metrics, and its gradients are found by
differentiating it: `tinkex_actors.compute.adapters` says how such a function is recognised.

Log-probabilities are read-only: all parts of a composition look at the same arrays.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from attrs import field, frozen

from tinkex_actors.compute.regularizers.term import Values
from tinkex_actors.types import Datum
from tinkex_actors.types.tensors import Array


@frozen(eq=False)
class LossEvaluation:
    """A loss at one point."""

    value: float
    gradients: tuple[Values, ...] | None
    """One a datum, float64, in the shape of its log-probabilities; ``None`` when the loss gives none."""
    metrics: Mapping[str, float] = field(factory=dict[str, float])
    labels: Mapping[str, str] = field(factory=dict[str, str])


LossResult: TypeAlias = (
    LossEvaluation
    | float
    | Array
    | tuple[float | Array, Sequence[Array]]
    | tuple[float | Array, Sequence[Array], Mapping[str, float]]
)
LossFunction: TypeAlias = Callable[[Sequence[Datum], Sequence[Values]], LossResult | Awaitable[LossResult]]


@runtime_checkable
class SeededLoss(Protocol):
    """A loss that may draw at random, from a seed. The method may be an ``async def``."""

    def evaluate_loss(
        self, data: Sequence[Datum], logprobs: Sequence[Values], *, seed: int | None = None
    ) -> LossResult | Awaitable[LossResult]:
        """Evaluate at *logprobs*, the same way for the same seed."""
        ...


# What a function of torch or jax takes and returns is known to its library alone.
DifferentiableFunction: TypeAlias = Callable[[Any, Any], Any]
Loss: TypeAlias = LossFunction | SeededLoss | DifferentiableFunction


def is_async_loss(loss: object) -> bool:
    """Tell whether *loss* has to be awaited: an ``async def``, or an object whose evaluation is one."""
    call = getattr(loss, "evaluate_loss", loss)
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004 - a callable's own method is asked, not whether there is one

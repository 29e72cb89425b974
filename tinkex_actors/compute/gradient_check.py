"""Check the gradients of a loss against central finite differences.

A wrong gradient trains, only worse or to something else, and no exception says so. The check evaluates the loss twice
for each element it looks at, so it belongs in a test or at the start of a run, on a small batch.
"""

import math
from collections.abc import Sequence

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.composition import evaluate_any, has_to_be_awaited, in_double
from tinkex_actors.compute.loss import Loss, LossEvaluation
from tinkex_actors.compute.loss_errors import GradientMismatch, LossInvalid
from tinkex_actors.compute.regularizers.term import Values
from tinkex_actors.types import Datum
from tinkex_actors.types._checks import integer, number
from tinkex_actors.types.tensors import Array, to_array

_ALIKE = 1e-3


@frozen(kw_only=True)
class GradientCheck:
    """How closely to look."""

    step: float = field(default=1e-5, validator=number(minimum=1e-12))
    """How far each log-probability is moved, nats."""
    tolerance: float = field(default=1e-5, validator=number(minimum=0.0))
    """Largest deviation, relative to the largest slope that was measured."""
    max_elements: int = field(default=256, validator=integer(minimum=1))
    """Beyond so many elements, that many are drawn from the seed."""
    seed: int = field(default=0, validator=integer(minimum=0))
    """For the draw of elements, of log-probabilities, and for losses that draw."""


@frozen
class GradientReport:
    """What a check that passed saw."""

    elements: int
    """How many were looked at."""
    largest_deviation: float
    """Between gradient and slope, absolute."""


_DEFAULT = GradientCheck()


def check_gradient(
    loss: Loss,
    data: Sequence[Datum],
    logprobs: Sequence[Array] | None = None,
    *,
    check: GradientCheck = _DEFAULT,
) -> GradientReport:
    """Compare the gradients of *loss* with the slopes of its value.

    Args:
        loss: A loss of any kind, a composition, or `per_datum` or `concatenated` of a term. One of torch or jax is
            evaluated in double precision.
        data: A small batch.
        logprobs: Where to look, one array a datum; without it, random ones in the shape of ``target_tokens``. Stay away
            from kinks: at one, no gradient is the slope.
        check: How closely.

    Raises:
        GradientMismatch: A gradient is not the slope; the message says where, and what it looks like.
        LossInvalid: The loss returns no gradients, or another value at the same point.
        TypeError: It has to be awaited; use `check_gradient_async`.
    """
    if has_to_be_awaited(loss):
        raise TypeError("expected a loss that returns, got one that has to be awaited; await check_gradient_async(...)")
    checking = check_gradient_async(loss, data, logprobs, check=check)
    try:
        checking.send(None)
    except StopIteration as end:
        report: GradientReport = end.value
        return report
    checking.close()
    raise TypeError("expected a loss that returns, got one that waited for something; await check_gradient_async(...)")


async def check_gradient_async(
    loss: Loss,
    data: Sequence[Datum],
    logprobs: Sequence[Array] | None = None,
    *,
    check: GradientCheck = _DEFAULT,
) -> GradientReport:
    """Do the same for a loss that may have to be awaited; it is asked for one value after the other."""
    generator = np.random.default_rng(check.seed)
    point = _Point(in_double(loss), data, _start(data, logprobs, generator), check)
    given = await point.evaluate()
    if given.gradients is None:
        raise LossInvalid("expected (value, gradients) to check, got a value without gradients")
    again = (await point.evaluate()).value
    if again != given.value:
        raise LossInvalid(
            f"expected the same value at the same point, got {given.value:g} and then {again:g}; draw from the seed"
        )
    places = _choose(point.logprobs, check.max_elements, generator)
    slopes = np.array([await point.slope(place) for place in places])
    return _compare(places, np.array([given.gradients[p.datum][p.place] for p in places]), slopes, check.tolerance)


@frozen
class _Place:
    """One element of one datum."""

    datum: int
    place: tuple[int, ...]


@frozen(eq=False)
class _Point:
    """A loss, and where it is looked at."""

    loss: Loss
    data: Sequence[Datum]
    logprobs: list[Values]
    check: GradientCheck

    async def evaluate(self) -> LossEvaluation:
        return await evaluate_any(self.loss, self.data, self.logprobs, seed=self.check.seed)

    async def slope(self, at: _Place) -> float:
        array, middle = self.logprobs[at.datum], float(self.logprobs[at.datum][at.place])
        array[at.place] = middle + self.check.step
        above = (await self.evaluate()).value
        array[at.place] = middle - self.check.step
        below = (await self.evaluate()).value
        array[at.place] = middle
        return (above - below) / (2.0 * self.check.step)


def _start(data: Sequence[Datum], logprobs: Sequence[Array] | None, generator: np.random.Generator) -> list[Values]:
    if logprobs is not None:
        return [to_array(array).astype(np.float64) for array in logprobs]
    missing = [index for index, datum in enumerate(data) if "target_tokens" not in datum.loss_fn_inputs]
    if missing:
        raise ValueError(f"expected target_tokens in data[{missing[0]}], got none; or pass logprobs")
    return [-generator.uniform(0.1, 3.0, datum.loss_fn_inputs["target_tokens"].to_numpy().shape) for datum in data]


def _choose(logprobs: Sequence[Values], limit: int, generator: np.random.Generator) -> list[_Place]:
    ends = np.cumsum([array.size for array in logprobs])
    size = int(ends[-1]) if len(ends) else 0
    if size == 0:
        raise ValueError("expected at least one log-probability to check, got none")
    chosen = np.arange(size) if size <= limit else np.sort(generator.choice(size, limit, replace=False))
    return [_place_of(int(index), ends, logprobs) for index in chosen]


def _place_of(index: int, ends: Array, logprobs: Sequence[Values]) -> _Place:
    datum = int(np.searchsorted(ends, index, side="right"))
    within = index - int(ends[datum]) + logprobs[datum].size
    return _Place(datum, tuple(int(i) for i in np.unravel_index(within, logprobs[datum].shape)))


def _compare(places: Sequence[_Place], given: Values, slopes: Values, tolerance: float) -> GradientReport:
    deviations = np.abs(given - slopes)
    worst = int(np.argmax(deviations))
    # Differences of a value are exact to about 1e-9 of it, so tiny slopes need an absolute floor.
    if deviations[worst] > tolerance * max(float(np.abs(slopes).max()), _ALIKE):
        at = places[worst]
        element = f"gradients[{at.datum}][{', '.join(map(str, at.place))}]"
        raise GradientMismatch(
            f"expected {element} to be the slope of the value, {slopes[worst]:.6g}, got {given[worst]:.6g}; "
            + _suspect(given, slopes),
            datum=at.datum,
            place=at.place,
            given=float(given[worst]),
            measured=float(slopes[worst]),
        )
    return GradientReport(len(places), float(deviations[worst]))


def _suspect(given: Values, slopes: Values) -> str:
    """Say what kind of mistake it looks like."""
    if not given.any():
        return "all gradients are 0 although the value moves: the loss would train nothing"
    factor = float(given @ slopes) / float(given @ given)
    if not np.allclose(factor * given, slopes, rtol=_ALIKE, atol=_ALIKE * float(np.abs(slopes).max())):
        return "look at this element's formula, and at kinks near it (clips, masks, absolute values)"
    if math.isclose(factor, -1.0, rel_tol=_ALIKE):
        return "all signs are the wrong way round"
    return f"all are off by the same factor {factor:.6g}: a mean for a sum, or a weight that is missing"

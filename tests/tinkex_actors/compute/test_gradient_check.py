"""The finite-difference checker: it passes right gradients and says what a wrong one looks like."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import trio

from tinkex_actors.compute.composition import RegularizerSpec, compose
from tinkex_actors.compute.gradient_check import GradientCheck, check_gradient, check_gradient_async
from tinkex_actors.compute.loss import Loss, LossResult
from tinkex_actors.compute.loss_errors import GradientMismatch, LossInvalid
from tinkex_actors.compute.regularizers import Values
from tinkex_actors.types import Datum, ModelInput

DATA = [
    Datum(ModelInput.from_ints([1, 2, 3]), {"target_tokens": [2, 3, 4]}),
    Datum(ModelInput.from_ints([1, 2]), {"target_tokens": [2, 3]}),
]


def cubes(factor: float, spoil: float = 0.0) -> Loss:
    def loss(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
        gradients = [factor * 3 * x**2 for x in logprobs]
        gradients[1][1] += spoil
        return sum(float((x**3).sum()) for x in logprobs), gradients

    return loss


def test_a_right_gradient_passes() -> None:
    """Without log-probabilities, random ones in the shape of the targets are looked at."""
    report = check_gradient(cubes(1.0), DATA)
    assert report.elements == 5
    assert report.largest_deviation < 1e-6


@pytest.mark.parametrize(
    ("loss", "suspicion"),
    [
        (cubes(0.0), "all gradients are 0 although the value moves: the loss would train nothing"),
        (cubes(-1.0), "all signs are the wrong way round"),
        (cubes(0.5), "all are off by the same factor 2: a mean for a sum, or a weight that is missing"),
        (cubes(1.0, spoil=5.0), "look at this element's formula, and at kinks near it"),
    ],
)
def test_a_wrong_gradient_is_refused_with_a_suspicion(loss: Loss, suspicion: str) -> None:
    with pytest.raises(GradientMismatch, match=suspicion):
        check_gradient(loss, DATA)


def test_the_worst_element_is_named() -> None:
    """Datum, place, what was given and what was measured: enough to find the line."""
    at = [np.ones(3), np.full(2, 2.0)]
    with pytest.raises(GradientMismatch, match=r"expected gradients\[1\]\[1\] to be the slope .*, 12, got 17") as wrong:
        check_gradient(cubes(1.0, spoil=5.0), DATA, at)
    assert (wrong.value.datum, wrong.value.place, wrong.value.given) == (1, (1,), 17.0)
    assert wrong.value.measured == pytest.approx(12.0)
    assert at[1].tolist() == [2.0, 2.0]


def test_large_batches_are_sampled() -> None:
    """Two evaluations an element are too many for all of a long text."""
    assert check_gradient(cubes(1.0), DATA, check=GradientCheck(max_elements=2)).elements == 2


def test_a_loss_that_cannot_be_checked_says_why() -> None:
    with pytest.raises(LossInvalid, match=r"expected \(value, gradients\) to check, got a value without"):
        check_gradient(lambda _, __: 1.0, DATA)
    count = itertools.count()
    with pytest.raises(LossInvalid, match="expected the same value at the same point, got 0 and then 1; draw from"):
        check_gradient(lambda _, x: (next(count), [0 * array for array in x]), DATA)
    with pytest.raises(ValueError, match=r"expected target_tokens in data\[0\], got none; or pass logprobs"):
        check_gradient(cubes(1.0), [Datum(ModelInput.from_ints([1]))])
    with pytest.raises(ValueError, match="expected at least one log-probability to check, got none"):
        check_gradient(lambda _, __: (0.0, [np.ones(0)]), DATA[:1], [np.ones(0)])


async def test_a_loss_that_is_awaited_checks_like_any_other() -> None:
    """A term that asks another model can be wrong too; without await, the sentence says what to do."""

    def smooth(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
        return sum(float((x**3).sum()) for x in logprobs), [3 * x**2 for x in logprobs]

    async def remote(data: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
        await trio.lowlevel.checkpoint()
        return smooth(data, logprobs)

    composed = compose(smooth, RegularizerSpec(loss=remote, weight=0.5, name="remote"))
    assert (await check_gradient_async(remote, DATA)).elements == 5
    assert (await check_gradient_async(composed, DATA)).elements == 5
    for loss in (remote, composed):
        with pytest.raises(TypeError, match=r"got one that has to be awaited; await check_gradient_async"):
            check_gradient(loss, DATA)


def test_a_loss_that_hides_that_it_is_asynchronous_is_refused() -> None:
    """A function that returns a coroutine: nobody would await it."""

    async def remote(_: Sequence[Datum], __: Sequence[Values]) -> LossResult:
        return 1.0

    with pytest.raises(TypeError, match="expected a loss to return a value, got an awaitable; make it an async def"):
        check_gradient(lambda data, at: remote(data, at), DATA)  # noqa: PLW0108 - hiding it is the point

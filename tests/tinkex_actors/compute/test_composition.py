"""Composed losses: sums, norms that are absent rather than zero, references by datum, and refusals that name names."""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tinkex_actors.compute.batch_terms import concatenated, only, per_datum
from tinkex_actors.compute.composition import RegularizerSpec, compose
from tinkex_actors.compute.evaluation import gradient_norm
from tinkex_actors.compute.gradient_check import check_gradient
from tinkex_actors.compute.loss import Loss, LossResult
from tinkex_actors.compute.loss_errors import LossInvalid, RegularizerFailed
from tinkex_actors.compute.regularizers import (
    Context,
    GradientPenalty,
    KlDivergence,
    L1Sparsity,
    L2WeightDecay,
    Values,
)
from tinkex_actors.types import Datum, ModelInput, TensorData

X = [np.array([1.0, 2.0, 3.0])]
ONE = [Datum(ModelInput.from_ints([1, 2, 3]), {"target_tokens": [2, 3, 4]})]


def constant(value: float) -> Loss:
    return lambda _, logprobs: (value, [np.zeros_like(array) for array in logprobs])


def total(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    return sum(float(x.sum()) for x in logprobs), [np.ones_like(x) for x in logprobs]


def squares(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    return sum(float((x * x).sum()) for x in logprobs), [2 * x for x in logprobs]


def mean(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    return float(logprobs[0].mean()), [np.full_like(logprobs[0], 1 / logprobs[0].size)]


def without_gradient(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    return float(logprobs[0].sum())


def elements(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    return logprobs[0], [np.ones_like(logprobs[0])]


def double(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    return 2 * logprobs[0], [np.full_like(logprobs[0], 2.0)]


def spec(loss: Loss, weight: float = 1.0, name: str = "term") -> RegularizerSpec:
    return RegularizerSpec(loss=loss, weight=weight, name=name)


@pytest.mark.tinkex("T117")
@pytest.mark.parametrize(
    ("loss", "at", "norm"),
    [
        (total, X[0], math.sqrt(3)),
        (squares, X[0], math.sqrt(56)),
        (mean, X[0], math.sqrt(1 / 3)),
        (double, np.array(5.0), 2.0),
        (total, np.ones((2, 2)), 2.0),
    ],
)
def test_norms_are_of_the_gradient_over_all_elements(loss: Loss, at: Values, norm: float) -> None:
    found = compose(constant(0.0), spec(loss), track_norms=True).evaluate(ONE, [at]).output.regularizers["term"]
    assert found.grad_norm == pytest.approx(norm)


@pytest.mark.tinkex("T118")
def test_the_total_norm_is_that_of_the_sum() -> None:
    """Not the sum of the norms: gradients may cancel."""
    found = compose(total, spec(squares, 0.5), track_norms=True).evaluate(ONE, X)
    assert found.gradients is not None
    assert found.gradients[0].tolist() == [2.0, 3.0, 4.0]
    assert found.output.total_grad_norm == pytest.approx(math.sqrt(29))
    assert found.output.regularizers["term"].grad_norm_weighted == pytest.approx(math.sqrt(56) / 2)


@pytest.mark.tinkex("T119")
def test_a_value_of_many_numbers_is_summed_and_a_constant_has_norm_zero() -> None:
    """The same rule for the value, its own norm and the total."""
    found = compose(elements, spec(constant(3.0)), track_norms=True).evaluate(ONE, X).output
    assert (found.base_loss.value, found.loss_total) == (6.0, 9.0)
    assert found.total_grad_norm == found.base_loss.grad_norm == pytest.approx(math.sqrt(3))
    assert found.regularizers["term"].grad_norm == 0.0


@pytest.mark.tinkex("T120")
def test_contributions_add_up_to_the_total() -> None:
    first = spec(constant(10.0), 0.1, "first")
    assert compose(constant(1.0), first).evaluate(ONE, X).value == pytest.approx(2.0)
    found = compose(constant(1.0), first, spec(constant(20.0), 0.5, "second")).evaluate(ONE, X).output
    assert found.loss_total == pytest.approx(12.0)
    assert found.regularizer_total == pytest.approx(11.0)
    assert [term.contribution for term in found.regularizers.values()] == [pytest.approx(1.0), pytest.approx(10.0)]


@pytest.mark.tinkex("T121")
def test_compositions_that_make_no_sense_are_refused_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="names of regularizers must be unique, got term more than once"):
        compose(total, spec(total), spec(squares))
    with pytest.raises(TypeError, match="expected a RegularizerSpec as term 0, got function"):
        compose(total, squares)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TypeError, match=r"base must be a function of \(data, logprobs\), got int"):
        compose(1)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TypeError, match=r"got L1Sparsity; wrap a term with per_datum"):
        spec(L1Sparsity())  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ValueError, match="weight must be >= 0, got -1"):
        spec(total, -1)
    with pytest.raises(ValueError, match="name must not be empty"):
        spec(total, name="")


def test_a_norm_that_cannot_be_had_is_absent_with_a_reason() -> None:
    """Zero would say that the term pulls nothing."""
    found = compose(total, spec(without_gradient), track_norms=True).evaluate(ONE, X)
    term = found.output.regularizers["term"]
    assert (term.grad_norm, term.grad_norm_weighted, found.output.total_grad_norm) == (None, None, None)
    assert found.output.total_grad_norm_missing == "term returned a value without gradients"
    assert found.gradients is None
    assert found.output.base_loss.grad_norm == pytest.approx(math.sqrt(3))


def test_a_base_without_gradients_leaves_the_total_without() -> None:
    """Nested, too: the reason moves outwards."""
    inner = compose(without_gradient, spec(total), track_norms=True)
    found = compose(inner, spec(squares), track_norms=True).evaluate(ONE, X)
    assert (found.value, found.gradients) == (26.0, None)
    assert found.output.base_loss.grad_norm_missing == "base returned a value without gradients"


def test_norms_are_absent_unless_asked_for() -> None:
    found = compose(total, spec(squares)).evaluate(ONE, X).output
    assert (found.total_grad_norm, found.total_grad_norm_missing) == (None, "not asked for")


def test_what_is_reported_is_json() -> None:
    """A figure that is not finite must not break the log of a run."""
    told: Loss = lambda _, logprobs: (1.0, [np.zeros_like(logprobs[0])], {"odd": math.nan})  # noqa: E731 - three lines less
    found = json.loads(compose(told, spec(total, 0.5)).evaluate(ONE, X).output.to_json())
    assert (found["loss_total"], found["base_loss"]["custom"]) == (4.0, {"odd": None})
    assert found["regularizers"]["term"]["contribution"] == 3.0


def test_a_term_that_fails_is_named() -> None:
    """Of eight terms, the report must say which."""

    def broken(_: Sequence[Datum], __: Sequence[Values]) -> LossResult:
        raise ZeroDivisionError("oh")

    with pytest.raises(RegularizerFailed, match="the regularizer 'b' failed: ZeroDivisionError: oh") as failure:
        compose(total, spec(total, name="a"), spec(broken, name="b")).evaluate(ONE, X)
    assert failure.value.name == "b"
    assert isinstance(failure.value.__cause__, ZeroDivisionError)


def test_an_asynchronous_part_is_not_run_here() -> None:
    """A coroutine nobody awaits would count as a value that is none."""

    async def remote(_: Sequence[Datum], __: Sequence[Values]) -> LossResult:
        return 1.0

    composed = compose(total, spec(remote, name="remote"))
    assert composed.asynchronous == ("remote",)
    with pytest.raises(TypeError, match="got async def for remote; they must be awaited"):
        composed.evaluate(ONE, X)


USELESS: list[tuple[Any, str]] = [
    ((1.0, ()), "expected 1 gradients, one a datum, got 0"),
    ((1.0, [np.ones(2)]), r"gradients\[0\] in the shape of its logprobs, \(3,\), got \(2,\)"),
    ((1.0, [np.array([1.0, math.nan, math.inf])]), r"expected finite gradients, got nan in gradients\[0\]"),
    ((math.inf, [np.ones(3)]), "expected a finite value, got inf"),
    ("loss", "got str for the value"),
    ((1.0, 2.0), "expected a sequence of gradients, one a datum, got float"),
    ((1.0, ["abc"]), r"gradients\[0\]: expected an array of numbers"),
    ((1.0, [np.ones(3)], [1]), "expected metrics as a mapping of names to numbers, got list"),
    ((1.0, [np.ones(3)], {"a": "b"}), "expected every metric to be one number"),
]


@pytest.mark.parametrize(("result", "message"), USELESS)
def test_what_cannot_train_is_refused(result: LossResult, message: str) -> None:
    """Sent as weights, a NaN or a misplaced gradient would ruin the model."""
    with pytest.raises(LossInvalid, match=message):
        compose(lambda _, __: result).evaluate(ONE, X)


def test_the_numbers_of_data_and_arrays_agree() -> None:
    with pytest.raises(ValueError, match="expected logprobs of 1 data, got 2 arrays"):
        compose(total).evaluate(ONE, X * 2)


def _with_reference(*rows: list[float]) -> Datum:
    reference = TensorData.from_numpy(np.log(np.array(rows, np.float32)))
    return Datum(ModelInput.from_ints([1]), {"reference_logprobs": reference})


BATCH = [_with_reference([0.5, 0.5], [0.25, 0.75]), _with_reference([0.9, 0.1])]
AT = [np.log([[0.4, 0.6], [0.5, 0.5]]), np.log([[0.2, 0.8]])]


def test_every_datum_has_its_own_reference() -> None:
    """The Elixir client reads the first datum's for all."""
    expected = [
        KlDivergence().evaluate(
            at, Context({"reference_logprobs": datum.loss_fn_inputs["reference_logprobs"].to_numpy()})
        )
        for datum, at in zip(BATCH, AT, strict=True)
    ]
    found = compose(per_datum(KlDivergence(), combine="mean")).evaluate(BATCH, AT)
    assert found.value == pytest.approx((expected[0].value + expected[1].value) / 2)
    check_gradient(per_datum(KlDivergence()), BATCH, AT)


def test_concatenated_data_are_one_array() -> None:
    """A mean is over all positions then, not over data."""
    summed = compose(per_datum(KlDivergence(reduction="sum"))).evaluate(BATCH, AT).value
    found = compose(concatenated(KlDivergence())).evaluate(BATCH, AT)
    assert found.value == pytest.approx(summed / 3)
    check_gradient(concatenated(KlDivergence()), BATCH, AT)


def test_a_loss_of_some_data_leaves_the_others_alone() -> None:
    """One batch may hold a text to learn and distributions to keep; a term that needs a vocabulary sees only these."""
    mixed, at = [ONE[0], *BATCH], [np.array([-1.0, -2.0, -0.5]), *AT]
    kept = only(per_datum(KlDivergence()), lambda datum: "reference_logprobs" in datum.loss_fn_inputs)
    found = compose(kept).evaluate(mixed, at)
    assert found.value == pytest.approx(compose(per_datum(KlDivergence())).evaluate(BATCH, AT).value)
    assert found.gradients is not None
    assert found.gradients[0].tolist() == [0.0, 0.0, 0.0]
    assert check_gradient(kept, mixed, at).elements == 9
    assert compose(only(without_gradient, lambda _: True)).evaluate(mixed, at).gradients is None
    with pytest.raises(ValueError, match="expected at least one of 3 data to be chosen, got none"):
        compose(only(total, lambda _: False)).evaluate(mixed, at)


def test_references_may_be_given_or_computed() -> None:
    """Given ones go before the datum's; a function of the datum makes what nobody keeps."""
    given = compose(per_datum(KlDivergence(), inputs={"reference_logprobs": AT})).evaluate(BATCH, AT)
    assert given.value == pytest.approx(0.0)
    made = per_datum(KlDivergence(), inputs={"reference_logprobs": lambda _: AT[1]})
    assert compose(made).evaluate(BATCH[1:], AT[1:]).value == pytest.approx(0.0)


def test_batches_that_do_not_fit_a_term_say_which_datum() -> None:
    with pytest.raises(
        ValueError, match=r"data\[0\]: expected 'reference_logprobs' among the datum's loss inputs, got t"
    ):
        compose(per_datum(KlDivergence())).evaluate(ONE, [np.ones((3, 2))])
    with pytest.raises(ValueError, match="expected 2 arrays for input 'reference_logprobs', one a datum, got 1"):
        compose(per_datum(KlDivergence(), inputs={"reference_logprobs": AT[:1]})).evaluate(BATCH, AT)
    with pytest.raises(ValueError, match=r"logprobs of all data to agree beyond the first axis.*; use per_datum"):
        compose(concatenated(L1Sparsity())).evaluate(BATCH, [AT[0], np.ones(3)])
    for wrapped in (per_datum(L1Sparsity()), concatenated(L1Sparsity())):
        with pytest.raises(ValueError, match="expected at least one datum, got none"):
            compose(wrapped).evaluate([], [])


def test_draws_repeat_with_the_seed_and_differ_between_data() -> None:
    penalty = GradientPenalty(slope=lambda x: 2 * x, curvature=lambda x, v: 2 * v + 0 * x, mode="interpolated")
    loss, same = per_datum(penalty), [BATCH[1], BATCH[1]]
    at = [AT[1], AT[1]]
    first, again, other = (compose(loss).evaluate(same, at, seed=seed) for seed in (1, 1, 2))
    assert first.value == again.value != other.value
    assert first.gradients is not None
    assert first.gradients[0].tolist() != first.gradients[1].tolist()


def test_a_composition_is_a_loss_with_an_exact_gradient() -> None:
    """It nests and it checks."""
    inner = compose(per_datum(L2WeightDecay()), spec(per_datum(KlDivergence()), 0.3, "kl"))
    outer = compose(inner, spec(concatenated(L1Sparsity()), 0.1, "l1"))
    assert check_gradient(outer, BATCH, AT).elements == 6
    assert set(outer.evaluate(BATCH, AT).output.base_loss.custom) == {"base", "kl"}
    assert gradient_norm(outer.evaluate(BATCH, AT).gradients or []) > 0

"""What regularizers refuse: shapes without a meaning, missing references, options that are nonsense, unseeded draws."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.tinkex_actors.compute.regularizers.points import NEXT_TO_Q, P
from tinkex_actors.compute.regularizers import (
    Consistency,
    Context,
    ElasticNet,
    Entropy,
    Field,
    Finiteness,
    GradientPenalty,
    JensenShannon,
    KlDivergence,
    L1Sparsity,
    L2WeightDecay,
    Orthogonality,
    OutputMagnitude,
    Term,
    check_finite,
    curvature_of,
)

NEED_A_VOCABULARY: list[Term] = [
    Entropy(),
    KlDivergence(),
    JensenShannon(),
    Consistency(metric="kl"),
    Orthogonality(),
]


@pytest.mark.parametrize("term", NEED_A_VOCABULARY, ids=str)
def test_one_number_a_token_is_no_distribution(term: Term) -> None:
    """Summed over tokens, an entropy would grow with the length of the text and mean nothing."""
    with pytest.raises(ValueError, match=r"expected logprobs with a vocabulary axis.*got shape \(3,\); give k targets"):
        term.evaluate(P[0], NEXT_TO_Q)


@pytest.mark.parametrize("term", [L1Sparsity(), KlDivergence(), OutputMagnitude()], ids=str)
def test_nothing_is_refused(term: Term) -> None:
    """A mean of nothing is NaN, and NaN ends a run."""
    with pytest.raises(ValueError, match=r"expected at least one log-probability, got shape \(0, 3\)"):
        term.evaluate(np.zeros((0, 3)), NEXT_TO_Q)


def test_an_axis_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected axis to be one of the 2 axes of shape \(2, 3\), got 2"):
        Entropy(axis=2).evaluate(P)


def test_a_single_outcome_has_no_normalized_entropy() -> None:
    """Its entropy is 0 and so is the largest there could be: 0 / 0."""
    with pytest.raises(ValueError, match="expected at least 2 outcomes to normalize"):
        Entropy(normalize=True).evaluate(P[:, :1])


@pytest.mark.parametrize(
    "term", [KlDivergence(), JensenShannon(), L1Sparsity(target=Field("reference_logprobs"))], ids=str
)
def test_a_missing_or_misshapen_reference_is_named(term: Term) -> None:
    """Broadcasting a reference of another shape would compare the wrong things without a word."""
    with pytest.raises(ValueError, match="expected a field 'reference_logprobs', got none; give it in the datum"):
        term.evaluate(P)
    with pytest.raises(ValueError, match=r"'reference_logprobs' in the shape of the logprobs, \(2, 3\), got \(1, 3\)"):
        term.evaluate(P, Context({"reference_logprobs": P[:1]}))


def _slope(**options: float | str) -> Term:
    return GradientPenalty(slope=np.ones_like, curvature=np.multiply, **options)  # type: ignore[arg-type]  # on purpose


NONSENSE: list[tuple[Callable[[], Term], str]] = [
    (lambda: Entropy(reduction="none"), "reduction must be one of 'mean', 'sum', got 'none'"),  # type: ignore[arg-type]  # on purpose
    (lambda: Entropy(direction="up"), "direction must be one of 'sharpen', 'flatten', got 'up'"),
    (lambda: Entropy(temperature=0.0), "temperature must be >= 1e-06, got 0.0"),
    (lambda: L1Sparsity(strength=-1.0), "strength must be >= 0, got -1.0"),
    (lambda: L1Sparsity(target="logits"), r"target must be 'logprobs', 'probs' or Field\(name\), got 'logits'"),  # type: ignore[arg-type]  # on purpose
    (lambda: L2WeightDecay(clip=0.0), "clip must be > 0, got 0"),
    (lambda: ElasticNet(l1_ratio=1.5), "l1_ratio must be <= 1, got 1.5"),
    (lambda: Orthogonality(max_rows=1), "max_rows must be >= 2, got 1"),
    (lambda: _slope(mode="input"), "mode must be one of 'output', 'interpolated', got 'input'"),
]


@pytest.mark.parametrize(("make", "message"), NONSENSE)
def test_nonsense_options_are_refused_at_the_door(make: Callable[[], Term], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_old_words_for_the_direction_of_entropy_are_understood() -> None:
    """Recipes say minimize and maximize; a loss that is minimized sharpens under the first."""
    assert Entropy(direction="minimize") == Entropy(direction="sharpen")
    assert Entropy(direction="maximize") == Entropy(direction="flatten")


def test_random_draws_need_a_seed_and_repeat_with_it() -> None:
    """Value and gradient of a step belong to one point, and a step can be repeated."""
    term, fields = _slope(mode="interpolated"), {"reference_logprobs": P}
    with pytest.raises(ValueError, match="expected a seed, since this term draws at random"):
        term.evaluate(P, Context(fields))
    draws = [term.evaluate(P, Context(fields, (seed,))).metrics["epsilon"] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_a_function_that_changes_the_shape_is_caught() -> None:
    with pytest.raises(ValueError, match=r"expected slope to return the shape of its argument, \(2, 3\), got \(6,\)"):
        GradientPenalty(slope=np.ravel, curvature=np.multiply).evaluate(P)
    with pytest.raises(TypeError, match="slope must be callable, got int"):
        GradientPenalty(slope=1, curvature=np.multiply)  # type: ignore[arg-type]  # on purpose


def test_flat_places_have_gradient_zero_not_nan() -> None:
    """No direction is no push: at the origin a length has no derivative."""
    zero = np.zeros((2, 2))
    terms: list[Term] = [
        OutputMagnitude(),
        Orthogonality(),
        GradientPenalty(slope=np.zeros_like, curvature=np.multiply),
    ]
    for term in [*terms, Consistency(metric="cosine")]:
        found = term.evaluate(zero, Context({"original_logprobs": zero}))
        assert found.gradient.tolist() == zero.tolist()


def test_impossible_outcomes_do_not_poison_a_distribution() -> None:
    """Log of zero is minus infinity; its share of an entropy or a divergence is 0, not NaN."""
    x = np.array([[0.0, -np.inf]])
    context = Context({"reference_logprobs": x, "original_logprobs": x})
    terms: list[Term] = [Entropy(), KlDivergence(symmetric=True), JensenShannon(), Consistency(metric="kl")]
    for term in terms:
        found = term.evaluate(x, context)
        assert found.value == 0.0
        assert np.isfinite(found.gradient).all()


def test_orthogonality_reshapes_three_axes_by_its_axis() -> None:
    """Batch 2, sequence 3, vocabulary 4: as many rows as the axis says."""
    x = np.ones((2, 3, 4))
    counts = {"rows": 6, "sequence": 3, "vocabulary": 4}
    # All rows are equal, so every pair of them has a product of 1.
    for axis, rows in counts.items():
        assert Orthogonality(axis=axis).evaluate(x).value == pytest.approx(rows * (rows - 1))  # type: ignore[arg-type]  # a dict's key
    assert Orthogonality().evaluate(P[:1]).value == 0.0


def test_nan_is_told_before_infinity() -> None:
    assert check_finite(np.array([1.0])) is Finiteness.FINITE
    assert check_finite(np.array([np.inf, 1.0])) is Finiteness.INFINITY
    assert check_finite(np.array([np.inf, np.nan])) is Finiteness.NAN


def test_measured_curvature_has_no_direction_along_nothing() -> None:
    """Dividing by the length of a zero vector would make NaN of a flat place."""
    assert curvature_of(np.square)(np.ones(2), np.zeros(2)).tolist() == [0.0, 0.0]

"""Golden values of every term: computed independently in double precision, at two arrays of two distributions."""

import numpy as np
import pytest

from tests.tinkex_actors.compute.regularizers.points import NEXT_TO_Q, P
from tinkex_actors.compute.regularizers import (
    Consistency,
    ElasticNet,
    Entropy,
    GradientPenalty,
    JensenShannon,
    KlDivergence,
    L1Sparsity,
    L2WeightDecay,
    Orthogonality,
    OutputMagnitude,
    Term,
    Values,
)
from tinkex_actors.compute.regularizers.orthogonality import Mode


def square_slope(x: Values) -> Values:
    """Of the sum of squares."""
    return 2.0 * x


def square_curvature(x: Values, v: Values) -> Values:
    del x
    return 2.0 * v


SQUARES = GradientPenalty(slope=square_slope, curvature=square_curvature)
PLAIN_SUM = GradientPenalty(slope=np.ones_like, curvature=lambda x, v: np.zeros_like(x * v))

VALUES: list[tuple[Term, float]] = [
    (L1Sparsity(), 7.734434),
    (L1Sparsity(reduction="mean"), 1.289072),
    (L1Sparsity(target="probs"), 2.0),
    (L2WeightDecay(), 12.343483),
    (L2WeightDecay(center="mean"), 2.373238),
    (L2WeightDecay(center="mean", clip=0.5), 0.871538),
    (L2WeightDecay(clip=1.0), 4.607670),
    (ElasticNet(), 10.038958),
    (Entropy(), 0.920770),
    (Entropy(direction="flatten"), -0.920770),
    (Entropy(normalize=True), 0.838121),
    (Entropy(temperature=0.5), 0.611196),
    (Entropy(temperature=2.0), 1.050074),
    (KlDivergence(), 0.187032),
    (KlDivergence(direction="reverse"), 0.200332),
    (KlDivergence(symmetric=True), 0.193682),
    (JensenShannon(), 0.047194),
    (Consistency(), 0.440904),
    (Consistency(metric="l1"), 0.574998),
    (Consistency(metric="cosine"), 0.109832),
    (Consistency(metric="kl"), 0.193682),
    (Orthogonality(), 1.077189),
    (Orthogonality(normalize=False), 37.353171),
    (Orthogonality(normalize=False, mode="hard"), 97.674714),
    (Orthogonality(normalize=False, mode="spectral"), 144.340804),
    (Orthogonality(axis="vocabulary"), 3.553162),
    (SQUARES, 36.320613),
    (PLAIN_SUM, (6**0.5 - 1) ** 2),
    (OutputMagnitude(), 0.188626),
    (OutputMagnitude(reduction="sum"), 6.316824),
]

FIRST_ROWS: list[tuple[Term, list[float]]] = [
    (Entropy(), [-0.07671, 0.04829, 0.04829]),
    (KlDivergence(), [0.42329, 0.12500, 0.03836]),
    (KlDivergence(direction="reverse"), [-0.125, -0.125, -0.25]),
    (JensenShannon(), [0.03596, 0.0, -0.02534]),
    (Orthogonality(), [-0.80251, -0.11163, 0.51289]),
    (PLAIN_SUM, [0.0, 0.0, 0.0]),
]


@pytest.mark.tinkex("T124")
@pytest.mark.parametrize(("term", "value"), VALUES, ids=str)
def test_terms_have_their_golden_values(term: Term, value: float) -> None:
    assert term.evaluate(P, NEXT_TO_Q).value == pytest.approx(value, abs=6e-7)


@pytest.mark.tinkex("T124")
@pytest.mark.parametrize(("term", "row"), FIRST_ROWS, ids=str)
def test_terms_have_their_golden_gradients(term: Term, row: list[float]) -> None:
    np.testing.assert_allclose(term.evaluate(P, NEXT_TO_Q).gradient[0], row, atol=6e-6)


@pytest.mark.parametrize("mode", ["soft", "hard", "spectral"])
def test_a_single_row_has_nothing_to_be_orthogonal_to(mode: Mode) -> None:
    """Normalized, every mode is 0, and so is its pull."""
    found = Orthogonality(mode=mode).evaluate(P[:1])
    assert found.value == pytest.approx(0.0)
    np.testing.assert_allclose(found.gradient, 0.0, atol=1e-12)


METRICS: list[tuple[Term, set[str], set[str]]] = [
    (L1Sparsity(), {"l1_raw", "l1_mean"}, set()),
    (L2WeightDecay(), {"l2_raw", "l2_mean"}, {"center"}),
    (ElasticNet(), {"elastic_net", "l1_ratio"}, set()),
    (Entropy(), {"entropy", "temperature"}, {"mode"}),
    (KlDivergence(), {"kl_divergence", "kl_max", "kl_min"}, {"kl_direction", "kl_symmetric"}),
    (Consistency(), set(), {"consistency_metric"}),
    (Orthogonality(), {"orthogonality"}, set()),
    (SQUARES, {"slope_norm"}, set()),
]


@pytest.mark.tinkex("T124")
@pytest.mark.parametrize(("term", "metrics", "labels"), METRICS, ids=str)
def test_terms_report_their_documented_figures(term: Term, metrics: set[str], labels: set[str]) -> None:
    """Numbers are metrics and words are labels; a word among metrics breaks whoever averages them."""
    found = term.evaluate(P, NEXT_TO_Q)
    assert (set(found.metrics), set(found.labels)) == (metrics, labels)

"""Every gradient is the slope that finite differences measure, at random shapes and on both sides of every edge."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.tinkex_actors.compute.regularizers.points import P, Q, assert_slope, distributions
from tinkex_actors.compute.regularizers import (
    Consistency,
    Context,
    ElasticNet,
    Entropy,
    Entry,
    Field,
    GradientPenalty,
    JensenShannon,
    KlDivergence,
    L1Sparsity,
    L2WeightDecay,
    Orthogonality,
    OutputMagnitude,
    PenaltyPipeline,
    Term,
    Values,
    curvature_of,
)


def wavy(x: Values) -> Values:
    """The gradient of a function that is no polynomial."""
    return np.cos(x) + x


def wavy_curvature(x: Values, v: Values) -> Values:
    return (1.0 - np.sin(x)) * v


TERMS: list[Term] = [
    L1Sparsity(strength=0.7),
    L1Sparsity(target="probs", reduction="mean"),
    L1Sparsity(target=Field("reference_logprobs")),
    L2WeightDecay(strength=0.3, reduction="mean"),
    L2WeightDecay(target="probs", center=0.2),
    L2WeightDecay(center="mean"),
    L2WeightDecay(center="mean", clip=0.6, reduction="mean"),
    ElasticNet(l1_ratio=0.2),
    ElasticNet(target="probs", reduction="mean"),
    Entropy(),
    Entropy(direction="flatten", reduction="sum", normalize=True),
    Entropy(temperature=0.5),
    Entropy(temperature=3.0, direction="flatten", normalize=True),
    Entropy(renormalize=True),
    Entropy(axis=0, reduction="sum"),
    KlDivergence(),
    KlDivergence(direction="reverse", reduction="sum"),
    KlDivergence(symmetric=True, axis=0),
    JensenShannon(),
    JensenShannon(reduction="sum", axis=0),
    Consistency(),
    Consistency(metric="l1", reduction="sum"),
    Consistency(metric="cosine"),
    Consistency(metric="kl"),
    Consistency(metric="kl", reduction="sum"),
    *(
        Orthogonality(mode=mode, normalize=normalize)
        for mode in ("soft", "hard", "spectral")
        for normalize in (True, False)
    ),
    Orthogonality(axis="sequence", normalize=False),
    Orthogonality(axis="vocabulary"),
    Orthogonality(max_rows=2),
    GradientPenalty(slope=wavy, curvature=wavy_curvature),
    GradientPenalty(slope=wavy, curvature=wavy_curvature, mode="interpolated", target_norm=0.5),
    GradientPenalty(slope=wavy, curvature=curvature_of(wavy)),
    OutputMagnitude(target=2.5),
    OutputMagnitude(reduction="sum"),
    PenaltyPipeline([Entry(name="a", term=Entropy(), weight=0.5), Entry(name="b", term=KlDivergence(), weight=2.0)]),
]


@pytest.mark.parametrize("term", TERMS, ids=str)
@settings(max_examples=10)
@given(point=distributions())
def test_the_gradient_is_the_measured_slope(term: Term, point: tuple[Values, Context]) -> None:
    """Two axes and three, one position and many: a wrong reduction or axis shows at some shape."""
    x, context = point
    assert_slope(term, x, context)


@pytest.mark.parametrize("term", TERMS, ids=str)
def test_a_term_reads_only_the_fields_it_names(term: Term) -> None:
    """Whoever supplies references supplies these and no others."""
    every = {"reference_logprobs": Q, "original_logprobs": Q}
    named = Context({name: every[name] for name in term.fields}, (1,))
    assert term.evaluate(P, named).value == term.evaluate(P, Context(every, (1,))).value


EDGES: list[tuple[str, Term, list[list[float]], list[list[float]]]] = [
    ("entropy forgets below -50", Entropy(), [[-49.999, -50.001, -0.5]], [[0.0, 0.0, 0.0]]),
    ("entropy forgets below -50, renormalized", Entropy(renormalize=True), [[-49.9, -50.6, -0.5]], [[0.0, 0.0, 0.0]]),
    ("kl is clipped at 100", KlDivergence(), [[-0.5, -1.0, -1.5]], [[-100.499, -101.001, -1.0]]),
    ("kl forgets below 1e-10", KlDivergence(), [[-23.02, -23.03, -0.1]], [[-1.0, -1.0, -1.0]]),
    (
        "reverse kl is clipped at 100",
        KlDivergence(direction="reverse"),
        [[-100.49, -101.1, -1.0]],
        [[-0.5, -1.0, -1.5]],
    ),
    (
        "reverse kl forgets below 1e-10",
        KlDivergence(direction="reverse"),
        [[-1.0, -2.0, -1.0]],
        [[-23.02, -23.03, -0.1]],
    ),
    ("symmetric kl has both edges", KlDivergence(symmetric=True), [[-0.5, -101.0, -23.1]], [[-101.0, -0.5, -1.0]]),
    ("the middle has a floor", JensenShannon(), [[-22.4, -24.0, -0.1]], [[-60.0, -60.0, -0.1]]),
    ("squares are clipped", L2WeightDecay(clip=1.0), [[-0.999, -1.001, -3.0]], [[0.0, 0.0, 0.0]]),
    ("clipped squares around a mean", L2WeightDecay(clip=1.0, center="mean"), [[-1.0, -1.5, -4.0]], [[0.0, 0.0, 0.0]]),
    ("absolute values turn at 0", L1Sparsity(), [[-0.001, 0.001, -1.0]], [[0.0, 0.0, 0.0]]),
    ("a pair is passed", Consistency(metric="l1"), [[-1.001, -0.999, -2.0]], [[-1.0, -1.0, -2.5]]),
]


@pytest.mark.parametrize(("term", "x", "reference"), [edge[1:] for edge in EDGES], ids=[edge[0] for edge in EDGES])
def test_the_gradient_holds_on_both_sides_of_an_edge(
    term: Term, x: list[list[float]], reference: list[list[float]]
) -> None:
    """Where a mask or a clip begins, the value changes its formula; the gradient has to change with it."""
    other = np.array(reference)
    assert_slope(term, np.array(x), Context({"reference_logprobs": other, "original_logprobs": other}))


def test_divergences_pull_although_tinkex_reports_zero() -> None:
    """The two terms that train nothing there: their gradients are far from zero here."""
    x, q = np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])
    context = Context({"reference_logprobs": q, "original_logprobs": q})
    terms: list[Term] = [KlDivergence(), Consistency()]
    for term in terms:
        assert np.abs(term.evaluate(x, context).gradient).max() > 0.1

"""Every term against torch: its formula written once more with tensors, and autograd as the judge of its gradient.

The formulas here are the definitions, with no thought of gradients: masks and clips are ``where`` and ``clamp``. Run by
``make parity``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tests.tinkex_actors.compute.regularizers.points import NEXT_TO_Q, P, distributions
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
)

torch: Any = pytest.importorskip("torch")  # Any: absent from the ordinary environment

pytestmark = pytest.mark.parity

# Of tensors, whose type is not known here: the log-probabilities and the reference's.
Formula = Callable[[Any, Any], Any]


def l2(x: Any, *, center: Any = 0.0, clip: float = float("inf")) -> Any:
    return (x - center).clamp(-clip, clip).square()


def elastic(x: Any, ratio: float) -> Any:
    return ratio * x.abs() + (1 - ratio) * x.square()


def entropy(x: Any, *, temperature: float = 1.0, renormalize: bool = False, dim: int = -1) -> Any:
    s = torch.log_softmax(x / temperature, dim) if renormalize or temperature != 1.0 else x
    return -torch.where(s > -50, s.exp() * s, 0.0).sum(dim)


def kl(a: Any, b: Any, dim: int = -1) -> Any:
    return torch.where(a.exp() > 1e-10, a.exp() * (a - b).clamp(-100, 100), 0.0).sum(dim)


def jensen_shannon(x: Any, q: Any, dim: int = -1) -> Any:
    middle = (0.5 * (x.exp() + q.exp())).clamp(min=1e-10).log()
    return 0.5 * (x.exp() * (x - middle) + q.exp() * (q - middle)).sum(dim)


def symmetric(x: Any, q: Any) -> Any:
    return 0.5 * (x.exp() * (x - q) + q.exp() * (q - x)).sum(-1)


def orthogonality(x: Any, mode: str, *, normalize: bool) -> Any:
    rows = x.reshape(-1, x.shape[-1])
    m = torch.nn.functional.normalize(rows, dim=-1, eps=1e-8) if normalize else rows
    gram, one = m @ m.T, torch.eye(len(m), dtype=m.dtype)
    off = (gram * (1 - one)).square().sum()
    if mode == "hard":
        return (gram - one).square().sum()
    return off + (gram.trace() - len(m)) ** 2 if mode == "spectral" else off


def penalty(x: Any, of: Formula, target: float = 1.0) -> Any:
    (slope,) = torch.autograd.grad(of(x, None), x, create_graph=True)
    return (slope.norm() - target) ** 2


def squares(x: Any, _: Any) -> Any:
    return x.square().sum()


def waves(x: Any, _: Any) -> Any:
    return (x.sin() + x.square() / 2).sum()


CASES: list[tuple[Term, Formula]] = [
    (L1Sparsity(strength=0.7), lambda x, _: 0.7 * x.abs().sum()),
    (L1Sparsity(target="probs", reduction="mean"), lambda x, _: x.exp().mean()),
    (L1Sparsity(target=Field("reference_logprobs")), lambda x, q: q.abs().sum() + 0 * x.sum()),
    (L2WeightDecay(), lambda x, _: l2(x).sum()),
    (L2WeightDecay(center=0.3, strength=2.0, reduction="mean"), lambda x, _: 2 * l2(x, center=0.3).mean()),
    (L2WeightDecay(center="mean"), lambda x, _: l2(x, center=x.mean()).sum()),
    (L2WeightDecay(center="mean", clip=0.6), lambda x, _: l2(x, center=x.mean(), clip=0.6).sum()),
    (L2WeightDecay(clip=1.0), lambda x, _: l2(x, clip=1.0).sum()),
    (ElasticNet(l1_ratio=0.2), lambda x, _: elastic(x, 0.2).sum()),
    (ElasticNet(target="probs", reduction="mean"), lambda x, _: elastic(x.exp(), 0.5).mean()),
    (Entropy(), lambda x, _: entropy(x).mean()),
    (Entropy(direction="flatten", normalize=True), lambda x, _: -entropy(x).mean() / np.log(x.shape[-1])),
    (Entropy(temperature=0.5, reduction="sum"), lambda x, _: entropy(x, temperature=0.5).sum()),
    (Entropy(temperature=2.0), lambda x, _: entropy(x, temperature=2.0).mean()),
    (Entropy(renormalize=True), lambda x, _: entropy(x, renormalize=True).mean()),
    (Entropy(axis=0), lambda x, _: entropy(x, dim=0).mean()),
    (KlDivergence(), lambda x, q: kl(x, q).mean()),
    (KlDivergence(direction="reverse", reduction="sum"), lambda x, q: kl(q, x).sum()),
    (KlDivergence(symmetric=True), lambda x, q: 0.5 * (kl(x, q) + kl(q, x)).mean()),
    (KlDivergence(axis=0), lambda x, q: kl(x, q, 0).mean()),
    (JensenShannon(), lambda x, q: jensen_shannon(x, q).mean()),
    (JensenShannon(reduction="sum", axis=0), lambda x, q: jensen_shannon(x, q, 0).sum()),
    (Consistency(), lambda x, q: (x - q).square().mean()),
    (Consistency(metric="l1", reduction="sum"), lambda x, q: (x - q).abs().sum()),
    (Consistency(metric="cosine"), lambda x, q: 1 - torch.cosine_similarity(x.ravel(), q.ravel(), 0, 1e-8)),
    (Consistency(metric="kl"), lambda x, q: symmetric(x, q).mean()),
    (Orthogonality(), lambda x, _: orthogonality(x, "soft", normalize=True)),
    (Orthogonality(mode="hard"), lambda x, _: orthogonality(x, "hard", normalize=True)),
    (Orthogonality(normalize=False), lambda x, _: orthogonality(x, "soft", normalize=False)),
    (Orthogonality(mode="hard", normalize=False), lambda x, _: orthogonality(x, "hard", normalize=False)),
    (Orthogonality(mode="spectral", normalize=False), lambda x, _: orthogonality(x, "spectral", normalize=False)),
    (
        Orthogonality(axis="vocabulary"),
        lambda x, _: orthogonality(x.reshape(-1, x.shape[-1]).T, "soft", normalize=True),
    ),
    (
        GradientPenalty(slope=lambda x: 2 * x, curvature=lambda _, v: 2 * v),
        lambda x, _: penalty(x, squares),
    ),
    (
        GradientPenalty(slope=lambda x: np.cos(x) + x, curvature=lambda x, v: (1 - np.sin(x)) * v, target_norm=0.5),
        lambda x, _: penalty(x, waves, 0.5),
    ),
    (OutputMagnitude(target=2.5), lambda x, _: (x.square().mean().sqrt() - 2.5) ** 2),
    (OutputMagnitude(reduction="sum"), lambda x, _: (x.norm() - 1.0) ** 2),
    (
        PenaltyPipeline(
            [Entry(name="a", term=Entropy(), weight=0.5), Entry(name="b", term=KlDivergence(), weight=2.0)]
        ),
        lambda x, q: 0.5 * entropy(x).mean() + 2 * kl(x, q).mean(),
    ),
]


def assert_agrees(term: Term, formula: Formula, x: Values, context: Context) -> None:
    tensor = torch.from_numpy(x.copy()).requires_grad_()
    value = formula(tensor, torch.from_numpy(np.asarray(context.fields["reference_logprobs"]).copy()))
    (slope,) = torch.autograd.grad(value, tensor)
    found = term.evaluate(x, context)
    assert found.value == pytest.approx(float(value.detach()), rel=1e-10, abs=1e-12)
    np.testing.assert_allclose(found.gradient, slope.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("term", "formula"), CASES, ids=[str(term) for term, _ in CASES])
@settings(max_examples=25)
@given(point=distributions())
def test_value_and_gradient_are_those_of_torch(term: Term, formula: Formula, point: tuple[Values, Context]) -> None:
    """At random shapes, of two axes and three."""
    assert_agrees(term, formula, *point)


@pytest.mark.parametrize(("term", "formula"), CASES, ids=[str(term) for term, _ in CASES])
def test_torch_agrees_at_the_golden_arrays_too(term: Term, formula: Formula) -> None:
    """The formulas above are those the golden values belong to."""
    assert_agrees(term, formula, P, NEXT_TO_Q)


EDGES: list[tuple[Term, Formula, list[float], list[float]]] = [
    (Entropy(), lambda x, _: entropy(x).mean(), [-49.999, -50.001, -0.5], [0.0, 0.0, 0.0]),
    (KlDivergence(), lambda x, q: kl(x, q).mean(), [-0.5, -1.0, -23.03], [-100.499, -101.001, -1.0]),
    (KlDivergence(direction="reverse"), lambda x, q: kl(q, x).mean(), [-100.49, -101.1, -1.0], [-0.5, -1.0, -23.03]),
    (JensenShannon(), lambda x, q: jensen_shannon(x, q).mean(), [-22.4, -24.0, -0.1], [-60.0, -60.0, -0.1]),
    (L2WeightDecay(clip=1.0), lambda x, _: l2(x, clip=1.0).sum(), [-0.999, -1.001, -3.0], [0.0, 0.0, 0.0]),
    (L1Sparsity(), lambda x, _: x.abs().sum(), [-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]),
]


@pytest.mark.parametrize(("term", "formula", "x", "q"), EDGES, ids=[str(edge[0]) for edge in EDGES])
def test_torch_agrees_on_both_sides_of_every_edge(term: Term, formula: Formula, x: list[float], q: list[float]) -> None:
    """Where a clip or a mask begins; torch's sign of 0 is 0, as ours."""
    assert_agrees(term, formula, np.array([x]), Context({"reference_logprobs": np.array([q])}))

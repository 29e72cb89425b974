"""The eight terms as a person would write them in numpy for one step: value and gradient, no options, no checks."""

from collections.abc import Callable

import numpy as np

from tinkex_actors.compute.regularizers import Values

Bare = Callable[[Values, Values], tuple[float, Values]]
"""Log-probabilities and a reference's, both ``(positions, vocabulary)``, to value and gradient."""


def l1(x: Values, _: Values) -> tuple[float, Values]:
    return float(np.abs(x).sum()), np.sign(x)


def l2(x: Values, _: Values) -> tuple[float, Values]:
    return float((x * x).sum()), 2.0 * x


def elastic_net(x: Values, _: Values) -> tuple[float, Values]:
    return float(0.5 * np.abs(x).sum() + 0.5 * (x * x).sum()), 0.5 * np.sign(x) + x


def entropy(x: Values, _: Values) -> tuple[float, Values]:
    p = np.exp(x)
    px, positions = p * x, len(x)
    return float(-px.sum() / positions), -(px + p) / positions


def kl_divergence(x: Values, q: Values) -> tuple[float, Values]:
    p, positions = np.exp(x), len(x)
    ratio = np.clip(x - q, -100.0, 100.0)
    pr = p * ratio
    return float(pr.sum() / positions), (pr + p) / positions


def consistency(x: Values, q: Values) -> tuple[float, Values]:
    d = x - q
    return float((d * d).mean()), 2.0 / d.size * d


def orthogonality(x: Values, _: Values) -> tuple[float, Values]:
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    m = x / norms
    gram = m @ m.T
    np.fill_diagonal(gram, 0.0)
    g = 4.0 * gram @ m
    return float((gram * gram).sum()), (g - (g * m).sum(axis=1, keepdims=True) * m) / norms


def gradient_penalty(x: Values, _: Values) -> tuple[float, Values]:
    slope = 2.0 * x
    norm = float(np.linalg.norm(slope))
    return (norm - 1.0) ** 2, 2.0 * (norm - 1.0) / norm * (2.0 * slope)


EIGHT: tuple[Bare, ...] = (l1, l2, elastic_net, entropy, kl_divergence, consistency, orthogonality, gradient_penalty)


def run_all(x: Values, q: Values) -> float:
    """Evaluate all eight, one after the other."""
    return sum(term(x, q)[0] for term in EIGHT)

"""The optimizer against a scalar implementation written from the formula, and the limit on gradients."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.local.engine.adam import Adam
from tinkex_actors.local.engine.errors import EngineInputError
from tinkex_actors.local.engine.optimizer import Optimizer, global_norm

NUMBERS = st.floats(-3.0, 3.0)
SETTINGS = st.builds(
    Adam,
    learning_rate=st.floats(1e-4, 0.1),
    beta1=st.floats(0.0, 0.99),
    beta2=st.floats(0.0, 0.999),
    eps=st.sampled_from([1e-12, 1e-8, 1e-3]),
    weight_decay=st.floats(0.0, 0.2),
)


def naive_adamw(weight: float, gradients: list[float], settings: list[Adam]) -> float:
    m = v = 0.0
    for t, (g, s) in enumerate(zip(gradients, settings, strict=True), start=1):
        weight *= 1 - s.learning_rate * s.weight_decay
        m = s.beta1 * m + (1 - s.beta1) * g
        v = s.beta2 * v + (1 - s.beta2) * g * g
        root = math.sqrt(v / (1 - s.beta2**t))
        weight -= s.learning_rate * (m / (1 - s.beta1**t)) / (root + s.eps)
    return weight


@given(start=NUMBERS, steps=st.lists(st.tuples(NUMBERS.filter(lambda g: abs(g) > 1e-6), SETTINGS), max_size=6))
def test_each_weight_moves_as_the_formula_says(start: float, steps: list[tuple[float, Adam]]) -> None:
    """Settings may change at every step, as the service allows."""
    weights = {"w": np.full((2, 3), start)}
    adam = Optimizer.over(Adam, weights)
    for gradient, settings in steps:
        adam.step(weights, {"w": np.full((2, 3), gradient)}, settings)
    expected = naive_adamw(start, [g for g, _ in steps], [s for _, s in steps])
    np.testing.assert_allclose(weights["w"], expected, rtol=1e-6, atol=1e-9)


def test_a_weight_that_never_had_a_gradient_stays() -> None:
    """Zero over zero must be no step: at the start every A has a gradient of exactly zero, since B is zero."""
    weights = {"w": np.ones(3, np.float32)}
    Optimizer.over(Adam, weights).step(weights, {"w": np.zeros(3, np.float32)}, Adam(learning_rate=0.1))
    assert weights["w"].tolist() == [1.0, 1.0, 1.0]


def test_the_limit_counts_all_arrays_together() -> None:
    """Three and four are five; a limit of one takes a fifth of each, seen in the first moments."""
    weights = {"a": np.zeros(1), "b": np.zeros(1)}
    adam = Optimizer.over(Adam, weights)
    settings = Adam(beta1=0.0, grad_clip_norm=1.0)
    metrics = adam.step(weights, {"a": np.array([3.0]), "b": np.array([4.0])}, settings)
    assert metrics == {"grad_norm": pytest.approx(5.0)}
    assert adam.moments["first"]["a"][0] == pytest.approx(0.6, rel=1e-6)
    assert adam.moments["first"]["b"][0] == pytest.approx(0.8, rel=1e-6)


def test_a_limit_above_the_norm_changes_nothing() -> None:
    gradients = {"a": np.array([0.3], np.float32)}
    adam = Optimizer.over(Adam, gradients)
    adam.step({"a": np.zeros(1, np.float32)}, gradients, Adam(beta1=0.0, grad_clip_norm=1.0))
    assert adam.moments["first"]["a"][0] == gradients["a"][0]


def test_the_norm_of_many_small_numbers_is_summed_precisely() -> None:
    """In float32 the sum of squares of a big array loses its small members."""
    ones = np.full(1_000_000, 1e-3, np.float32)
    assert global_norm({"a": ones, "b": np.array([1e3], np.float32)}) == pytest.approx(math.sqrt(1e6 + 1.0), rel=1e-9)


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "grad_clip_norm", "eps", "beta1"])
def test_settings_that_are_not_numbers_are_refused(name: str) -> None:
    """Nothing has changed then: not even a step was counted."""
    weights = {"w": np.ones(2)}
    adam = Optimizer.over(Adam, weights)
    with pytest.raises((EngineInputError, ValueError)):
        adam.step(weights, weights, Adam(**{name: math.nan}))
    assert (adam.steps, weights["w"].tolist()) == (0, [1.0, 1.0])

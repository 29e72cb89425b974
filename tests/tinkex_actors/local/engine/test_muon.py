"""The server's Dimuon: updates of near orthogonal matrices, from a momentum that a checkpoint keeps."""

import math

import numpy as np
import pytest
from attrs import evolve

from tests.tinkex_actors.local.engine.test_gradients import batch
from tests.tinkex_actors.local.engine.tiny_models import TINY, random_base
from tinkex_actors.local.engine import (
    Adam,
    Adapter,
    EngineInputError,
    LoraSpec,
    Muon,
    Optimizer,
    TrainableModel,
)
from tinkex_actors.local.engine.muon import orthogonalize

STEP = Muon(learning_rate=0.02)


def muon_model(seed: int = 0) -> TrainableModel:
    """A model that is trained with it."""
    base = random_base(TINY, dtype=np.float32)
    return TrainableModel(base, Adapter.create(base, LoraSpec(3, seed)), optimizer=Muon)


def train(model: TrainableModel, steps: int) -> list[float]:
    """The loss before each step."""
    losses: list[float] = []
    for _ in range(steps):
        losses.append(model.forward_backward(batch(3), "cross_entropy", {}, backward=True).metrics["loss:sum"])
        model.optim_step(STEP)
    return losses


@pytest.mark.parametrize("shape", [(8, 8), (8, 200), (200, 8), (1, 30)])
def test_an_update_has_the_gradients_directions_and_no_lengths(shape: tuple[int, int]) -> None:
    """All singular values end near one, and the singular vectors stay: that is what orthogonalizing means."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal(shape).astype(np.float32)
    update = orthogonalize(matrix)
    values = np.linalg.svd(update, compute_uv=False)
    assert values.min() > 0.6
    assert values.max() < 1.3
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ update @ right.T
    np.testing.assert_allclose(turned, np.diag(np.diag(turned)), atol=1e-4)


def test_an_update_of_nothing_is_nothing() -> None:
    """At the start every A has a gradient of exactly zero, since B is zero."""
    assert not orthogonalize(np.zeros((4, 9), np.float32)).any()


def test_a_weight_moves_as_the_formula_says() -> None:
    """Momentum, a look ahead, and a length that depends on the shape alone."""
    rng = np.random.default_rng(1)
    first, second = (rng.standard_normal((16, 4)).astype(np.float32) for _ in range(2))
    weights, muon = {"w": np.zeros((16, 4), np.float32)}, Optimizer.over(Muon, {"w": first})
    muon.step(weights, {"w": first}, STEP)
    expected = -0.02 * math.sqrt(16 / 4) * orthogonalize(first)
    np.testing.assert_allclose(weights["w"], expected, atol=1e-6)
    muon.step(weights, {"w": second}, STEP)
    momentum = np.float32(0.9) * (np.float32(0.1) * first) + np.float32(0.1) * second
    expected = expected - 0.04 * orthogonalize(np.float32(0.1) * second + np.float32(0.9) * momentum)
    np.testing.assert_allclose(weights["w"], expected, atol=1e-5)


def test_the_loss_falls() -> None:
    """It is an optimizer."""
    losses = train(muon_model(), 12)
    assert losses[-1] < 0.8 * losses[0]


def test_the_same_steps_give_the_same_bits() -> None:
    """Twice from the beginning, and from a saved state in the middle."""
    straight, resumed = muon_model(), muon_model(seed=9)
    train(straight, 3)
    resumed.load_state(straight.state(), optimizer=True)
    train(straight, 3)
    train(resumed, 3)
    again = muon_model()
    train(again, 6)
    assert straight.weights_digest() == resumed.weights_digest() == again.weights_digest()


def test_the_two_optimizers_are_not_mixed() -> None:
    """Neither their settings nor their states; and what is refused changes nothing."""
    model = muon_model()
    before = model.weights_digest()
    with pytest.raises(EngineInputError, match="a step of Muon"):
        model.optim_step(Adam())
    other = TrainableModel(model.base, Adapter.create(model.base, LoraSpec(3)))
    with pytest.raises(EngineInputError, match=r"optimizer\.momentum"):
        model.load_state(other.state(), optimizer=True)
    with pytest.raises(EngineInputError, match="finite"):
        model.optim_step(evolve(STEP, learning_rate=math.inf))
    assert model.weights_digest() == before

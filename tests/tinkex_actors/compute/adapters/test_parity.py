"""Losses of torch and jax, where they are installed: ``make parity``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tinkex_actors.compute.adapters import JaxLoss, TorchLoss, jax_loss, torch_loss
from tinkex_actors.compute.composition import RegularizerSpec, compose
from tinkex_actors.compute.evaluation import evaluate_loss
from tinkex_actors.compute.gradient_check import check_gradient
from tinkex_actors.compute.loss import Loss
from tinkex_actors.compute.loss_errors import LossInvalid
from tinkex_actors.types import Datum, ModelInput

torch: Any = pytest.importorskip("torch")  # Any: absent from the ordinary environment
jax: Any = pytest.importorskip("jax")

pytestmark = pytest.mark.parity

DATA = [Datum(ModelInput.from_ints([1] * size), {"target_tokens": [2] * size}) for size in (2, 3)]
AT = [np.array([-0.5, -1.0]), np.array([-2.0, -0.25, -1.5])]


# Neither library's types are known here.
def of_torch(_: Sequence[Datum], logprobs: Any) -> Any:
    margin = logprobs[0].sum() - logprobs[1].sum()
    return torch.nn.functional.softplus(-0.3 * margin), {"margin": margin}


def of_jax(_: Sequence[Datum], logprobs: Any) -> Any:
    margin = logprobs[0].sum() - logprobs[1].sum()
    return jax.nn.softplus(-0.3 * margin), {"margin": margin}


@pytest.mark.parametrize(("loss", "tolerance"), [
    (of_torch, 1e-6), (TorchLoss(of_torch, precision="float64"), 1e-14),
    (of_jax, 1e-6), (JaxLoss(of_jax, precision="float64"), 1e-14),
])  # fmt: skip
def test_value_gradients_and_metrics_are_those_of_the_formula(loss: Loss, tolerance: float) -> None:
    """Recognised or wrapped, in single precision or double."""
    found, slope = evaluate_loss(loss, DATA, AT), -0.3 / (1.0 + np.exp(0.3 * 2.25))
    assert found.value == pytest.approx(float(np.log1p(np.exp(-0.3 * 2.25))), rel=tolerance)
    assert found.gradients is not None
    np.testing.assert_allclose(found.gradients[0], [slope] * 2, rtol=tolerance)
    np.testing.assert_allclose(found.gradients[1], [-slope] * 3, rtol=tolerance)
    assert found.metrics == {"margin": pytest.approx(2.25, rel=tolerance)}


@pytest.mark.parametrize("loss", [of_torch, of_jax])
def test_the_check_runs_in_double_precision(loss: Loss) -> None:
    """Differences of float32 values are noise at the step of a check."""
    composed = compose(loss, RegularizerSpec(loss=of_torch, weight=0.5, name="again"))
    assert check_gradient(loss, DATA, AT).largest_deviation < 1e-8
    assert check_gradient(composed, DATA, AT).largest_deviation < 1e-8


def test_a_datum_that_a_loss_does_not_look_at_has_gradient_zero() -> None:
    losses: list[Loss] = [torch_loss(lambda _, at: at[1].sum()), jax_loss(lambda _, at: at[1].sum())]
    for loss in losses:
        found = evaluate_loss(loss, DATA, AT)
        assert found.gradients is not None
        assert found.gradients[0].tolist() == [0.0, 0.0]
        assert found.gradients[1].tolist() == [1.0, 1.0, 1.0]


def test_a_tensor_that_was_detached_is_refused() -> None:
    with pytest.raises(LossInvalid, match=r"expected a tensor that depends on the logprobs.*look for detach"):
        evaluate_loss(torch_loss(lambda _, at: at[0].detach().sum()), DATA, AT)


def test_torch_draws_from_the_seed_and_leaves_its_generator_alone() -> None:
    """The same seed, the same step; and nobody else's numbers change."""
    noisy = torch_loss(lambda _, at: (at[0] * torch.rand(2)).sum())
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again, other = (evaluate_loss(noisy, DATA, AT, seed=seed).value for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(before, torch.random.get_rng_state())

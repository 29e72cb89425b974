"""The hand-written backward pass against central differences, through the whole model in float64."""

from collections.abc import Sequence

import numpy as np
import pytest

from tests.tinkex_actors.local.engine.tiny_models import LLAMA, TINY, UNTIED, random_model
from tinkex_actors.local.engine import Example, TrainableModel
from tinkex_actors.local.engine.config import ModelConfig

STEP = 1e-5


def batch(seed: int = 3, lengths: Sequence[int] = (5, 3, 5)) -> list[Example]:
    rng = np.random.default_rng(seed)
    return [
        Example(
            rng.integers(0, TINY.vocab_size, n),
            {
                "target_tokens": rng.integers(0, TINY.vocab_size, n),
                "weights": rng.standard_normal(n),
                "logprobs": -1.5 + 0.2 * rng.standard_normal(n),
                "advantages": rng.standard_normal(n),
                "sequence_ratio_mask": (rng.random(n) < 0.7).astype(np.float32),
            },
        )
        for n in lengths
    ]


def total(model: TrainableModel, examples: Sequence[Example], loss: str) -> float:
    """The loss in float64: outputs are float32, too coarse for differences."""
    result = model.forward_backward(examples, loss, {}, backward=False)
    return float(result.metrics["loss:sum"])


def check(model: TrainableModel, examples: Sequence[Example], loss: str) -> None:
    model.forward_backward(examples, loss, {}, backward=True)
    rng = np.random.default_rng(0)
    for name, weight in model.adapter.weights.items():
        direction = rng.standard_normal(weight.shape)
        start = weight.copy()
        weight[...] = start + STEP * direction
        above = total(model, examples, loss)
        weight[...] = start - STEP * direction
        below = total(model, examples, loss)
        weight[...] = start
        exact = float(np.sum(model.gradients[name] * direction))
        assert exact == pytest.approx((above - below) / (2 * STEP), rel=1e-5, abs=1e-7), name


@pytest.mark.parametrize("config", [TINY, UNTIED, LLAMA], ids=["qwen3-tied", "qwen3-untied", "llama"])
def test_every_adapter_gradient_is_the_slope_of_the_loss(config: ModelConfig) -> None:
    """Through attention, both norms, rotation, gate, residuals, head and both factors of each adapter."""
    check(random_model(config), batch(), "cross_entropy")


@pytest.mark.parametrize("kind", ["attn", "mlp", "unembed"])
def test_gradients_pass_through_modules_without_an_adapter(kind: str) -> None:
    """Each kind of module trained alone."""
    check(random_model(kind=kind), batch(), "cross_entropy")


@pytest.mark.parametrize("loss", ["importance_sampling", "dro"])
def test_policy_losses_reach_the_adapter_with_their_own_slope(loss: str) -> None:
    """Those without a kink, whose value has the slope of the gradient."""
    check(random_model(), batch(), loss)


def test_a_ratio_held_constant_is_a_weight() -> None:
    """Cispo is cross entropy with the clipped ratio times the advantage as weight."""
    model, twin = random_model(), random_model()
    examples = batch()
    outputs = model.forward_backward(examples, "cispo", {}, backward=True).outputs
    for example, output in zip(examples, outputs, strict=True):
        inputs = example.inputs
        ratio = np.exp(output.logprobs - inputs["logprobs"]).clip(0.0, 4.0)
        weighed = {"target_tokens": inputs["target_tokens"], "weights": ratio * inputs["advantages"]}
        twin.forward_backward([Example(example.tokens, weighed)], "cross_entropy", {}, backward=True)
    for name, gradient in model.gradients.items():
        np.testing.assert_allclose(twin.gradients[name], gradient, rtol=1e-5, atol=1e-5)

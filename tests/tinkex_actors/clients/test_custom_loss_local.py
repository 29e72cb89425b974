"""Custom losses on the embedded server: the same weights as its own loss, terms that pull, top-k that feed them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType] # its signature leaves PathLike bare

from tinkex_actors import AdamParams, Datum, ModelInput, TinkerClient, TrainingClient, open_tinker
from tinkex_actors.compute.batch_terms import per_datum
from tinkex_actors.compute.composition import RegularizerSpec, compose
from tinkex_actors.compute.gradient_check import GradientCheck, check_gradient
from tinkex_actors.compute.loss import Loss, LossResult
from tinkex_actors.compute.regularizers import Entropy, KlDivergence, Values
from tinkex_actors.compute.topk import topk_datum
from tinkex_actors.local.options import ServerOptions

RATE = AdamParams(learning_rate=3e-3)
SEA = list(b"the sea, the sea")
CALM = list(b"a calm and pleasant evening")


def a_datum(tokens: Sequence[int]) -> Datum:
    weights = np.linspace(0.5, 1.5, len(tokens) - 1, dtype=np.float32)
    return Datum(ModelInput.from_ints(tokens[:-1]), {"target_tokens": list(tokens[1:]), "weights": weights})


def cross_entropy(data: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    weights = [datum.loss_fn_inputs["weights"].to_numpy().astype(np.float64) for datum in data]
    return -sum(float(w @ x) for w, x in zip(weights, logprobs, strict=True)), [-w for w in weights]


async def model(tinker: TinkerClient) -> TrainingClient:
    return await tinker.create_lora_training_client("tinkex/tiny", rank=4, seed=1)


def checkpoints(folder: Path) -> list[dict[str, npt.NDArray[Any]]]:
    return [load_file(file) for file in sorted(folder.rglob("*.safetensors"))]


async def test_a_custom_cross_entropy_is_the_built_in_one(tmp_path: Path) -> None:
    """Ten steps, two models: the same losses, and the same weights and moments in their checkpoints."""
    data = [a_datum(SEA), a_datum(CALM)]
    async with open_tinker(local=ServerOptions(data=tmp_path)) as tinker:
        built_in, custom = await model(tinker), await model(tinker)
        for _ in range(10):
            expected, found = (
                built_in.forward_backward(data, "cross_entropy"),
                custom.forward_backward_custom(data, cross_entropy),
            )
            built_in.optim_step(RATE)
            await custom.optim_step(RATE)
            metrics = (await found).metrics
            assert metrics["loss:sum"] == pytest.approx((await expected).metrics["loss:sum"], rel=1e-6)
            assert metrics["surrogate_loss:sum"] == pytest.approx(metrics["loss:sum"], rel=1e-5)
        for trainer in (built_in, custom):
            await trainer.save_state("end")
    one, other = checkpoints(tmp_path)
    assert one.keys() == other.keys()
    assert len(one) > 10
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6, atol=1e-9, err_msg=name)


async def reference_of(tinker: TinkerClient, tokens: Sequence[int], k: int = 16) -> Datum:
    """Score a text with the base model, which is what training must not go too far from."""
    prompt = ModelInput.from_ints(tokens)
    sampler = await tinker.create_sampling_client(base_model="tinkex/tiny")
    answer = await sampler.sample(prompt, topk_prompt_logprobs=k, topk_sample_logprobs=0)
    assert answer.topk_prompt_logprobs_np is not None
    return topk_datum(prompt, answer.topk_prompt_logprobs_np)


async def train(trainer: TrainingClient, data: Sequence[Datum], loss: Loss, steps: int) -> None:
    updates = [(trainer.forward_backward_custom(data, loss), trainer.optim_step(RATE)) for _ in range(steps)]
    await updates[-1][1]


def likeliest_first(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    """Push the least likely of the top k up: something that leads away from the reference."""
    gradients = [np.zeros_like(x) for x in logprobs]
    for gradient in gradients:
        gradient[:, -1] = -1.0 / len(gradient)
    return -sum(float(x[:, -1].mean()) for x in logprobs), gradients


KL = KlDivergence(direction="reverse")
"""Of the reference from the model: weighed by the reference's own probabilities."""


async def divergence(trainer: TrainingClient, data: Sequence[Datum]) -> float:
    return (await trainer.forward_backward_custom(data, per_datum(KL))).metrics["loss:sum"]


async def test_a_divergence_pulls_a_model_towards_its_reference() -> None:
    """Its gradient is not zero, so it trains: the same steps end nearer to the reference."""
    async with open_tinker(local=True) as tinker:
        data = [await reference_of(tinker, SEA)]
        ends = list[float]()
        for weight in (0.0, 3.0):
            trainer = await model(tinker)
            assert await divergence(trainer, data) == pytest.approx(0.0, abs=1e-5)
            await trainer.optim_step(AdamParams(learning_rate=0.0))
            term = RegularizerSpec(loss=per_datum(KL), weight=weight, name="kl")
            await train(trainer, data, compose(likeliest_first, term), steps=5)
            ends.append(await divergence(trainer, data))
    assert ends[0] > 0.1
    assert ends[1] < 0.5 * ends[0]


async def test_top_k_distributions_feed_terms_that_need_a_vocabulary() -> None:
    """Sharpening really lowers the entropy of what the server says next, and its gradient checks on the server's numbers."""
    async with open_tinker(local=True) as tinker:
        datum = await reference_of(tinker, CALM)
        assert datum.loss_fn_inputs["target_tokens"].shape == (len(CALM) - 1, 16)
        trainer = await model(tinker)
        sharpen = per_datum(Entropy(renormalize=True))
        first = (await trainer.forward_backward_custom([datum], sharpen)).metrics["loss:sum"]
        await trainer.optim_step(RATE)
        await train(trainer, [datum], sharpen, steps=4)
        assert (await trainer.forward_backward_custom([datum], sharpen)).metrics["loss:sum"] < 0.95 * first
        reference = datum.loss_fn_inputs["reference_logprobs"].to_numpy()
        check_gradient(sharpen, [datum], [reference], check=GradientCheck(max_elements=16))

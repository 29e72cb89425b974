"""Learn one text without forgetting how to write others: the same run with and without a regularizer, and its picture."""
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import trio
from matplotlib.figure import Figure

from tinkex_actors import AdamParams, Datum, ModelInput, TinkerClient, open_tinker
from tinkex_actors.compute import CustomForwardBackwardOutput, RegularizerSpec, compose, only, per_datum, topk_datum
from tinkex_actors.compute.regularizers import KlDivergence

LEARN = "Zebras juggle quartz; vexed foxes whisk jumbo sphinxes."
KEEP = ["She was not at all surprised to find him so very agreeable.", "The dog has a red ball and a small box."]
STEPS = 16

Arrays = Sequence[npt.NDArray[np.float64]]


def is_kept(datum: Datum) -> bool:
    return "reference_logprobs" in datum.loss_fn_inputs


def mean_nll(_: Sequence[Datum], logprobs: Arrays) -> tuple[float, list[npt.NDArray[np.float64]]]:
    """The mean loss of a token, over all data."""
    size = sum(array.size for array in logprobs)
    return -sum(float(array.sum()) for array in logprobs) / size, [np.full(x.shape, -1 / size) for x in logprobs]


async def score(tinker: TinkerClient, text: str) -> Datum:
    """Have the base model say what it would write at every position: its 16 likeliest tokens."""
    prompt = ModelInput.from_ints(list(text.encode()))
    base = await tinker.create_sampling_client(base_model="tinkex/tiny")
    answer = await base.sample(prompt, topk_prompt_logprobs=16)
    assert answer.topk_prompt_logprobs_np is not None
    return topk_datum(prompt, answer.topk_prompt_logprobs_np)


async def run(tinker: TinkerClient, batch: Sequence[Datum], weight: float) -> list[CustomForwardBackwardOutput]:
    """Train with the regularizer at *weight*; at 0 it is reported and pulls nothing."""
    stay = per_datum(KlDivergence(direction="reverse"), combine="mean")
    loss = compose(
        only(mean_nll, lambda datum: not is_kept(datum)),
        RegularizerSpec(loss=only(stay, is_kept), weight=weight, name="stay"),
        track_norms=True,
    )
    trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=0)
    steps = [
        (trainer.forward_backward_custom(batch, loss), trainer.optim_step(AdamParams(learning_rate=1e-2)))
        for _ in range(STEPS)
    ]
    return [await gradients for gradients, _ in steps]


def plot(runs: dict[str, list[CustomForwardBackwardOutput]]) -> Figure:
    """Draw what is learned and what is forgotten."""
    figure = Figure(figsize=(9.6, 4.0), dpi=100, layout="constrained")
    learned, forgotten = figure.subplots(1, 2)
    for label, outputs in runs.items():
        learned.plot([one.custom_loss.base_loss.value for one in outputs], label=label, linewidth=2)
        forgotten.plot([one.custom_loss.regularizers["stay"].value for one in outputs], label=label, linewidth=2)
    learned.set(title="the text to learn", xlabel="step", ylabel="mean loss of a token, nats", ylim=(0, None))
    forgotten.set(title="other texts", xlabel="step", ylabel="divergence from the base model, nats", ylim=(0, None))
    for axes in (learned, forgotten):
        axes.grid(visible=True, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    learned.legend(frameon=False)
    return figure


async def main() -> None:
    async with open_tinker(local=True) as tinker:
        tokens = list(LEARN.encode())
        learn = Datum(ModelInput.from_ints(tokens[:-1]), {"target_tokens": tokens[1:]})
        batch = [learn, *[await score(tinker, text) for text in KEEP]]
        runs = {f"weight {weight:g}": await run(tinker, batch, weight) for weight in (0.0, 3.0)}

    (free, held) = ([output.custom_loss for output in outputs] for outputs in runs.values())
    print(
        "both learn the text:", all(end.base_loss.value < 0.5 * free[0].base_loss.value for end in (free[-1], held[-1]))
    )
    print("and with the regularizer the model forgets a third as much, or less:")
    print(held[-1].regularizers["stay"].value < free[-1].regularizers["stay"].value / 3)
    print("one line of JSON:", held[-1].to_json()[:15], "…")
    plot(runs).savefig("regularizer.png")


if __name__ == "__main__":
    trio.run(main)

"""Train on a loss of one's own: cross-entropy that stops pushing a token once the model is sure of it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import trio

from tinkex_actors import AdamParams, Datum, ModelInput, open_tinker
from tinkex_actors.compute import check_gradient

Arrays = Sequence[npt.NDArray[np.float64]]
SURE = np.log(0.9)


def until_sure(_: Sequence[Datum], logprobs: Arrays) -> tuple[float, list[npt.NDArray[np.float64]], dict[str, float]]:
    """Return the loss, its gradient for each datum, and figures to report."""
    unsure = [array < SURE for array in logprobs]
    loss = -sum(float(array[mask].sum()) for array, mask in zip(logprobs, unsure, strict=True))
    gradients = [-mask.astype(np.float64) for mask in unsure]
    return loss, gradients, {"unsure:mean": float(np.concatenate(unsure).mean())}


async def main() -> None:
    tokens = list(b"It was a truth universally acknowledged.")
    batch = [Datum(ModelInput.from_ints(tokens[:-1]), {"target_tokens": tokens[1:]})]
    print("elements whose gradient is the slope:", check_gradient(until_sure, batch).elements)

    async with open_tinker(local=True) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=0)
        # In line at once: each optimizer step comes after both passes of the loss before it.
        steps = [
            (trainer.forward_backward_custom(batch, until_sure), trainer.optim_step(AdamParams(learning_rate=1e-2)))
            for _ in range(12)
        ]
        unsure = [(await gradients).metrics["unsure:mean"] for gradients, _ in steps]
        print("sure of more and more:", unsure[0] > unsure[6] > unsure[11])


if __name__ == "__main__":
    trio.run(main)

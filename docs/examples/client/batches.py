"""Score without training, see how a large batch travels, and send many batches at once."""

import trio

from tinkex_actors import AdamParams, Datum, ModelInput, open_tinker
from tinkex_actors.clients.batches import forward_backward_batch, optim_step_batch
from tinkex_actors.compute import SliceLimits, slice_data
from tinkex_actors.types import ForwardBackwardInput, RequestFailedError


def example(*tokens: int) -> Datum:
    """Learn to continue each token by the next."""
    return Datum(ModelInput.from_ints(list(tokens[:-1])), {"target_tokens": list(tokens[1:])})


async def main() -> None:
    async with open_tinker(local=True) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=0)

        # A forward pass alone: log-probabilities as a numpy array, and no gradient.
        scored = await trainer.forward([example(5, 6, 7, 8)], "cross_entropy")
        logprobs = scored.loss_fn_outputs[0]["logprobs"].to_numpy()
        print("scores:", logprobs.shape, logprobs.dtype)

        # More data than a request may carry travel in several, and come back as one result.
        slices = slice_data([example(5, 6)] * 1025, SliceLimits(1024, 5_000_000))
        print("1025 examples travel as", [len(part.data) for part in slices])

        # Independent batches, sent together: one round trip for all, and a result for each.
        items = [ForwardBackwardInput((example(*tokens),), "cross_entropy") for tokens in ((1, 2), (3, 10**6), (4, 5))]
        for place, pending in enumerate(forward_backward_batch(trainer, items)):
            try:
                print(place, "done:", (await pending).metrics["loss:sum"] > 0)
            except RequestFailedError as error:
                print(place, "failed, by the", error.category)
        for update in optim_step_batch(trainer, [AdamParams(learning_rate=1e-3)]):
            await update


if __name__ == "__main__":
    trio.run(main)

"""What is submitted is in line at once; awaiting is only looking."""

import trio

from tinkex_actors import AdamParams, Datum, ModelInput, OperationWithdrawn, open_tinker

BATCH = [Datum(ModelInput.from_ints([5, 6, 7]), {"target_tokens": [6, 7, 8], "weights": [1.0, 1.0, 1.0]})]


async def main() -> None:
    async with open_tinker(local=True) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=0)

        # Three steps in line, nothing awaited: the server is never idle between them.
        steps = [
            (trainer.forward_backward(BATCH, "cross_entropy"), trainer.optim_step(AdamParams(learning_rate=1e-2)))
            for _ in range(3)
        ]
        after = trainer.forward(BATCH, "cross_entropy")
        print("not awaited yet:", after)

        # Awaited backwards, carried out in the order of the calls.
        last = (await after).metrics["loss:sum"]
        losses = [(await gradients).metrics["loss:sum"] for gradients, _ in steps]
        print("each lower than the one before:", losses[0] > losses[1] > losses[2] > last)
        print("asked again, the same answer:", (await steps[0][0]).metrics["loss:sum"] == losses[0])

        # A timeout ends the waiting, not the operation ...
        late = trainer.forward_backward(BATCH, "cross_entropy")
        with trio.move_on_after(0):
            await late
        print("still", late)
        await late

        # ... and an operation that was not sent yet can be withdrawn.
        unsent = trainer.optim_step()
        print("withdrawn:", unsent.cancel())
        try:
            await unsent
        except OperationWithdrawn as error:
            print(error)


if __name__ == "__main__":
    trio.run(main)

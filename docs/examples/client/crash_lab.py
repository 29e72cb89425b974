"""Crash actors of the client, one after the other, while a model is being trained."""

import trio

from supervisors import Event, RestartScheduled
from tinkex_actors import AdamParams, Datum, ModelInput, open_tinker

BATCH = [Datum(ModelInput.from_ints([5, 6, 7]), {"target_tokens": [6, 7, 8], "weights": [1.0, 1.0, 1.0]})]


class Restarts:
    """An observer is told every event of the tree, at once and in order."""

    def notify(self, event: Event) -> None:
        if isinstance(event, RestartScheduled):
            print("restarting", event.path)


async def train(victims: list[str | None]) -> list[float]:
    """Take a step for each victim, and crash it in the middle."""
    losses: list[float] = []
    async with open_tinker(local=True, observers=[Restarts()]) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=0)
        for victim in victims:
            gradients = trainer.forward_backward(BATCH, "cross_entropy")
            update = trainer.optim_step(AdamParams(learning_rate=1e-2))
            if victim is not None:
                tinker.crash(victim, "on purpose")
            losses.append((await gradients).metrics["loss:sum"])
            await update
    return losses


async def main() -> None:
    crashed = await train(["trainer-0", "poller", "heartbeat", "telemetry"])
    undisturbed = await train([None, None, None, None])
    print("the same losses, bit for bit:", crashed == undisturbed)


if __name__ == "__main__":
    trio.run(main)

"""Test a training loop against a server that loses answers, and prove that no step was taken twice."""

import trio

from tinkex_actors import AdamParams, Datum, ModelInput, Settings, open_tinker
from tinkex_actors.local import Fault, FaultKind, FaultPlan, ServerOptions, open_server

BATCH = [Datum(ModelInput.from_ints([5, 6, 7]), {"target_tokens": [6, 7, 8], "weights": [1.0, 1.0, 1.0]})]


async def loop(settings: Settings, steps: int) -> None:
    """The loop under test."""
    async with open_tinker(settings) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=0)
        for _ in range(steps):
            gradients = trainer.forward_backward(BATCH, "cross_entropy")
            await trainer.optim_step(AdamParams(learning_rate=1e-2))
            await gradients


async def main() -> None:
    lost = Fault(kind=FaultKind.DROP_ANSWER, route="POST optim_step", count=2)
    busy = Fault(kind=FaultKind.STATUS, status=503, route="POST forward_backward", count=2)
    async with open_server(ServerOptions(faults=FaultPlan([lost, busy]))) as server:
        await loop(Settings.local(server.url), steps=5)
        print("steps taken:", server.audit.count("optim_step"), "gradients:", server.audit.count("forward_backward"))


if __name__ == "__main__":
    trio.run(main)

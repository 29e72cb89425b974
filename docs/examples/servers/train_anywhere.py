"""Train, save, go on and sample: on this machine, or on whatever server TINKER_BASE_URL names."""

import os

import trio

from tinkex_actors import AdamParams, Datum, ModelInput, SamplingParams, Settings, TrainingClient, open_tinker

TOKENS = list(b"the sea is calm")
BATCH = [Datum(ModelInput.from_ints(TOKENS[:-1]), {"target_tokens": TOKENS[1:], "weights": [1.0] * (len(TOKENS) - 1)})]


async def train(trainer: TrainingClient, steps: int) -> list[float]:
    losses: list[float] = []
    for _ in range(steps):
        gradients = trainer.forward_backward(BATCH, "cross_entropy")
        update = trainer.optim_step(AdamParams(learning_rate=3e-3))
        losses.append((await gradients).metrics["loss:sum"])
        await update
    return losses


async def main() -> None:
    # The one setting: where the server is. Without it, one is started in this program.
    settings = Settings() if os.environ.get("TINKER_BASE_URL") else None
    async with open_tinker(settings, local=settings is None) as tinker:
        base_model = (await tinker.get_server_capabilities()).supported_models[0].model_name or ""

        trainer = await tinker.create_lora_training_client(base_model, rank=8, seed=1)
        losses = await train(trainer, 5)
        print("the loss falls:", losses == sorted(losses, reverse=True) and losses[-1] < losses[0])

        saved = await trainer.save_state("calm")
        resumed = await tinker.create_training_client_from_state_with_optimizer(saved.path)
        print("a checkpoint trains on:", len(await train(resumed, 2)), "steps")

        sampler = await trainer.save_weights_and_get_sampling_client("calm")
        prompt, params = ModelInput.from_ints(TOKENS[:7]), SamplingParams(max_tokens=2, stop=[])
        answer = await sampler.sample(prompt, 2, params)
        print("sequences:", [len(sequence.tokens) for sequence in answer.sequences])
        print("scores of the prompt:", len(await sampler.compute_logprobs(prompt)), "of", prompt.length)
        async with sampler.sample_stream(prompt, 1, params) as stream:
            print("tokens, one after the other:", len([token async for token in stream]))


if __name__ == "__main__":
    trio.run(main)

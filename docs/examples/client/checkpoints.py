"""Save, load, look up, publish and delete checkpoints."""

import trio

from tinkex_actors import AdamParams, Datum, ModelInput, open_tinker

BATCH = [Datum(ModelInput.from_ints([5, 6, 7]), {"target_tokens": [6, 7, 8], "weights": [1.0, 1.0, 1.0]})]


async def main() -> None:
    async with open_tinker(local=True) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=0)
        for _ in range(3):
            trainer.forward_backward(BATCH, "cross_entropy")
            await trainer.optim_step(AdamParams(learning_rate=1e-2))
        learned = (await trainer.forward(BATCH, "cross_entropy")).metrics["loss:sum"]

        # With the optimizer's moments: another model goes on training as if this one had not stopped.
        saved = await trainer.save_state("first", ttl_seconds=3600)
        another = await tinker.create_training_client_from_state_with_optimizer(saved.path)
        print("the same weights:", (await another.forward(BATCH, "cross_entropy")).metrics["loss:sum"] == learned)

        # To sample from: a sampler at once, or a path for later.
        sampler = await trainer.save_weights_and_get_sampling_client("for-sampling")
        print("samples from", sampler.get_base_model())

        # What the server knows about them.
        rest = tinker.create_rest_client()
        info = await rest.get_weights_info_by_tinker_path(saved.path)
        print("rank", info.lora_rank, "of", info.base_model)
        await rest.set_checkpoint_ttl_from_tinker_path(saved.path, None)
        await rest.publish_checkpoint_from_tinker_path(saved.path)
        async for one in rest.list_user_checkpoints():
            print(one.checkpoint_id, "public" if one.public else "private", "expires" if one.expires_at else "stays")

        await rest.delete_checkpoint_from_tinker_path(saved.path)
        print("left:", [one.checkpoint_id async for one in rest.list_user_checkpoints()])


if __name__ == "__main__":
    trio.run(main)

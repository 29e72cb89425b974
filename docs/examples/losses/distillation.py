"""Distillation: a student learns the distributions of a teacher, over the teacher's likeliest tokens."""

import trio

from tinkex_actors import AdamParams, Datum, ModelInput, SamplingClient, TinkerClient, open_tinker
from tinkex_actors.compute import per_datum, topk_datum
from tinkex_actors.compute.regularizers import KlDivergence

TEXT = "The cat sat on the mat and looked at the moon."
# Of the teacher from the student, weighed by the teacher's probabilities.
DIVERGENCE = per_datum(KlDivergence(direction="reverse"), combine="mean")


async def train_teacher(tinker: TinkerClient) -> SamplingClient:
    """A model that has seen the text; any model with the same tokens can teach."""
    tokens = list(TEXT.encode())
    batch = [
        Datum(ModelInput.from_ints(tokens[:-1]), {"target_tokens": tokens[1:], "weights": [1.0] * (len(tokens) - 1)})
    ]
    trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=1)
    for _ in range(8):
        trainer.forward_backward(batch, "cross_entropy")
        trainer.optim_step(AdamParams(learning_rate=1e-2))
    return await trainer.save_weights_and_get_sampling_client("teacher")


async def main() -> None:
    async with open_tinker(local=True) as tinker:
        teacher = await train_teacher(tinker)
        prompt = ModelInput.from_ints(list(TEXT.encode()))
        scored = await teacher.sample(prompt, topk_prompt_logprobs=8)
        assert scored.topk_prompt_logprobs_np is not None
        batch = [topk_datum(prompt, scored.topk_prompt_logprobs_np)]
        print("targets of a position:", batch[0].loss_fn_inputs["target_tokens"].shape)

        student = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=2)
        steps = [
            (student.forward_backward_custom(batch, DIVERGENCE), student.optim_step(AdamParams(learning_rate=1e-2)))
            for _ in range(10)
        ]
        first, last = [(await steps[index][0]).metrics["loss:sum"] for index in (0, -1)]
        print("a quarter of the divergence is left, or less:", last < 0.25 * first)


if __name__ == "__main__":
    trio.run(main)

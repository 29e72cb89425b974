"""Policy optimization in groups: sample answers, reward each against the mean of its group, clip how far a step goes."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from collections.abc import Sequence
from typing import Any

import autograd.numpy as anp
import numpy as np
import trio

from tinkex_actors import AdamParams, Datum, ModelInput, SamplingParams, TensorData, TrainingClient, open_tinker

PROMPT = list(b"She was ")
GROUP, LENGTH, CLIP = 16, 12, 0.2


def reward(tokens: Sequence[int]) -> float:
    """How much of an answer is the letter e: a toy that a small model can learn in seconds."""
    return sum(token == ord("e") for token in tokens) / len(tokens)


def grpo(data: Sequence[Datum], logprobs: Any) -> Any:
    """Written for autograd; ``sampled`` are the log-probabilities the answers were drawn with."""
    total = 0.0
    for datum, ours in zip(data, logprobs, strict=True):
        sampled, advantages = (datum.loss_fn_inputs[name].to_numpy() for name in ("sampled", "advantages"))
        ratio = anp.exp(ours - sampled)
        total = total - anp.mean(anp.minimum(ratio * advantages, anp.clip(ratio, 1 - CLIP, 1 + CLIP) * advantages))
    return total / len(data)


async def sample_group(trainer: TrainingClient, number: int) -> tuple[list[Datum], float]:
    """Draw a group of answers; return them as data, and their mean reward."""
    sampler = await trainer.save_weights_and_get_sampling_client()
    params = SamplingParams(max_tokens=LENGTH, seed=number, stop=[])
    answer = await sampler.sample(ModelInput.from_ints(PROMPT), GROUP, params)
    rewards = np.array([reward(sequence.tokens) for sequence in answer.sequences])
    scores = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
    data = list[Datum]()
    for sequence, score in zip(answer.sequences, scores, strict=True):
        drawn, asked = sequence.tokens, len(PROMPT) - 1
        assert sequence.logprobs_np is not None
        data.append(
            Datum(
                ModelInput.from_ints([*PROMPT, *drawn[:-1]]),
                {
                    "target_tokens": [*PROMPT[1:], *drawn],
                    # On the prompt nothing is to be learned: advantage 0.
                    "sampled": TensorData.from_numpy(np.append(np.zeros(asked), sequence.logprobs_np)),
                    "advantages": TensorData.from_numpy(np.append(np.zeros(asked), np.full(len(drawn), score))),
                },
            )
        )
    return data, float(rewards.mean())


async def main() -> None:
    async with open_tinker(local=True) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=0)
        rewards = list[float]()
        for number in range(6):
            data, mean = await sample_group(trainer, number)
            rewards.append(mean)
            for _ in range(2):  # the second step is off-policy, which is what the clipping is for
                trainer.forward_backward_custom(data, grpo)
                await trainer.optim_step(AdamParams(learning_rate=5e-3))
        _, last = await sample_group(trainer, 99)
        print("twice as many e:", last > 2 * rewards[0])


if __name__ == "__main__":
    trio.run(main)

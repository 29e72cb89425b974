"""Reinforcement learning by groups: sample several answers, score them, and prefer those above their group's mean.

The toy reward is the share of letters in an answer that are vowels. Each step's batch is made once: the journal keeps it,
so a crash between sampling and training neither samples again nor trains on other answers.
"""

from functools import partial

import numpy as np
import trio

from tinkex_actors.clients import SamplingClient
from tinkex_actors.daemon.batch import StepBatch
from tinkex_actors.daemon.loop import Loop, Step
from tinkex_actors.types import Datum, ModelInput, SampledSequence, SamplingParams

SEEDS = 2**31
"""How many seeds there are to draw from."""


async def train(loop: Loop) -> None:
    """What the plan names: ``loop = "group_relative:train"``."""
    async for step in loop.steps():
        batch = await step.batch(partial(roll_out, loop, step))
        await step.submit(batch)


async def roll_out(loop: Loop, step: Step) -> StepBatch:
    """Sample the groups of one step from the weights as they are, and score them."""
    prompt = loop.tokenizer.encode(str(loop.options["prompt"]))
    data, rewards = list[Datum](), list[float]()
    async with loop.sampling() as sampler:
        groups = list[list[SampledSequence]]()
        async with trio.open_nursery() as nursery:
            for _ in range(loop.options["groups"]):
                seed = int(step.rng.integers(SEEDS))
                nursery.start_soon(sample_group, loop, sampler, prompt, seed, groups)
    for group in groups:
        scores = [reward(loop.tokenizer.decode(list(one.tokens))) for one in group]
        rewards += scores
        advantages = (np.array(scores) - np.mean(scores)) / (np.std(scores) + 1e-6)
        data += [as_datum(prompt, one, float(advantage)) for one, advantage in zip(group, advantages, strict=True)]
    return StepBatch(data=data, loss="importance_sampling", notes={"env/all/reward/total": float(np.mean(rewards))})


async def sample_group(
    loop: Loop, sampler: SamplingClient, prompt: list[int], seed: int, groups: list[list[SampledSequence]]
) -> None:
    """Sample several answers to one prompt."""
    params = SamplingParams(max_tokens=loop.options["max_tokens"], temperature=1.0, seed=seed)
    answer = await sampler.sample(ModelInput.from_ints(prompt), loop.options["group_size"], params)
    groups.append(list(answer.sequences))


def reward(text: str) -> float:
    """The share of letters that are vowels."""
    letters = [letter for letter in text.lower() if letter.isalpha()]
    return sum(letter in "aeiou" for letter in letters) / max(len(letters), 1)


def as_datum(prompt: list[int], answer: SampledSequence, advantage: float) -> Datum:
    """Shift prompt and answer into inputs and targets; only the answer counts."""
    tokens, before = [*prompt, *answer.tokens], len(prompt) - 1
    logprobs = answer.logprobs or [0.0] * len(answer.tokens)
    return Datum(
        ModelInput.from_ints(tokens[:-1]),
        {
            "target_tokens": tokens[1:],
            "logprobs": [0.0] * before + list(logprobs),
            "advantages": [0.0] * before + [advantage] * len(answer.tokens),
        },
    )

"""What a sampler promises: the model's own distribution, the learner's numbers, and the same bits each time."""

import numpy as np
import pytest
from attrs import evolve

from tests.tinkex_actors.local.engine.tiny_models import random_model
from tinkex_actors.local.engine import (
    Example,
    Sampler,
    SampleRequest,
    TrainableModel,
    WantedScores,
)

PROMPT = np.array([1, 4, 2, 7, 3])
FREE = SampleRequest(prompt=PROMPT, seed=5, num_samples=3, max_tokens=40, stop_tokens=())


@pytest.fixture(name="model")
def model_fixture() -> TrainableModel:
    return random_model(dtype=np.float32)


@pytest.fixture(name="sampler")
def sampler_fixture(model: TrainableModel) -> Sampler:
    return Sampler(model.base, model.snapshot())


def learner_logprobs(model: TrainableModel, tokens: np.ndarray) -> np.ndarray:
    example = Example(tokens[:-1], {"target_tokens": tokens[1:]})
    return model.forward_backward([example], "cross_entropy", {}, backward=False).outputs[0].logprobs


def test_sampled_logprobs_are_the_learners(model: TrainableModel, sampler: Sampler) -> None:
    """The ratio of an on-policy sample is one: the cache must not change the numbers."""
    for sequence in sampler.sample(FREE).sequences:
        whole = np.concatenate([PROMPT, sequence.tokens])
        expected = learner_logprobs(model, whole)[len(PROMPT) - 1 :]
        np.testing.assert_allclose(sequence.logprobs, expected, atol=2e-5)


def test_prompt_logprobs_are_the_learners(model: TrainableModel, sampler: Sampler) -> None:
    request = evolve(FREE, max_tokens=1, prompt_scores=WantedScores(logprobs=True))
    logprobs = sampler.sample(request).prompt.logprobs
    assert logprobs is not None
    assert np.isnan(logprobs[0])
    np.testing.assert_allclose(logprobs[1:], learner_logprobs(model, PROMPT), atol=2e-5)

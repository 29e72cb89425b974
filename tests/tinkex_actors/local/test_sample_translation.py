"""Between the wire's sample requests and the engine's."""

from typing import Any

import numpy as np
import pytest

from tests.tinkex_actors.local.engine.tiny_models import random_base
from tinkex_actors.local.engine import EngineInputError, Sampler, take_step
from tinkex_actors.local.sample_translation import decoding_to_response, request_to_engine
from tinkex_actors.types.model_input import ModelInput
from tinkex_actors.types.sampling import SampleResponse, SamplingParams
from tinkex_actors.types.tensors import TensorData
from tinkex_actors.wire.requests import SampleRequest

BASE = random_base(dtype=np.float32)


def drawn(params: SamplingParams | None = None, **asked: Any) -> SampleResponse:
    """Sample three tokens behind a prompt of three."""
    params = params or SamplingParams(max_tokens=3, stop=[], seed=1)
    request = SampleRequest(1, ModelInput.from_ints([1, 2, 3]), params, **asked)
    decoding = Sampler(BASE).begin(request_to_engine(request, "s"))
    while not decoding.is_done:
        take_step(BASE, None, [decoding])
    return decoding_to_response(decoding, request)


def test_a_seed_is_made_of_the_default_when_the_request_names_none() -> None:
    """The same default draws the same."""
    params = SamplingParams(max_tokens=20, stop=[])
    assert drawn(params).sequences[0].tokens == drawn(params).sequences[0].tokens


@pytest.mark.parametrize(("stop", "length"), [([], 3), ([7], 1)])
def test_token_stops_replace_the_models_own_end(stop: list[int], length: int) -> None:
    """An empty list removes every stop; the token that stops is kept."""
    params = SamplingParams(max_tokens=3, stop=stop, temperature=0)
    first = drawn(SamplingParams(max_tokens=1, stop=[], temperature=0)).sequences[0].tokens[0]
    if stop:
        params = SamplingParams(max_tokens=3, stop=[first], temperature=0)
    assert len(drawn(params).sequences[0].tokens) == length


@pytest.mark.parametrize("stop", ["a", ["a"]])
def test_text_stops_need_a_tokenizer(stop: str | list[str]) -> None:
    """A random model has none; the user is told."""
    with pytest.raises(EngineInputError, match="tokenizer"):
        drawn(SamplingParams(max_tokens=3, stop=stop))


def test_scores_of_targets_come_back_as_they_were_asked_for() -> None:
    """Dense ones dense, sparse ones under the same indices, with the same numbers."""
    dense = drawn(target_prompt_logprobs=TensorData([4, -1, -1, 5], "int64", [2, 2])).target_prompt_logprobs
    sparse = drawn(target_prompt_logprobs=TensorData([4, 5], "int64", [2, 2], [0, 1, 2], [0, 1])).target_prompt_logprobs
    assert dense is not None
    assert sparse is not None
    assert sparse.is_sparse
    assert np.array_equal(sparse.to_numpy(), dense.to_numpy())
    assert dense.to_numpy()[0, 1] == 0


def test_targets_must_be_token_ids() -> None:
    """Floats would be cut without a word."""
    with pytest.raises(EngineInputError, match="int64"):
        drawn(target_prompt_logprobs=TensorData([0.5, 0.5], "float32", [2, 1]))


def test_alternatives_come_with_their_scores() -> None:
    """One row a position from the second on."""
    alternatives = drawn(prompt_alt_tokens_k=3).prompt_alt_tokens
    assert alternatives is not None
    assert alternatives.tokens.to_numpy().shape == alternatives.logprobs.to_numpy().shape == (2, 3)

"""Requests that are decoded together get the bits they would get alone."""

from collections.abc import Sequence

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tinkex_actors.local.engine.tiny_models import TINY, random_model
from tinkex_actors.local.engine import SampledSequence, Sampler, SampleRequest, take_step
from tinkex_actors.local.engine.decoding import Decoding
from tinkex_actors.local.engine.head import log_sum_exp

ODD = evolve(
    TINY, vocab_size=1031, hidden_size=40, intermediate_size=72, num_layers=2, head_dim=10, eos_token_ids=(1030,)
)
"""No size is a multiple of a register's: the edges of every kernel take part."""
MODEL = random_model(ODD, rank=3, dtype=np.float32)
SAMPLER = Sampler(MODEL.base, MODEL.snapshot())


@st.composite
def requests(draw: st.DrawFn) -> SampleRequest:
    """A request of any shape."""
    return SampleRequest(
        prompt=np.array(draw(st.lists(st.integers(0, 1029), min_size=1, max_size=20))),
        seed=draw(st.integers(0, 5)),
        num_samples=draw(st.sampled_from([1, 1, 2, 3, 7])),
        max_tokens=draw(st.integers(1, 40)),
        temperature=draw(st.sampled_from([0.0, 0.7, 1.0])),
        top_k=draw(st.sampled_from([-1, 5])),
        top_p=draw(st.sampled_from([1.0, 0.9])),
        stop_tokens=tuple(draw(st.lists(st.integers(0, 1030), max_size=200))),
        topk_sample_logprobs=draw(st.sampled_from([0, 3])),
    )


def together(asked: Sequence[SampleRequest], arrivals: Sequence[int]) -> list[tuple[SampledSequence, ...]]:
    """Decode requests together, each from the step on at which it arrives."""
    decodings: list[Decoding | None] = [None] * len(asked)
    step = 0
    while not all(one is not None and one.is_done for one in decodings):
        for number, (request, arrival) in enumerate(zip(asked, arrivals, strict=True)):
            if arrival == step:
                decodings[number] = SAMPLER.begin(request)
        take_step(SAMPLER.base, SAMPLER.adapter, [one for one in decodings if one and not one.is_done])
        step += 1
    return [one.finish() for one in decodings if one]


def assert_same(first: Sequence[SampledSequence], second: Sequence[SampledSequence]) -> None:
    for one, other in zip(first, second, strict=True):
        assert one.tokens.tolist() == other.tokens.tolist()
        assert one.logprobs.tobytes() == other.logprobs.tobytes()
        assert one.stop_reason == other.stop_reason
        if one.topk_logprobs is not None and other.topk_logprobs is not None:
            assert one.topk_logprobs.logprobs.tobytes() == other.topk_logprobs.logprobs.tobytes()


@given(data=st.data())
@settings(max_examples=25)
def test_neighbours_and_times_of_arrival_change_no_bit(data: st.DataObject) -> None:
    """An answer must not depend on who else asks: every product is of one request's rows, every sum of one row."""
    asked = data.draw(st.lists(requests(), min_size=2, max_size=6))
    arrivals = data.draw(st.lists(st.integers(0, 10), min_size=len(asked), max_size=len(asked)))
    for request, sequences in zip(asked, together(asked, arrivals), strict=True):
        assert_same(sequences, SAMPLER.sample(request).sequences)


def test_a_hundred_neighbours_change_no_bit() -> None:
    """Many rows at once take other paths through numpy than few."""
    asked = [SampleRequest(prompt=np.arange(1, 9), seed=seed, max_tokens=6, stop_tokens=()) for seed in range(100)]
    for request, sequences in zip(asked, together(asked, [0] * 100), strict=True):
        assert_same(sequences, SAMPLER.sample(request).sequences)


@pytest.mark.parametrize("vocabulary", [1031, 20_011, 200_003])
def test_a_sum_over_the_vocabulary_does_not_depend_on_its_row(vocabulary: int) -> None:
    """A sum is taken in pieces; they must begin anew with each row."""
    logits = np.random.default_rng(0).standard_normal((5, vocabulary)).astype(np.float32)
    alone = [log_sum_exp(row[None].copy())[0] for row in logits]
    assert log_sum_exp(logits.copy()).tolist() == alone

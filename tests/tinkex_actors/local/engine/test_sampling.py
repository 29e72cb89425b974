"""What a sampler promises: the model's own distribution, the learner's numbers, and the same bits each time."""

import numpy as np
import numpy.typing as npt
import pytest
from attrs import evolve
from tokenizers import Tokenizer, models

from tests.tinkex_actors.local.engine.tiny_models import LLAMA, TINY, random_base, random_model
from tinkex_actors.local.engine import (
    EngineInputError,
    Example,
    SampledToken,
    Sampler,
    SampleRequest,
    SampleResult,
    TrainableModel,
    WantedScores,
    take_step,
)

PROMPT = np.array([1, 4, 2, 7, 3])
FREE = SampleRequest(prompt=PROMPT, seed=5, num_samples=3, max_tokens=40, stop_tokens=())


@pytest.fixture(name="model", params=[TINY, LLAMA], ids=["qwen3", "llama"])
def model_fixture(request: pytest.FixtureRequest) -> TrainableModel:
    return random_model(request.param, dtype=np.float32)


@pytest.fixture(name="sampler")
def sampler_fixture(model: TrainableModel) -> Sampler:
    return Sampler(model.base, model.snapshot())


def learner_logprobs(model: TrainableModel, tokens: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    example = Example(tokens[:-1], {"target_tokens": tokens[1:]})
    return model.forward_backward([example], "cross_entropy", {}, backward=False).outputs[0].logprobs


def assert_same(first: SampleResult, second: SampleResult) -> None:
    for one, other in zip(first.sequences, second.sequences, strict=True):
        np.testing.assert_array_equal(one.tokens, other.tokens)
        np.testing.assert_array_equal(one.logprobs, other.logprobs)


def test_sampled_logprobs_are_the_learners(model: TrainableModel, sampler: Sampler) -> None:
    """The ratio of an on-policy sample is one: the cache must not change the numbers, however long the sample."""
    for sequence in sampler.sample(FREE).sequences:
        whole = np.concatenate([PROMPT, sequence.tokens])
        expected = learner_logprobs(model, whole)[len(PROMPT) - 1 :]
        np.testing.assert_allclose(sequence.logprobs, expected, atol=2e-5)


def test_logprobs_are_before_temperature_and_filters(model: TrainableModel, sampler: Sampler) -> None:
    request = evolve(FREE, num_samples=1, temperature=0.3, top_k=3, top_p=0.9)
    sequence = sampler.sample(request).sequences[0]
    expected = learner_logprobs(model, np.concatenate([PROMPT, sequence.tokens]))[len(PROMPT) - 1 :]
    np.testing.assert_allclose(sequence.logprobs, expected, atol=2e-5)


def test_the_adapter_takes_part(model: TrainableModel, sampler: Sampler) -> None:
    """A base sampler and an adapter's differ."""
    adapted, plain = sampler.sample(FREE), Sampler(model.base).sample(FREE)
    assert (adapted.sequences[0].logprobs != plain.sequences[0].logprobs).any()


def test_the_same_request_gives_the_same_bits(sampler: Sampler) -> None:
    assert_same(sampler.sample(FREE), sampler.sample(FREE))


def test_each_sample_and_each_seed_draws_for_itself(sampler: Sampler) -> None:
    """Fewer samples are the first of more."""
    more, fewer = sampler.sample(FREE), sampler.sample(evolve(FREE, num_samples=2))
    other = sampler.sample(evolve(FREE, seed=6))
    texts = {tuple(s.tokens.tolist()) for result in (more, other) for s in result.sequences}
    assert len(texts) == 6
    for one, same in zip(fewer.sequences, more.sequences[:2], strict=True):
        np.testing.assert_array_equal(one.tokens, same.tokens)


def test_frequencies_are_the_models_probabilities() -> None:
    """Two thousand first tokens against the learner's distribution; four standard deviations."""
    base = random_base(dtype=np.float32)
    wanted = WantedScores(topk=TINY.vocab_size)
    prompt = np.append(PROMPT, 0)  # the last row of top tokens tells the distribution after PROMPT
    top = Sampler(base).sample(SampleRequest(prompt=prompt, seed=0, max_tokens=1, prompt_scores=wanted)).prompt.topk
    assert top is not None
    probabilities = np.zeros(TINY.vocab_size)
    probabilities[top.token_ids[-1]] = np.exp(top.logprobs[-1])
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-5)
    result = Sampler(base).sample(SampleRequest(prompt=PROMPT, seed=1, num_samples=2000, max_tokens=1))
    drawn = np.bincount([int(s.tokens[0]) for s in result.sequences], minlength=TINY.vocab_size)
    np.testing.assert_array_less(abs(drawn - 2000 * probabilities), 4 * np.sqrt(2000 * probabilities) + 1)


def test_a_stop_token_ends_one_sample_and_not_the_others(sampler: Sampler) -> None:
    """The token itself is kept; the other samples go on as if nothing had happened."""
    free = sampler.sample(FREE)
    stop = int(free.sequences[0].tokens[7])
    stopped = sampler.sample(evolve(FREE, stop_tokens=(stop,)))
    for before, after in zip(free.sequences, stopped.sequences, strict=True):
        hits = np.flatnonzero(before.tokens == stop)
        end = hits[0] + 1 if hits.size else len(before.tokens)
        assert after.tokens.tolist() == before.tokens[:end].tolist()
        assert after.stop_reason == ("stop" if hits.size else "length")


def test_without_stop_tokens_the_models_own_end_counts() -> None:
    base = random_base(dtype=np.float32)
    result = Sampler(base).sample(SampleRequest(prompt=PROMPT, seed=2, num_samples=20))
    for sequence in result.sequences:
        ended = sequence.tokens[-1] == 10
        assert 10 not in sequence.tokens[:-1]
        assert sequence.stop_reason == ("stop" if ended else "length")
    assert {s.stop_reason for s in result.sequences} >= {"stop"}


def test_a_sample_ends_where_the_context_does(sampler: Sampler) -> None:
    """Without max_tokens, and with one that is too big; a full context still answers one token."""
    for asked in (None, 10_000):
        result = sampler.sample(evolve(FREE, max_tokens=asked))
        assert {len(s.tokens) for s in result.sequences} == {TINY.max_positions - len(PROMPT)}
    full = sampler.sample(evolve(FREE, prompt=np.ones(TINY.max_positions, np.int64)))
    assert {len(s.tokens) for s in full.sequences} == {1}


def test_a_stop_text_ends_a_sample_across_tokens() -> None:
    """One letter is one token here; the text spans two, and the tokens that make it are kept."""
    letters = {letter: i for i, letter in enumerate("abcdefghijk")}
    base = evolve(random_base(dtype=np.float32), tokenizer=Tokenizer(models.WordLevel(letters)))
    free = Sampler(base).sample(evolve(FREE, num_samples=1)).sequences[0]
    text = base.tokenizer.decode(free.tokens.tolist()) if base.tokenizer else ""
    stop = text[8:11]  # a letter, a space, a letter
    result = Sampler(base).sample(evolve(FREE, num_samples=1, stop_strings=("no such text", stop))).sequences[0]
    assert result.stop_reason == "stop"
    assert result.tokens.tolist() == free.tokens[: len(text[: text.index(stop) + 3].split())].tolist()


def test_cancelling_returns_what_there_is(sampler: Sampler) -> None:
    answers = iter([False, False, True])
    result = sampler.sample(FREE, cancelled=lambda: next(answers))
    assert [len(s.tokens) for s in result.sequences] == [2, 2, 2]
    assert {s.stop_reason for s in result.sequences} == {"length"}


def test_steps_bring_the_sample_token_by_token(sampler: Sampler) -> None:
    request = evolve(FREE, stop_tokens=(1, 2))
    whole, parts = sampler.sample(request), [list[SampledToken]() for _ in range(3)]
    decoding = sampler.begin(request)
    while not decoding.is_done:
        [(_, step)] = take_step(sampler.base, sampler.adapter, [decoding])
        for token in step:
            parts[token.sample].append(token)
    for sequence, tokens in zip(whole.sequences, parts, strict=True):
        assert [t.token for t in tokens] == sequence.tokens.tolist()
        assert np.array([t.logprob for t in tokens], np.float32).tolist() == sequence.logprobs.tolist()
        assert [t.stop_reason for t in tokens] == [None] * (len(tokens) - 1) + [sequence.stop_reason]


def test_no_temperature_is_greedy(sampler: Sampler) -> None:
    """Every sample is the same, and each token the likeliest."""
    result = sampler.sample(evolve(FREE, temperature=0.0, topk_sample_logprobs=2))
    assert len({tuple(s.tokens.tolist()) for s in result.sequences}) == 1
    for sequence in result.sequences:
        assert sequence.topk_logprobs is not None
        assert sequence.topk_logprobs.token_ids.shape == (len(sequence.tokens), 2)
        np.testing.assert_array_equal(sequence.topk_logprobs.token_ids[:, 0], sequence.tokens)
        np.testing.assert_array_equal(sequence.topk_logprobs.logprobs[:, 0], sequence.logprobs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": np.array([], np.int64)}, "expected tokens of shape"),
        ({"prompt": np.array([11])}, "expected tokens within 0 and 10, got 11"),
        ({"num_samples": 0}, "expected num_samples >= 1, got 0"),
        ({"max_tokens": 0}, "expected max_tokens >= 1 or None, got 0"),
        ({"temperature": -1.0}, "expected a finite temperature"),
        ({"temperature": float("nan")}, "expected a finite temperature"),
        ({"top_p": 0.0}, "expected 0 < top_p <= 1, got 0.0"),
        ({"topk_sample_logprobs": -1}, "expected topk_sample_logprobs >= 0"),
        ({"stop_strings": ("x",)}, "expected a model with a tokenizer.json"),
        ({"stop_strings": ("",)}, "expected stop texts of at least one character"),
        ({"prompt_scores": WantedScores(topk=-1)}, "expected counts >= 0"),
    ],
)
def test_a_wrong_request_is_refused_at_once(sampler: Sampler, changes: dict[str, object], message: str) -> None:
    request = SampleRequest(**{"prompt": PROMPT, "seed": 0, **changes})  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(EngineInputError, match=message):
        sampler.begin(request)

"""What is said about a prompt, against the learner's log-probabilities of the same tokens."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.tinkex_actors.local.engine.tiny_models import TINY, random_model
from tinkex_actors.local.engine import (
    EngineInputError,
    Example,
    PromptScores,
    Sampler,
    SampleRequest,
    TrainableModel,
    WantedScores,
)
from tinkex_actors.local.engine import head as head_module

PROMPT = np.array([1, 4, 2, 7, 3, 3, 9])
LAST = len(PROMPT) - 1


@pytest.fixture(name="model")
def model_fixture(monkeypatch: pytest.MonkeyPatch) -> TrainableModel:
    """Logits three rows at a time, so that every answer is put together from several slices."""
    monkeypatch.setattr(head_module, "ROWS_AT_LEAST", 3)
    monkeypatch.setattr(head_module, "LOGITS_AT_ONCE", 1)
    return random_model(dtype=np.float32)


@pytest.fixture(name="table")
def table_fixture(model: TrainableModel) -> npt.NDArray[np.float32]:
    """Row *i*: the learner's log-probabilities of the whole vocabulary at position *i + 1*."""
    targets = np.tile(np.arange(TINY.vocab_size), (len(PROMPT), 1))
    example = Example(PROMPT, {"target_tokens": targets})
    return model.forward_backward([example], "cross_entropy", {}, backward=False).outputs[0].logprobs[:-1]


def ask(model: TrainableModel, prompt: npt.NDArray[np.int64] = PROMPT, **wanted: Any) -> PromptScores:
    scores = WantedScores(**wanted)
    request = SampleRequest(prompt=prompt, seed=3, max_tokens=1, temperature=0.5, prompt_scores=scores)
    return Sampler(model.base, model.snapshot()).sample(request).prompt


def test_what_was_not_asked_is_not_answered(model: TrainableModel) -> None:
    scores = ask(model)
    answers = (scores.logprobs, scores.topk, scores.targets, scores.alternatives, scores.alternative_logprobs)
    assert answers == (None,) * 5


def test_logprobs_begin_with_the_second_token(model: TrainableModel, table: npt.NDArray[np.float32]) -> None:
    logprobs = ask(model, logprobs=True).logprobs
    assert logprobs is not None
    assert np.isnan(logprobs[0])
    np.testing.assert_allclose(logprobs[1:], table[np.arange(LAST), PROMPT[1:]], atol=2e-5)


def test_only_the_last_positions_are_scored_on_request(model: TrainableModel) -> None:
    """The official client fails when an excluded entry is scored."""
    scores, everything = ask(model, logprobs=True, topk=2, last_n=2), ask(model, logprobs=True, topk=2)
    assert scores.logprobs is not None
    assert everything.logprobs is not None
    assert scores.topk is not None
    assert everything.topk is not None
    assert np.isnan(scores.logprobs[:-2]).all()
    np.testing.assert_array_equal(scores.logprobs[-2:], everything.logprobs[-2:])
    assert (scores.topk.logprobs[:-2] == -99999.0).all()
    np.testing.assert_array_equal(scores.topk.token_ids[-2:], everything.topk.token_ids[-2:])


def test_the_likeliest_tokens_of_each_position(model: TrainableModel, table: npt.NDArray[np.float32]) -> None:
    top = ask(model, topk=3).topk
    assert top is not None
    assert top.token_ids.shape == (len(PROMPT), 3)
    assert top.logprobs[0].tolist() == [-99999.0] * 3
    np.testing.assert_array_equal(top.token_ids[1:], np.argsort(-table, axis=1)[:, :3])
    np.testing.assert_allclose(top.logprobs[1:], -np.sort(-table, axis=1)[:, :3], atol=2e-5)


def test_given_tokens_are_scored_and_gaps_left(model: TrainableModel, table: npt.NDArray[np.float32]) -> None:
    targets = np.array([[0, 5], [-1, 3], [2, -1], [10, 10], [1, 0], [-1, -1]])
    answers = ask(model, targets=targets).targets
    assert answers is not None
    expected = np.where(targets < 0, 0.0, np.take_along_axis(table, np.maximum(targets, 0), axis=1))
    np.testing.assert_allclose(answers, expected, atol=2e-5)


def test_alternatives_are_drawn_and_scored(model: TrainableModel, table: npt.NDArray[np.float32]) -> None:
    """Repeatable, with the model's own log-probabilities, and colder than the model at temperature one half."""
    first, second = ask(model, alternatives=400), ask(model, alternatives=400)
    assert first.alternatives is not None
    assert first.alternative_logprobs is not None
    assert second.alternatives is not None
    assert first.alternatives.shape == (LAST, 400)
    np.testing.assert_array_equal(first.alternatives, second.alternatives)
    expected = np.take_along_axis(table, first.alternatives.astype(np.int64), axis=1)
    np.testing.assert_allclose(first.alternative_logprobs, expected, atol=2e-5)
    sharpened = np.exp(2 * table.astype(np.float64))
    sharpened /= sharpened.sum(axis=1, keepdims=True)
    drawn = np.stack([np.bincount(row, minlength=TINY.vocab_size) for row in first.alternatives])
    np.testing.assert_array_less(abs(drawn - 400 * sharpened), 5 * np.sqrt(400 * sharpened) + 2)


def test_a_prompt_of_one_token_has_no_scores(model: TrainableModel) -> None:
    scores = ask(model, np.array([4]), logprobs=True, alternatives=2, targets=np.zeros((0, 2), np.int64))
    assert scores.logprobs is not None
    assert np.isnan(scores.logprobs).tolist() == [True]
    assert scores.targets is not None
    assert scores.targets.shape == (0, 2)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"alternatives": -1}, "expected counts >= 0"),
        ({"logprobs": True, "last_n": 0}, "expected last_n within 1 and 6"),
        ({"logprobs": True, "last_n": 7}, "expected last_n within 1 and 6"),
        ({"last_n": 2}, "and logprobs wanted, got 2"),
        ({"targets": np.zeros((7, 1), np.int64)}, r"expected integer targets of shape \(6, K\), got int64 \(7, 1\)"),
        ({"targets": np.zeros(6, np.int64)}, r"got int64 \(6,\)"),
        ({"targets": np.zeros((6, 1))}, "got float64"),
        ({"targets": np.full((6, 1), 11)}, "expected targets within -1 and 10, got 11 to 11"),
        ({"targets": np.full((6, 1), -2)}, "got -2 to -2"),
    ],
)
def test_wrong_questions_are_refused(model: TrainableModel, wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineInputError, match=message):
        ask(model, **wanted)

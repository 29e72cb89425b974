"""Answers about prompts are the protocol's, whichever server gave them."""

import math

import numpy as np
import pytest

from tinkex_actors.compute.prompt_answers import Asked, align_prompt, check_lengths, name_missing
from tinkex_actors.types import (
    PromptAltTokens,
    ResponseInvalid,
    SampledSequence,
    SampleResponse,
    StopReason,
    TensorData,
    TopkLogprobs,
)

SEQUENCE = SampledSequence(StopReason.LENGTH, np.array([5], np.int32), np.array([-1.0], np.float32))
NAN = math.nan


def scored(*scores: float) -> SampleResponse:
    return SampleResponse([SEQUENCE], np.array(scores, np.float32) if scores else None)


@pytest.mark.parametrize(
    ("given", "length", "last_n", "expected"),
    [
        ((NAN, -1.0, -2.0), 3, None, [None, -1.0, -2.0]),
        ((-1.0, -2.0), 3, None, [None, -1.0, -2.0]),
        ((-1.0, -2.0), 3, 1, [None, None, -2.0]),
        ((NAN, -1.0, -2.0), 3, 2, [None, -1.0, -2.0]),
        ((), 1, None, [None]),
        ((), 3, None, None),
    ],
)
def test_scores_are_one_for_each_token(
    given: tuple[float, ...], length: int, last_n: int | None, expected: list[float | None] | None
) -> None:
    """The first is undefined, and what was not asked for is not told."""
    asked = Asked(prompt_length=length, prompt_logprobs=True, prompt_logprobs_last_n=last_n)
    assert align_prompt(scored(*given), asked).prompt_logprobs == expected


def test_the_likeliest_tokens_align_too() -> None:
    """Row i belongs to token i; the first has none."""
    table = TopkLogprobs(np.array([[7, 8]], np.int32), np.array([[-0.1, -0.2]], np.float32))
    response = SampleResponse([SEQUENCE], np.array([-1.0], np.float32), table)
    aligned = align_prompt(response, Asked(prompt_length=2, prompt_logprobs=True, topk_prompt_logprobs=2))
    rows = aligned.topk_prompt_logprobs or []
    assert rows[0] is None
    assert [token for token, _ in rows[1] or []] == [7, 8]


def test_the_likeliest_tokens_align_where_scores_were_not_asked_for() -> None:
    """A table of one row too few is the same table, whatever came with it."""
    table = TopkLogprobs(np.array([[7], [8]], np.int32), np.array([[-0.1], [-0.2]], np.float32))
    asked = Asked(prompt_length=3, topk_prompt_logprobs=1)
    for scores in (None, np.array([-1.0, -2.0], np.float32)):
        aligned = align_prompt(SampleResponse([SEQUENCE], scores, table), asked)
        rows = [None if row is None else row[0][0] for row in aligned.topk_prompt_logprobs or []]
        assert rows == [None, 7, 8]


def ids(rows: int) -> TensorData:
    return TensorData.from_numpy(np.ones((rows, 2), np.int64))


def logs(rows: int) -> TensorData:
    return TensorData.from_numpy(np.ones((rows, 2), np.float32))


TABLE = TopkLogprobs(np.ones((2, 1), np.int32), np.ones((2, 1), np.float32))


@pytest.mark.parametrize(
    ("response", "path"),
    [
        (scored(NAN, -1.0, -1.0), ""),
        (scored(NAN, -1.0), "prompt_logprobs"),
        (scored(NAN, -1.0, -1.0, -1.0), "prompt_logprobs"),
        (SampleResponse([SEQUENCE], topk_prompt_logprobs_np=TABLE), "topk_prompt_logprobs"),
        (SampleResponse([SEQUENCE], target_prompt_logprobs=logs(2)), ""),
        (SampleResponse([SEQUENCE], target_prompt_logprobs=logs(3)), "target_prompt_logprobs"),
        (SampleResponse([SEQUENCE], prompt_alt_tokens=PromptAltTokens(ids(2), logs(2))), ""),
        (SampleResponse([SEQUENCE], prompt_alt_tokens=PromptAltTokens(ids(1), logs(2))), "prompt_alt_tokens.tokens"),
        (SampleResponse([SEQUENCE], prompt_alt_tokens=PromptAltTokens(ids(2), logs(4))), "prompt_alt_tokens.logprobs"),
    ],
)
def test_an_answer_about_a_prompt_of_another_length_is_refused(response: SampleResponse, path: str) -> None:
    """A score on the wrong token is worse than none; of a prompt that only the server can measure, nothing is known."""
    asked = Asked(prompt_length=3, prompt_logprobs=True, topk_prompt_logprobs=1)
    check_lengths(response, Asked(prompt_length=None, prompt_logprobs=True, topk_prompt_logprobs=1))
    if not path:
        check_lengths(response, asked)
        return
    with pytest.raises(ResponseInvalid, match="one for each token") as caught:
        check_lengths(response, asked)
    assert caught.value.path == path


def test_an_answer_that_is_right_is_not_touched() -> None:
    """Nothing is copied on the way of every sample."""
    response = scored(NAN, -1.0)
    assert align_prompt(response, Asked(prompt_length=2, prompt_logprobs=True)) is response
    assert align_prompt(response, Asked(prompt_length=None, prompt_logprobs=True)) is response


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        (Asked(prompt_length=3), None),
        (Asked(prompt_length=3, prompt_logprobs=True), "logprobs of the prompt"),
        (Asked(prompt_length=3, topk_prompt_logprobs=1), "topk_prompt_logprobs"),
        (Asked(prompt_length=1, topk_prompt_logprobs=1), None),
        (Asked(prompt_length=3, topk_sample_logprobs=1), "topk_sample_logprobs"),
        (Asked(prompt_length=3, target_prompt_logprobs=True), "target_prompt_logprobs"),
        (Asked(prompt_length=3, prompt_alt_tokens_k=1), "prompt_alt_tokens_k"),
    ],
)
def test_what_was_asked_for_and_is_not_there_is_named(asked: Asked, missing: str | None) -> None:
    """A server that does not know an option ignores it; the caller must not take silence for an answer."""
    found = name_missing(scored(), asked)
    assert (missing or "") in (found or "")
    assert (found is None) == (missing is None)

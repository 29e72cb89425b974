"""`tinkex_actors.types.sampling`: what is asked for, and the list views of what comes back."""

from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from tinker.types import topk_logprobs as sdk

from tests.tinkex_actors.wire.strategies import RESPONSES
from tinkex_actors.types import (
    EMPTY_LOGPROB,
    PromptAltTokens,
    SampledSequence,
    SampleResponse,
    SamplingParams,
    SequenceId,
    StopReason,
    TensorData,
    TopkLogprobs,
)

SEQUENCE = SampledSequence(StopReason.STOP, np.array([5, 6], np.int32), np.array([-0.5, -0.25], np.float32))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"max_tokens": 0}, ValueError, "max_tokens must be >= 1, got 0"),
        ({"temperature": -0.1}, ValueError, "temperature must be >= 0"),
        ({"temperature": float("nan")}, ValueError, "temperature must be finite"),
        ({"top_k": -2}, ValueError, "top_k must be >= -1"),
        ({"top_p": 1.1}, ValueError, "top_p must be <= 1, got 1.1"),
        ({"seed": "1"}, TypeError, "seed must be an int"),
        ({"stop": [1, "a"]}, TypeError, "stop must be text, a list of texts or a list of token ids"),
        ({"stop": [True]}, TypeError, "stop must be text"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Before a request waits in the queue for it."""
    with pytest.raises(error, match=message):
        SamplingParams(**change)


def test_every_form_of_stop_is_kept_frozen() -> None:
    """None, text, texts, tokens, and the empty list that turns every stop off."""
    assert [SamplingParams(stop=stop).stop for stop in (None, "x", ["a"], [1], [])] == [None, "x", ("a",), (1,), ()]


def test_lists_are_made_of_the_arrays() -> None:
    """For people; the arrays are for programs."""
    assert (SEQUENCE.tokens, SEQUENCE.logprobs, SEQUENCE.topk_logprobs) == ([5, 6], [-0.5, -0.25], None)
    assert SampledSequence(StopReason.STOP, np.empty(0, np.int32)).logprobs is None
    response = SampleResponse([SEQUENCE], np.array([np.nan, -1.0], np.float32))
    assert response.prompt_logprobs == [None, -1.0]
    assert SampleResponse([]).prompt_logprobs is None
    assert SampleResponse([]).topk_prompt_logprobs is None


@given(RESPONSES)
def test_tables_read_as_the_official_sdk_reads_them(response: SampleResponse) -> None:
    """Empty trailing cells are cut, an empty first cell empties the row."""
    table = response.topk_prompt_logprobs_np
    if table is not None:
        theirs = sdk.topk_to_lists(sdk.TopkLogprobs(token_ids=table.token_ids, logprobs=table.logprobs))
        np.testing.assert_equal(response.topk_prompt_logprobs, theirs)


@pytest.mark.parametrize(
    ("ids", "logprobs", "rows"),
    [
        ([[1, 2], [3, 0]], [[-1, -2], [-3, EMPTY_LOGPROB]], [[(1, -1.0), (2, -2.0)], [(3, -3.0)]]),
        ([[0, 2]], [[EMPTY_LOGPROB, -2]], [None]),
        ([[0, 0]], [[EMPTY_LOGPROB, EMPTY_LOGPROB]], [None]),
        ([[0]], [[-1]], [[(0, -1.0)]]),
    ],
)
def test_empty_cells_are_told_from_token_zero(
    ids: list[list[int]], logprobs: list[list[float]], rows: list[list[tuple[int, float]] | None]
) -> None:
    """By their log-probability."""
    assert TopkLogprobs(np.array(ids, np.int32), np.array(logprobs, np.float32)).to_lists() == rows


def test_a_table_without_columns_has_empty_rows() -> None:
    """Nothing was asked for."""
    assert TopkLogprobs(np.empty((2, 0), np.int32), np.empty((2, 0), np.float32)).to_lists() == [None, None]


def test_a_table_of_unlike_halves_is_refused() -> None:
    """Every token has a log-probability."""
    with pytest.raises(ValueError, match="matrices of one shape"):
        TopkLogprobs(np.empty((1, 2), np.int32), np.empty((2, 1), np.float32))


def test_sequences_take_the_names_of_their_promise() -> None:
    """The server names them when it accepts; the answer itself does not."""
    named = SampleResponse([SEQUENCE, SEQUENCE]).with_sequence_ids([SequenceId("a"), SequenceId("b")])
    assert [sequence.sequence_id for sequence in named.sequences] == ["a", "b"]
    assert named.sequences[0].tokens == SEQUENCE.tokens
    with pytest.raises(ValueError, match="expected 1 sequence ids, got 0"):
        SampleResponse([SEQUENCE]).with_sequence_ids([])


def test_an_answer_whose_sequences_are_named_is_the_same_in_everything_else() -> None:
    """Its fields are copied one by one: a new one must not be forgotten."""
    table = TopkLogprobs(np.ones((2, 1), np.int32), np.ones((2, 1), np.float32))
    scores = TensorData.from_numpy(np.ones((1, 1), np.float32))
    sequence = SampledSequence(StopReason.STOP, np.ones(2, np.int32), np.ones(2, np.float32), table)
    whole = SampleResponse([sequence], np.ones(2, np.float32), table, scores, 3, PromptAltTokens(scores, scores))
    assert all(part is not None for part in attrs.astuple(whole, recurse=False))
    named = attrs.evolve(whole, sequences=[attrs.evolve(sequence, sequence_id=SequenceId("a"))])
    assert whole.with_sequence_ids([SequenceId("a")]) == named

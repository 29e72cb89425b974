"""Top-k tables of a server as data with distributions: row by row, and nothing invented."""

import numpy as np
import pytest

from tinkex_actors.compute.topk import topk_datum
from tinkex_actors.types import EMPTY_LOGPROB, ModelInput, TopkLogprobs

PROMPT = ModelInput.from_ints([5, 6, 7])
IDS = np.array([[0, 0], [6, 9], [7, 8]], np.int32)
LOGPROBS = np.array([[EMPTY_LOGPROB] * 2, [-0.1, -3.0], [-0.7, -0.7]], np.float32)


def test_every_position_has_the_likeliest_tokens_after_it() -> None:
    """The table's first row is of the first token, before which there is nothing."""
    datum = topk_datum(PROMPT, TopkLogprobs(IDS, LOGPROBS), reference="teacher")
    assert datum.model_input.to_ints() == [5, 6]
    assert datum.loss_fn_inputs["target_tokens"].tolist() == [[6, 9], [7, 8]]
    np.testing.assert_array_equal(datum.loss_fn_inputs["teacher"].to_numpy(), LOGPROBS[1:])


def test_a_table_that_is_not_the_prompts_is_refused() -> None:
    """A missing score is not a distribution, and token 0 is nobody's likeliest."""
    with pytest.raises(ValueError, match="expected a row for each of 3 tokens, got 2"):
        topk_datum(PROMPT, TopkLogprobs(IDS[1:], LOGPROBS[1:]))
    holed = LOGPROBS.copy()
    holed[2, 1] = EMPTY_LOGPROB
    with pytest.raises(ValueError, match="expected 2 tokens at every position, got fewer at 1; score the whole prompt"):
        topk_datum(PROMPT, TopkLogprobs(IDS, holed))

"""`tinkex_actors.compute.metrics`: figures of a step, by hand."""

import math

import numpy as np
import pytest

from tinkex_actors.compute import BatchCounts, count_batch, mean_nll
from tinkex_actors.types import Datum, LossFnOutput, ModelInput, TensorData

NOTHING: LossFnOutput = {}


def _datum(weights: list[float] | None, length: int = 3) -> Datum:
    inputs = {"target_tokens": list(range(length))} | ({} if weights is None else {"weights": weights})
    return Datum(ModelInput.from_ints(range(length)), inputs)


def _logprobs(*values: float) -> LossFnOutput:
    return {"logprobs": TensorData.from_numpy(np.array(values, np.float32))}


def test_the_mean_is_over_weighted_tokens_of_all_data() -> None:
    """Not over data: long answers count by their length, prompts not at all."""
    data = [_datum([0, 1, 1]), _datum([0, 0, 2])]
    assert mean_nll(data, [_logprobs(-9, -1, -3), _logprobs(-9, -9, -0.5)]) == pytest.approx((1 + 3 + 1) / 4)


def test_without_weights_every_token_counts() -> None:
    """As the server's loss does."""
    assert mean_nll([_datum(None)], [_logprobs(-1, -2, -3)]) == pytest.approx(2.0)


def test_a_position_that_does_not_count_may_be_anything() -> None:
    """Minus infinity times zero is not a number."""
    assert mean_nll([_datum([0, 1, 1])], [_logprobs(-math.inf, -1, -2)]) == pytest.approx(1.5)
    assert mean_nll([_datum([0, 1, 1])], [_logprobs(math.nan, -1, -2)]) == pytest.approx(1.5)


def test_no_weight_at_all_has_no_mean() -> None:
    """NaN says so; a plot leaves the point out."""
    assert math.isnan(mean_nll([_datum([0, 0, 0])], [_logprobs(-1, -1, -1)]))


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ([], "expected 1 outputs, one for each datum, got 0"),
        ([NOTHING], "expected logprobs in the output of datum 0, got nothing"),
        ([_logprobs(-1)], "expected 3 logprobs for datum 0, got 1"),
    ],
)
def test_outputs_of_another_batch_are_refused(outputs: list[LossFnOutput], message: str) -> None:
    """A mean over the wrong tokens looks plausible."""
    with pytest.raises(ValueError, match=message):
        mean_nll([_datum(None)], outputs)


def test_a_batch_is_counted() -> None:
    """What metrics.jsonl reports beside the loss."""
    assert count_batch([_datum([0, 1, 1]), _datum(None, 4)]) == BatchCounts(sequences=2, tokens=7, loss_tokens=6)
    assert count_batch([Datum(ModelInput.from_ints([1, 2]))]) == BatchCounts(1, 2, 2)

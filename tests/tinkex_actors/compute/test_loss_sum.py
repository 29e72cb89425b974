"""`loss:sum` where the server does not say it."""

import numpy as np
import pytest

from tinkex_actors.compute.loss_sum import with_loss_sum
from tinkex_actors.types import Datum, ForwardBackwardInput, ForwardBackwardOutput, LossFnOutput, ModelInput, TensorData


def tensor(*values: float) -> TensorData:
    return TensorData.from_numpy(np.array(values, np.float32))


def given(loss: str = "cross_entropy", **inputs: TensorData) -> ForwardBackwardInput:
    return ForwardBackwardInput((Datum(ModelInput.from_ints([1, 2]), {"target_tokens": [2, 3], **inputs}),), loss)


def output(metrics: dict[str, float] | None = None, **fields: TensorData) -> ForwardBackwardOutput:
    outputs: list[LossFnOutput] = [fields]
    return ForwardBackwardOutput("x", outputs, metrics or {})


LOGPROBS = tensor(-1.0, -3.0)


@pytest.mark.parametrize(
    ("brought", "asked", "loss"),
    [
        (output({"loss:sum": 9.0}, logprobs=LOGPROBS), given(), 9.0),
        (output({"total_loss:sum": 8.0}, logprobs=LOGPROBS), given(), 8.0),
        (output(logprobs=LOGPROBS), given(), 4.0),
        (output(logprobs=LOGPROBS), given(weights=tensor(2.0, 0.5)), 3.5),
        (output(logprobs=tensor(-np.inf, -3.0)), given(weights=tensor(0.0, 1.0)), 3.0),
        (output(elementwise_loss=tensor(1.0, 2.0)), given("ppo"), 3.0),
        (output(logprobs=LOGPROBS), given("ppo"), None),
        (output(logprobs=tensor(-1.0)), given(weights=tensor(1.0, 1.0)), None),
        (output(), given(), None),
        (ForwardBackwardOutput("x", [], {}), given(), None),
    ],
)
def test_the_loss_is_the_servers_word_or_follows_from_it(
    brought: ForwardBackwardOutput, asked: ForwardBackwardInput, loss: float | None
) -> None:
    """By the protocol's definition, the sum of -weight * logprob; where nothing follows, nothing is invented."""
    assert with_loss_sum(brought, asked).metrics.get("loss:sum") == loss


def test_a_result_that_has_it_is_not_touched() -> None:
    """The way of every step costs one look."""
    brought = output({"loss:sum": 1.0})
    assert with_loss_sum(brought, given()) is brought

"""A custom loss as two cross-entropy passes: what is sent, what is read, and what is refused."""

from typing import Any

import numpy as np
import pytest

from tinkex_actors.compute.loss_errors import LossInvalid
from tinkex_actors.compute.surrogate import clip_gradients, read_logprobs, to_forward_data, to_surrogate_data
from tinkex_actors.types import Datum, ForwardBackwardOutput, ModelInput, ResponseInvalid, TensorData

PLAIN = Datum(ModelInput.from_ints([1, 2]), {"target_tokens": [2, 3], "advantages": [1.0, 2.0]})
WEIGHED = Datum(ModelInput.from_ints([1, 2]), {"target_tokens": [2, 3], "weights": [0.0, 1.0]})
SPARSE = Datum(
    ModelInput.from_ints([1, 2, 3, 4]),
    {"target_tokens": TensorData.from_numpy_sparse(np.array([[7, 0, 0, 0, 0, 0]] + [[0] * 6] * 3))},
)


def output(*arrays: Any) -> ForwardBackwardOutput:
    return ForwardBackwardOutput(
        "x", [{"logprobs": TensorData.from_numpy(np.asarray(a, np.float32))} for a in arrays], {}
    )


def test_the_forward_pass_gets_targets_and_weights_and_nothing_else() -> None:
    """Other inputs are for the loss and stay here; without weights they are zeros, sparse targets included."""
    plain, weighed, sparse = to_forward_data([PLAIN, WEIGHED, SPARSE])
    assert {name: tensor.tolist() for name, tensor in plain.loss_fn_inputs.items()} == {
        "target_tokens": [2, 3],
        "weights": [0.0, 0.0],
    }
    assert weighed.loss_fn_inputs["weights"].tolist() == [0.0, 1.0]
    assert sparse.loss_fn_inputs["weights"].shape == (4, 6)
    assert sparse.loss_fn_inputs["target_tokens"].is_sparse


def test_weights_are_the_negated_gradients_in_single_precision() -> None:
    forward = to_forward_data([PLAIN, WEIGHED])
    first, second = to_surrogate_data(forward, [np.array([0.5, -1.0]), np.array([0.0, 2.0])])
    assert (first.loss_fn_inputs["weights"].tolist(), second.loss_fn_inputs["weights"].tolist()) == (
        [-0.5, 1.0],
        [-0.0, -2.0],
    )
    assert first.loss_fn_inputs["weights"].dtype == "float32"
    assert first.model_input is PLAIN.model_input
    with pytest.raises(LossInvalid, match=r"expected gradients\[1\] to fit float32, got 1e\+50"):
        to_surrogate_data(forward, [np.zeros(2), np.array([1e50, 0.0])])


def test_log_probabilities_have_the_shape_of_the_targets() -> None:
    """Some servers flatten several targets a token."""
    many = Datum(ModelInput.from_ints([1, 2]), {"target_tokens": np.array([[1, 2, 3], [4, 5, 6]])})
    flat, shaped = np.arange(6.0) - 6, (np.arange(6.0) - 6).reshape(2, 3)
    for answer in (flat, shaped):
        (found,) = read_logprobs([many], output(answer))
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, shaped)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (output([-1.0, -2.0], [-1.0, -2.0]), "loss_fn_outputs: expected 1 outputs, one a datum, got 2"),
        (output([-1.0]), r"loss_fn_outputs\[0\].logprobs: expected shape \(2,\), that of the targets, got \(1,\)"),
        (output([[-1.0], [-2.0]]), r"expected shape \(2,\), that of the targets, got \(2, 1\)"),
        (output([-1.0, np.nan]), r"loss_fn_outputs\[0\].logprobs: expected log-probabilities, got NaN"),
        (ForwardBackwardOutput("x", [{}], {}), "expected the log-probabilities of the targets, got nothing"),
    ],
)
def test_an_answer_that_fits_no_datum_is_refused(answer: ForwardBackwardOutput, message: str) -> None:
    """Anything else would put one datum's gradient on another's tokens."""
    with pytest.raises(ResponseInvalid, match=message):
        read_logprobs([PLAIN], answer)


def test_a_limit_keeps_the_direction_and_leaves_short_gradients_alone() -> None:
    gradients = [np.array([3.0, 0.0]), np.array([4.0])]
    clipped = clip_gradients(gradients, 1.0)
    assert (clipped.norm, clipped.factor) == (5.0, 0.2)
    np.testing.assert_allclose(clipped.gradients[0], [0.6, 0.0])
    same = clip_gradients(gradients, 5.0)
    assert same.factor == 1.0
    assert same.gradients[0] is gradients[0]

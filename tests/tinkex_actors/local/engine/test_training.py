"""A model in training: gradients add up, a refused request leaves no trace, a state comes back whole."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tinkex_actors.local.engine.test_gradients import batch
from tests.tinkex_actors.local.engine.tiny_models import TINY, random_model
from tinkex_actors.local.engine import Adam, EngineInputError, Example, TrainableModel
from tinkex_actors.local.engine import training as training_module

STEP = Adam(learning_rate=0.01)


def train(model: TrainableModel, seed: int = 3) -> None:
    model.forward_backward(batch(seed), "cross_entropy", {}, backward=True)
    model.optim_step(STEP)


def test_the_loss_falls() -> None:
    model = random_model(dtype=np.float32)
    losses: list[float] = []
    for _ in range(20):
        tokens = np.array([1, 2, 3, 4, 5])
        example = Example(tokens, {"target_tokens": np.array([2, 3, 4, 5, 6])})
        losses.append(model.forward_backward([example], "cross_entropy", {}, backward=True).metrics["loss:sum"])
        model.optim_step(STEP)
    assert losses[-1] < losses[0] / 2


def test_gradients_of_several_calls_add_up() -> None:
    """Two halves are the whole: accumulation is a sum, so is a batch."""
    whole, halves = random_model(), random_model()
    examples = batch()
    whole.forward_backward(examples, "cross_entropy", {}, backward=True)
    halves.forward_backward(examples[:2], "cross_entropy", {}, backward=True)
    halves.forward_backward(examples[2:], "cross_entropy", {}, backward=True)
    for name, gradient in whole.gradients.items():
        np.testing.assert_allclose(halves.gradients[name], gradient, rtol=1e-9, atol=1e-12)


def test_outputs_are_in_the_callers_order_and_shape() -> None:
    """Examples are computed sorted by length; nobody must notice."""
    model = random_model(dtype=np.float32)
    examples = batch(lengths=(7, 2, 5))
    together = model.forward_backward(examples, "ppo", {}, backward=False)
    for example, output in zip(examples, together.outputs, strict=True):
        alone = model.forward_backward([example], "ppo", {}, backward=False).outputs[0]
        assert output.logprobs.dtype == np.float32
        np.testing.assert_allclose(output.logprobs, alone.logprobs, atol=1e-5)
        np.testing.assert_allclose(output.elementwise_loss, alone.elementwise_loss, atol=1e-5)
    total = sum(float(output.elementwise_loss.sum()) for output in together.outputs)
    assert together.metrics["loss:sum"] == pytest.approx(total, rel=1e-5)


def test_several_targets_a_token_are_weighed_each() -> None:
    """Shape (N, K); examples of different K may share a batch, and a token may name the same target twice."""
    model = random_model()
    tokens = np.array([1, 2, 3])
    targets, weights = np.array([[2, 5], [3, 3], [4, 0]]), np.array([[0.9, 0.1], [0.5, 0.5], [1.0, 0.0]])
    many = Example(tokens, {"target_tokens": targets, "weights": weights})
    result = model.forward_backward([many, batch()[0]], "cross_entropy", {}, backward=True)
    assert result.outputs[0].logprobs.shape == (3, 2)
    columns = random_model()
    for k in range(2):
        column = Example(tokens, {"target_tokens": targets[:, k], "weights": weights[:, k]})
        columns.forward_backward([column], "cross_entropy", {}, backward=True)
    columns.forward_backward(batch()[:1], "cross_entropy", {}, backward=True)
    for name, gradient in columns.gradients.items():
        np.testing.assert_allclose(model.gradients[name], gradient, rtol=1e-9, atol=1e-12)


def test_weights_default_to_ones() -> None:
    model, tokens = random_model(), np.array([1, 2, 3])
    plain = Example(tokens, {"target_tokens": tokens})
    ones = Example(tokens, {"target_tokens": tokens, "weights": np.ones(3, np.float32)})
    first = model.forward_backward([plain], "cross_entropy", {}, backward=False)
    assert first.metrics == model.forward_backward([ones], "cross_entropy", {}, backward=False).metrics


def test_a_token_sees_only_what_stands_before_it() -> None:
    """Neither later tokens nor neighbours in the batch change a log-probability."""
    model = random_model()
    tokens = np.array([1, 2, 3, 4, 5, 6])
    changed = np.array([1, 2, 3, 9, 9, 9])
    outputs = model.forward_backward(
        [Example(t, {"target_tokens": tokens}) for t in (tokens, changed)], "cross_entropy", {}, backward=False
    ).outputs
    np.testing.assert_array_equal(outputs[0].logprobs[:3], outputs[1].logprobs[:3])
    assert (outputs[0].logprobs[3:] != outputs[1].logprobs[3:]).all()


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=8), size=st.integers(1, 20))
def test_a_batch_is_split_whole_and_evenly(lengths: list[int], size: int) -> None:
    """Every example is in exactly one group, and no group is more than one example beyond its share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_module, "TOKENS_AT_ONCE", size)
        groups = training_module._groups(lengths)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in group) <= size + 1.5 * max(lengths) for group in groups)


def test_the_bits_do_not_depend_on_the_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups are cut by size and summed in order, whoever computes them."""
    monkeypatch.setattr(training_module, "TOKENS_AT_ONCE", 4)
    digests: set[str] = set()
    for workers in (1, 2, 5):
        start = random_model(dtype=np.float32)
        model = TrainableModel(start.base, start.adapter, workers=workers)
        train(model)
        digests.add(model.weights_digest())
    assert len(digests) == 1


def test_without_backward_nothing_changes() -> None:
    model = random_model()
    before = model.weights_digest()
    model.forward_backward(batch(), "cross_entropy", {}, backward=False)
    assert model.weights_digest() == before
    assert not any(gradient.any() for gradient in model.gradients.values())


def test_a_step_consumes_the_gradients() -> None:
    model = random_model()
    model.forward_backward(batch(), "cross_entropy", {}, backward=True)
    assert model.optim_step(STEP)["grad_norm"] > 0
    assert not any(gradient.any() for gradient in model.gradients.values())


GOOD = {
    "target_tokens": np.array([1, 2, 3]),
    "logprobs": np.zeros(3),
    "advantages": np.ones(3),
    "weights": np.ones(3),
}


@pytest.mark.parametrize(
    ("tokens", "changes", "loss", "message"),
    [
        ([1, 2, TINY.vocab_size], {}, "ppo", "expected tokens within 0 and 10, got 11"),
        ([1, 2, -1], {}, "ppo", "expected tokens within 0 and 10, got -1"),
        ([], {}, "ppo", r"expected tokens of shape \(N,\) with 1 <= N <= 64, got \(0,\)"),
        ([1] * 65, {}, "ppo", r"got \(65,\)"),
        ([1.5, 2.0, 3.0], {}, "ppo", "expected tokens to be integers, got float64"),
        ([1, 2, 3], {"target_tokens": np.array([1, 2, 99])}, "ppo", "expected target_tokens within 0 and 10, got 99"),
        ([1, 2, 3], {"target_tokens": np.array([1, 2])}, "ppo", r"expected target_tokens of shape \(3,\), got \(2,\)"),
        ([1, 2, 3], {"target_tokens": np.ones((3, 2), int)}, "ppo", r"shape \(3,\), got \(3, 2\)"),
        ([1, 2, 3], {"target_tokens": None}, "ppo", "expected an input 'target_tokens', got advantages"),
        ([1, 2, 3], {"advantages": None}, "ppo", "expected an input 'advantages', got logprobs"),
        ([1, 2, 3], {"advantages": np.ones(4)}, "ppo", r"expected advantages of shape \(3,\) like target_tokens"),
        ([1, 2, 3], {"logprobs": np.array([0, np.nan, 0])}, "ppo", "expected logprobs to be finite, got nan"),
        ([1, 2, 3], {"weights": np.array(["a", "b", "c"])}, "cross_entropy", "expected weights to be numbers"),
        ([1, 2, 3], {"logprobs": np.full(3, -1e4)}, "importance_sampling", "expected a finite loss"),
        ([1, 2, 3], {"weights": np.full(3, 1e300)}, "cross_entropy", "expected a finite gradient"),
        ([1, 2, 3], {}, "bpo", "expected a loss among"),
    ],
)
def test_a_refused_request_leaves_no_trace(
    tokens: list[float], changes: Mapping[str, npt.NDArray[Any] | None], loss: str, message: str
) -> None:
    """The good example before the bad one must not be added either."""
    model = random_model(dtype=np.float32)
    inputs = {name: array for name, array in {**GOOD, **changes}.items() if array is not None}
    bad = Example(np.array(tokens), inputs)
    with pytest.raises(EngineInputError, match=message):
        model.forward_backward([Example(np.array([1, 2, 3]), GOOD), bad], loss, {}, backward=True)
    assert not any(gradient.any() for gradient in model.gradients.values())


def test_a_refusal_names_the_example() -> None:
    model = random_model()
    good, bad = Example(np.array([1, 2, 3]), GOOD), Example(np.array([1, 99, 3]), GOOD)
    with pytest.raises(EngineInputError, match="example 1: expected tokens within"):
        model.forward_backward([good, bad], "cross_entropy", {}, backward=True)


def test_no_examples_are_refused() -> None:
    with pytest.raises(EngineInputError, match="expected at least one example"):
        random_model().forward_backward([], "cross_entropy", {}, backward=True)


def test_training_goes_on_from_a_saved_state_bit_for_bit() -> None:
    """What a checkpoint with optimizer is for."""
    straight, resumed = random_model(dtype=np.float32), random_model(dtype=np.float32)
    train(straight)
    resumed.load_state(straight.state(), optimizer=True)
    assert resumed.weights_digest() == straight.weights_digest()
    train(straight, seed=4)
    train(resumed, seed=4)
    assert resumed.weights_digest() == straight.weights_digest()


def test_a_state_without_optimizer_begins_its_moments_anew() -> None:
    trained, fresh = random_model(dtype=np.float32), random_model(dtype=np.float32)
    train(trained)
    fresh.load_state({k: v for k, v in trained.state().items() if k.startswith("adapter.")}, optimizer=False)
    assert fresh.weights_digest() == trained.weights_digest()
    assert fresh.state()["optimizer.steps"].tolist() == [0]
    assert not any(v.any() for k, v in fresh.state().items() if k.startswith("optimizer.first."))


def cut(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array[:1]


def poison(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array * np.nan


def negate(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return -array - 1


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("adapter.", None),
        ("adapter.", cut),
        ("adapter.", poison),
        ("optimizer.second.", None),
        ("optimizer.steps", None),
        ("optimizer.steps", negate),
    ],
)
def test_a_broken_state_is_refused_whole(
    kind: str, spoil: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | None
) -> None:
    """Half-loaded weights would be worse than none."""
    model, other = random_model(), random_model()
    train(other)
    state = other.state()
    name = [key for key in state if key.startswith(kind)][-1]
    array = state.pop(name)
    state |= {} if spoil is None else {name: spoil(array)}
    before = model.weights_digest()
    with pytest.raises(EngineInputError, match="expected state"):
        model.load_state(state, optimizer=True)
    assert model.weights_digest() == before


def test_a_snapshot_does_not_follow_the_training() -> None:
    model = random_model(dtype=np.float32)
    snapshot = model.snapshot()
    before = {name: array.copy() for name, array in snapshot.weights.items()}
    train(model)
    for name, array in snapshot.weights.items():
        np.testing.assert_array_equal(array, before[name])


def test_the_digest_sees_every_bit() -> None:
    model = random_model(dtype=np.float32)
    before = model.weights_digest()
    array = next(iter(model.adapter.weights.values()))
    array.flat[0] = np.nextafter(array.flat[0], np.float32(9))
    assert model.weights_digest() != before

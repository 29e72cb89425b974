"""`tinkex_actors.types.data`: data from lists and arrays, losses by name, provenance."""

from typing import Any

import numpy as np
import pytest

from tinkex_actors.types import (
    Datum,
    LossFnType,
    ModelInput,
    PromptProvenanceSpan,
    SampledProvenanceSpan,
    TensorData,
    parse_loss_fn,
    parse_loss_fn_config,
)

TWO = ModelInput.from_ints([1, 2])


@pytest.mark.tinkex("T126")
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("target_tokens", "int64"),
        ("weights", "float32"),
        ("advantages", "float32"),
        ("logprobs", "float32"),
        ("clip_low_threshold", "float32"),
        ("clip_high_threshold", "float32"),
        ("sequence_ratio_mask", "float32"),
    ],
)
def test_a_list_takes_the_element_type_its_name_stands_for(name: str, dtype: str) -> None:
    """[0, 1] is a list of weights as well as of tokens."""
    assert Datum(TWO, {name: [0, 1]}).loss_fn_inputs == {name: TensorData([0, 1], dtype, [2])}


@pytest.mark.tinkex("T126")
def test_a_list_under_an_unknown_name_is_refused_by_name() -> None:
    """A guess could train on the wrong numbers; an array says what it is."""
    with pytest.raises(KeyError, match="the element type of 'rewards' is unknown; pass an array"):
        Datum(TWO, {"rewards": [0.5, 1.0]})
    rewards = Datum(TWO, {"rewards": np.array([0.5, 1.0])}).loss_fn_inputs["rewards"]
    assert rewards == TensorData([0.5, 1.0], "float32", [2])


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([[1, 2], [3]], ValueError, "weights: .*ragged"),
        (["a", "b"], ValueError, "weights: expected an array of numbers"),
        (None, TypeError, "weights must be a TensorData, an array or a list, got NoneType"),
        ("12", TypeError, "got str"),
        (np.array([True, False]), ValueError, "weights: expected an array of numbers, got dtype bool"),
    ],
)
def test_an_input_that_is_no_tensor_is_refused_by_name(values: Any, error: type[Exception], message: str) -> None:
    """The name is what the user can act on."""
    with pytest.raises(error, match=message):
        Datum(TWO, {"weights": values})


def test_matrices_and_ready_tensors_pass() -> None:
    """Distillation has K targets for each position."""
    tensor = TensorData([1.0], "float32", [1])
    datum = Datum(TWO, {"target_tokens": [[1, 2], [3, 4]], "extra": tensor})
    assert datum.loss_fn_inputs["target_tokens"].shape == (2, 2)
    assert datum.loss_fn_inputs["extra"] is tensor


def test_provenance_tiles_what_it_describes() -> None:
    """A span too long or too short would attribute tokens to the wrong sample."""
    prompt = PromptProvenanceSpan(sequence_id="q", length=1)
    sampled = SampledProvenanceSpan(sequence_id="q", length=1)
    datum = Datum(TWO, {"target_tokens": [2, 3]}).with_provenance([prompt, sampled], [sampled, sampled])
    assert datum.model_input_spans == (prompt, sampled)
    with pytest.raises(ValueError, match="the spans of model_input must cover 2 positions exactly, got 1"):
        datum.with_provenance([prompt], [sampled, sampled])
    with pytest.raises(ValueError, match="the spans of loss_fn_inputs must cover 2 positions exactly, got 1"):
        datum.with_provenance([prompt, sampled], [sampled])
    without_targets = Datum(TWO).with_provenance([prompt, sampled], [sampled])
    assert without_targets.loss_fn_input_spans == (sampled,)
    with pytest.raises(ValueError, match="both span lists or neither"):
        Datum(TWO, {}, (prompt, sampled))


@pytest.mark.parametrize("kind", [PromptProvenanceSpan, SampledProvenanceSpan])
def test_a_span_of_nothing_nameable_is_refused(kind: type[PromptProvenanceSpan]) -> None:
    """The server could not find it."""
    with pytest.raises(ValueError, match="sequence_id must not be empty"):
        kind(sequence_id="", length=1)
    with pytest.raises(ValueError, match="length must be >= 0, got -1"):
        kind(sequence_id="q", length=-1)
    with pytest.raises(ValueError, match="offset must be >= 0, got -1"):
        kind(sequence_id="q", length=1, offset=-1)


class Abroad:
    """An array of another library, as numpy sees it."""

    def __init__(self, values: list[float], fault: Exception | None = None) -> None:
        self.values, self.fault = values, fault

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # noqa: FBT001 - numpy's protocol
        if self.fault is not None:
            raise self.fault
        return np.asarray(self.values, dtype)


def test_arrays_of_other_libraries_are_read() -> None:
    """Tensors of torch and arrays of jax need no conversion; one that numpy cannot have is refused by name."""
    inputs: Any = {"target_tokens": Abroad([1, 2]), "weights": Abroad([0.5, 1.0])}
    datum = Datum(ModelInput.from_ints([1, 2]), inputs)
    assert [str(tensor.dtype) for tensor in datum.loss_fn_inputs.values()] == ["int64", "float32"]
    for fault in (RuntimeError("requires grad"), TypeError("BFloat16")):
        wrong: Any = {"weights": Abroad([0.5], fault)}
        with pytest.raises(ValueError, match=f"weights: a Abroad that numpy cannot read; pass a numpy array .{fault}"):
            Datum(ModelInput.from_ints([1]), wrong)


def test_an_unknown_loss_is_refused_with_the_list_of_known_ones() -> None:
    """The door's part of refusing it before any request."""
    assert parse_loss_fn("ppo") is LossFnType.PPO
    with pytest.raises(ValueError, match=r"loss_fn must be one of cross_entropy, importance_sampling, .*, got 'mse'"):
        parse_loss_fn("mse")


def test_numbers_of_a_loss_configuration_become_floats() -> None:
    """Also numeric text, under the keys that are always numbers; a loss id stays text whatever it looks like."""
    config = parse_loss_fn_config(
        {"clip_low_threshold": "0.2", "clip_high_threshold": 1, "loss_id": "7", "x": np.float32(2)}
    )
    assert config == {"clip_low_threshold": 0.2, "clip_high_threshold": 1.0, "loss_id": "7", "x": 2.0}
    assert {name: type(value) for name, value in (config or {}).items()} == {
        "clip_low_threshold": float, "clip_high_threshold": float, "loss_id": str, "x": float,
    }  # fmt: skip
    assert parse_loss_fn_config(None) is None


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ("beta=1", TypeError, "must map names to numbers or text, got str"),
        ([("beta", 1)], TypeError, "must map names to numbers or text, got list"),
        ({"beta": "much"}, ValueError, r"loss_fn_config\['beta'\] must be a number, got 'much'"),
        ({"beta": [1]}, TypeError, r"loss_fn_config\['beta'\] must be a number or text, got list"),
        ({"beta": True}, TypeError, "got bool"),
        ({"beta": 10**400}, ValueError, "must be a number"),
    ],
)
def test_what_is_no_loss_configuration_is_refused(config: object, error: type[Exception], message: str) -> None:
    """Before a number is taken."""
    with pytest.raises(error, match=message):
        parse_loss_fn_config(config)

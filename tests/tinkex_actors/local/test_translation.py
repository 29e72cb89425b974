"""Between the wire's values and the engine's."""

import numpy as np
import pytest

from tinkex_actors.local.engine import EngineInputError, ExampleResult, LossResult
from tinkex_actors.local.translation import (
    config_to_recipe,
    data_to_examples,
    input_to_tokens,
    params_to_rule,
    recipe_to_spec,
    result_to_output,
)
from tinkex_actors.types.data import Datum
from tinkex_actors.types.model_input import EncodedTextChunk, ImageChunk, ModelInput
from tinkex_actors.types.tensors import TensorData
from tinkex_actors.types.training import (
    AdamOptimizerConfig,
    AdamParams,
    DimuonOptimizerConfig,
    DimuonParams,
    LoraConfig,
)


def test_chunks_of_text_are_joined() -> None:
    """A prompt may come in pieces."""
    joined = input_to_tokens(ModelInput([EncodedTextChunk([1, 2]), EncodedTextChunk([3])]))
    assert joined.tolist() == [1, 2, 3]
    assert joined.dtype == np.int32


def test_an_image_is_refused_with_the_place_of_its_datum() -> None:
    """A batch has many; the user must find the one."""
    picture = Datum(ModelInput([ImageChunk(b"x", "png")]))
    with pytest.raises(EngineInputError, match=r"data\[1\]: this server reads text only"):
        data_to_examples([Datum(ModelInput.from_ints([1])), picture])


def test_sparse_targets_and_weights_become_dense() -> None:
    """Each has its own pattern of zeros, so they are only comparable when filled."""
    sparse = TensorData([7], "int64", [2, 3], [0, 1, 1], [2])
    [example] = data_to_examples([Datum(ModelInput.from_ints([1, 2]), {"target_tokens": sparse})])
    assert example.inputs["target_tokens"].tolist() == [[0, 0, 7], [0, 0, 0]]


def test_cross_entropy_reports_the_loss_of_each_token() -> None:
    """As the production service does; the other losses report log-probabilities only."""
    one = ExampleResult(np.array([-1.0], np.float32), np.array([2.0], np.float32))
    result = LossResult((one,), {"loss:sum": 2.0})
    output = result_to_output(result, "cross_entropy")
    assert sorted(output.loss_fn_outputs[0]) == ["elementwise_loss", "logprobs"]
    assert sorted(result_to_output(result, "ppo").loss_fn_outputs[0]) == ["logprobs"]
    assert output.metrics == {"loss:sum": 2.0}


def test_parameters_of_another_optimizer_are_the_users_error() -> None:
    """The optimizer is chosen when the model is made."""
    assert params_to_rule(AdamParams(learning_rate=0.5), AdamOptimizerConfig()).learning_rate == 0.5
    assert params_to_rule(DimuonParams(0.5), DimuonOptimizerConfig()).learning_rate == 0.5
    with pytest.raises(EngineInputError, match="send adam_params"):
        params_to_rule(DimuonParams(0.1), AdamOptimizerConfig())
    with pytest.raises(EngineInputError, match="send dimuon optimizer_params"):
        params_to_rule(AdamParams(), DimuonOptimizerConfig())


def test_a_recipe_keeps_the_shape_of_the_adapter() -> None:
    """A checkpoint is loaded into an adapter built from it."""
    recipe = config_to_recipe("tiny", LoraConfig(4, train_mlp=False), AdamOptimizerConfig())
    spec = recipe_to_spec(recipe, seed=9)
    assert (spec.rank, spec.seed, spec.train_mlp, spec.train_attn) == (4, 9, False, True)

"""Between the protocol's values and the engine's.

The engine knows arrays and nothing of the wire; the protocol knows chunks and sparse tensors. What this server cannot
compute (images, audio, unknown optimizers) is refused here, by name, as the user's error.
"""

from collections.abc import Mapping, Sequence

from tinkex_actors.local.checkpoints import Recipe
from tinkex_actors.local.engine import (
    Adam,
    EngineInputError,
    Example,
    LoraSpec,
    LossResult,
    Muon,
    Rule,
)
from tinkex_actors.types.data import Datum
from tinkex_actors.types.model_input import EncodedTextChunk, ModelInput
from tinkex_actors.types.tensors import TensorData, TokenArray, to_tokens
from tinkex_actors.types.training import (
    AdamOptimizerConfig,
    AdamParams,
    DimuonOptimizerConfig,
    DimuonParams,
    ForwardBackwardOutput,
    LoraConfig,
    LossFnOutput,
    OptimizerConfig,
    OptimParams,
)


def input_to_tokens(model_input: ModelInput) -> TokenArray:
    """Return the tokens of a text-only input, int32, shape ``(length,)``.

    Raises:
        EngineInputError: A chunk is not text.
    """
    tokens: list[int] = []
    for chunk in model_input.chunks:
        if not isinstance(chunk, EncodedTextChunk):
            raise EngineInputError(f"this server reads text only, got a chunk of {type(chunk).__name__}")
        if len(model_input.chunks) == 1:
            return chunk.tokens
        tokens += chunk.tokens.tolist()
    return to_tokens(tokens)


def data_to_examples(data: Sequence[Datum]) -> list[Example]:
    """Unpack a batch. Sparse tensors are filled with zeros: the two of a pair have patterns of their own.

    Raises:
        EngineInputError: A datum has a chunk that is not text; the message has its index.
    """
    examples: list[Example] = []
    for index, datum in enumerate(data):
        try:
            tokens = input_to_tokens(datum.model_input)
        except EngineInputError as error:
            raise EngineInputError(f"data[{index}]: {error}") from None
        examples.append(Example(tokens, {name: tensor.to_numpy() for name, tensor in datum.loss_fn_inputs.items()}))
    return examples


def result_to_output(result: LossResult, loss: str) -> ForwardBackwardOutput:
    """Pack a pass: ``logprobs`` for every datum, and ``elementwise_loss`` too for cross-entropy."""
    outputs: list[LossFnOutput] = []
    for one in result.outputs:
        fields = {"logprobs": TensorData.from_numpy(one.logprobs)}
        if loss == "cross_entropy":
            fields["elementwise_loss"] = TensorData.from_numpy(one.elementwise_loss)
        outputs.append(fields)
    kind = "CrossEntropyLossReturn" if loss == "cross_entropy" else "ArrayRecord"
    return ForwardBackwardOutput(kind, outputs, dict(result.metrics))


OPTIMIZERS: Mapping[str, type[Rule]] = {
    AdamOptimizerConfig().type: Adam,
    DimuonOptimizerConfig().type: Muon,
}
"""The optimizers this server has, by the types clients ask for."""


def params_to_rule(params: OptimParams, config: OptimizerConfig) -> Adam | Muon:
    """Unpack the parameters of one step of a model made for *config*.

    Raises:
        EngineInputError: The two are of different families, or of one that this server lacks.
    """
    match params, config:
        case AdamParams(), AdamOptimizerConfig():
            return Adam(
                learning_rate=params.learning_rate,
                beta1=params.beta1,
                beta2=params.beta2,
                eps=params.eps,
                weight_decay=params.weight_decay,
                grad_clip_norm=params.grad_clip_norm,
            )
        case DimuonParams(), DimuonOptimizerConfig():
            return Muon(learning_rate=params.learning_rate, beta1=params.beta1, grad_clip_norm=params.grad_clip_norm)
        case _:
            wanted = "adam_params" if isinstance(config, AdamOptimizerConfig) else f"{config.type} optimizer_params"
            raise EngineInputError(f"this model is trained with {config.type}; send {wanted}")


def config_of(recipe: Recipe) -> OptimizerConfig:
    """Return the optimizer of a recipe as clients name it."""
    return DimuonOptimizerConfig() if recipe.optimizer == DimuonOptimizerConfig().type else AdamOptimizerConfig()


def config_to_recipe(base_model: str, lora: LoraConfig, optimizer: OptimizerConfig) -> Recipe:
    """Say what it takes to build such a model again."""
    return Recipe(base_model, lora.rank, lora.train_unembed, lora.train_mlp, lora.train_attn, optimizer.type)


def recipe_to_spec(recipe: Recipe, seed: int = 0) -> LoraSpec:
    """Describe the adapter of a recipe to the engine; *seed* matters only where nothing is loaded into it."""
    return LoraSpec(
        recipe.rank,
        seed,
        train_unembed=recipe.train_unembed,
        train_mlp=recipe.train_mlp,
        train_attn=recipe.train_attn,
    )

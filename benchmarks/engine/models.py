"""Random models of the measured sizes; speed does not depend on the weights."""

import numpy as np

from tinkex_actors.local.engine import Adapter, BaseModel, Example, LoraSpec, ModelConfig
from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.base_model import assemble_base_model
from tinkex_actors.local.engine.cores import prepare_process

SHIPPED = ModelConfig(
    architecture="qwen3",
    vocab_size=264,
    hidden_size=128,
    intermediate_size=384,
    num_layers=4,
    num_heads=4,
    num_kv_heads=2,
    head_dim=32,
    max_positions=1024,
    rope_theta=10000.0,
    rms_norm_eps=1e-6,
    tied=True,
)
"""The shape of the model in the package: 0.8 million parameters."""

TEN_MILLION = ModelConfig(
    architecture="qwen3",
    vocab_size=2048,
    hidden_size=320,
    intermediate_size=864,
    num_layers=8,
    num_heads=10,
    num_kv_heads=5,
    head_dim=32,
    max_positions=1024,
    rope_theta=10000.0,
    rms_norm_eps=1e-6,
    tied=True,
)
"""9.8 million parameters."""


def random_base(config: ModelConfig) -> BaseModel:
    """A model whose activations stay of ordinary size."""
    prepare_process()
    rng = np.random.default_rng(0)

    def read(name: str, shape: tuple[int, ...]) -> FloatArray:
        if "norm" in name:
            return np.ones(shape, np.float32)
        weights: FloatArray = (rng.standard_normal(shape) / shape[-1] ** 0.5).astype(np.float32)
        return weights

    return assemble_base_model(config, read, name="random")


def random_adapter(base: BaseModel, rank: int = 16) -> Adapter:
    """An adapter of all modules whose B is not zero."""
    adapter = Adapter.create(base, LoraSpec(rank, 0))
    rng = np.random.default_rng(1)
    for name, array in adapter.weights.items():
        if "lora_B" in name:
            array[...] = 0.01 * rng.standard_normal(array.shape)
    return adapter


def random_batch(config: ModelConfig, count: int, length: int) -> list[Example]:
    """Sequences of one length, every token trained on."""
    rng = np.random.default_rng(2)
    tokens = rng.integers(0, config.vocab_size, (count, length + 1))
    return [Example(row[:-1], {"target_tokens": row[1:]}) for row in tokens]

"""The frozen weights every adapter and sampler of one base model shares.

Matrices that read the same input are stored one above the other (query, key, value; gate, up), so that each is one
matrix product. All arrays are read-only: nothing in the engine trains a base weight.
"""

from collections.abc import Callable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

import numpy as np
from attrs import frozen
from tokenizers import Tokenizer

from tinkex_actors.local.engine.arrays import FloatArray, FloatDType
from tinkex_actors.local.engine.config import ModelConfig, read_config
from tinkex_actors.local.engine.cores import prepare_process
from tinkex_actors.local.engine.errors import ModelLoadError
from tinkex_actors.local.engine.safetensors_reader import open_tensor_files


@frozen(eq=False)
class Projection:
    """Linear modules that read the same input, as one matrix ``(out, in)``."""

    weight: FloatArray
    modules: tuple[str, ...]
    """Hugging Face names of the modules, from the top of the matrix down."""
    bounds: tuple[int, ...]
    """Row at which each module begins, and the number of rows at the end."""

    @property
    def in_features(self) -> int:
        """Length of an input vector."""
        return int(self.weight.shape[1])


@frozen(eq=False)
class Layer:
    """The weights of one decoder block."""

    attention_norm: FloatArray
    qkv: Projection
    q_norm: FloatArray | None
    k_norm: FloatArray | None
    output: Projection
    mlp_norm: FloatArray
    gate_up: Projection
    down: Projection


@frozen(eq=False)
class BaseModel:
    """A decoder with its weights, shared and read-only."""

    name: str
    config: ModelConfig
    tokenizer_path: Path | None
    """The ``tokenizer.json`` of the model directory, when there is one."""
    tokenizer: Tokenizer | None
    """What that file describes."""
    embedding: FloatArray
    """``(vocab_size, hidden_size)``."""
    layers: tuple[Layer, ...]
    final_norm: FloatArray
    unembedding: Projection

    @property
    def dtype(self) -> FloatDType:
        """The floating type every computation on this model runs in."""
        return self.embedding.dtype

    @property
    def projections(self) -> tuple[Projection, ...]:
        """Every matrix that an adapter may adapt, in order of depth."""
        inner = (p for layer in self.layers for p in (layer.qkv, layer.output, layer.gate_up, layer.down))
        return (*inner, self.unembedding)


def load_base_model(path: Path) -> BaseModel:
    """Load a Hugging Face model directory (``qwen3`` or ``llama``), any of bf16, f16 and f32, whole or sharded.

    It also sets this process up for the engine: see :mod:`tinkex_actors.local.engine.cores`.

    Returns:
        The model in float32, named after the directory.

    Raises:
        ModelLoadError: A file, field or tensor is missing or wrong; the message names it.
    """
    if not path.is_dir():
        raise ModelLoadError(f"{path}: expected a model directory, found none")
    prepare_process()
    config = read_config(path)
    tokenizer = path / "tokenizer.json"
    return assemble_base_model(
        config,
        open_tensor_files(path).read,
        name=path.name,
        tokenizer_path=tokenizer if tokenizer.exists() else None,
    )


ReadTensor: TypeAlias = Callable[[str, tuple[int, ...]], FloatArray]
"""From a Hugging Face tensor name and the shape it must have to the tensor."""


def assemble_base_model(
    config: ModelConfig, read: ReadTensor, *, name: str, tokenizer_path: Path | None = None
) -> BaseModel:
    """Put a model together from tensors that *read* returns; their dtype becomes the model's."""
    embedding = _frozen(read("model.embed_tokens.weight", (config.vocab_size, config.hidden_size)))
    unembedding = embedding if config.tied else read("lm_head.weight", embedding.shape)
    return BaseModel(
        name=name,
        config=config,
        tokenizer_path=tokenizer_path,
        tokenizer=None if tokenizer_path is None else _read_tokenizer(tokenizer_path),
        embedding=embedding,
        layers=tuple(_read_layer(read, config, f"model.layers.{index}.") for index in range(config.num_layers)),
        final_norm=_frozen(read("model.norm.weight", (config.hidden_size,))),
        unembedding=Projection(_frozen(unembedding), ("lm_head",), (0, config.vocab_size)),
    )


def _read_layer(read: ReadTensor, config: ModelConfig, prefix: str) -> Layer:
    hidden, inner, head = config.hidden_size, config.intermediate_size, config.head_dim
    queries, keys = config.num_heads * head, config.num_kv_heads * head
    attention, mlp = prefix + "self_attn.", prefix + "mlp."

    def vector(name: str, size: int) -> FloatArray:
        return _frozen(read(f"{name}.weight", (size,)))

    def projection(in_features: int, rows: Mapping[str, int]) -> Projection:
        stacked = np.concatenate([read(f"{module}.weight", (out, in_features)) for module, out in rows.items()])
        return Projection(_frozen(stacked), tuple(rows), (0, *accumulate(rows.values())))

    return Layer(
        attention_norm=vector(prefix + "input_layernorm", hidden),
        qkv=projection(hidden, {attention + "q_proj": queries, attention + "k_proj": keys, attention + "v_proj": keys}),
        q_norm=vector(attention + "q_norm", head) if config.has_qk_norm else None,
        k_norm=vector(attention + "k_norm", head) if config.has_qk_norm else None,
        output=projection(queries, {attention + "o_proj": hidden}),
        mlp_norm=vector(prefix + "post_attention_layernorm", hidden),
        gate_up=projection(hidden, {mlp + "gate_proj": inner, mlp + "up_proj": inner}),
        down=projection(inner, {mlp + "down_proj": hidden}),
    )


def _read_tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ModelLoadError(f"{path}: expected a tokenizer of the tokenizers library, got {error}") from error


def _frozen(array: FloatArray) -> FloatArray:
    array.flags.writeable = False
    return array

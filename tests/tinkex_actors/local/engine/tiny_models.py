"""Random models small enough for finite differences, in memory or as a directory on disk."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve

from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.base_model import BaseModel, assemble_base_model
from tinkex_actors.local.engine.config import ModelConfig
from tinkex_actors.local.engine.lora import Adapter, LoraSpec
from tinkex_actors.local.engine.training import TrainableModel

TINY = ModelConfig(
    architecture="qwen3",
    vocab_size=11,
    hidden_size=6,
    intermediate_size=5,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=4,
    max_positions=64,
    rope_theta=100.0,
    rms_norm_eps=1e-6,
    tied=True,
    eos_token_ids=(10,),
)


def random_tensors(config: ModelConfig, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """All tensors of a model by their Hugging Face names."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, npt.NDArray[np.float32]] = {}

    def read(name: str, shape: tuple[int, ...]) -> FloatArray:
        centre = 1.0 if "norm" in name else 0.0
        tensors[name] = (centre + 0.5 * rng.standard_normal(shape)).astype(np.float32)
        return tensors[name].copy()

    assemble_base_model(config, read, name="names only")
    return tensors


def random_base(config: ModelConfig = TINY, *, seed: int = 0, dtype: npt.DTypeLike = np.float64) -> BaseModel:
    """A model of random weights in memory."""
    tensors = random_tensors(config, seed)

    def read(name: str, shape: tuple[int, ...]) -> FloatArray:
        assert tensors[name].shape == shape
        return tensors[name].astype(dtype)

    return assemble_base_model(config, read, name="random")


def random_model(
    config: ModelConfig = TINY, *, rank: int = 3, dtype: npt.DTypeLike = np.float64, kind: str = "all"
) -> TrainableModel:
    """A model with an adapter whose B is not zero, so that every gradient is alive."""
    base = random_base(config, dtype=dtype)
    attn, mlp, unembed = (kind in (one, "all") for one in ("attn", "mlp", "unembed"))
    spec = LoraSpec(rank, 7, alpha=2.0, train_attn=attn, train_mlp=mlp, train_unembed=unembed)
    adapter = Adapter.create(base, spec)
    rng = np.random.default_rng(1)
    for name, array in adapter.weights.items():
        if "lora_B" in name:
            array[...] = 0.3 * rng.standard_normal(array.shape)
    return TrainableModel(base, adapter)


def config_json(config: ModelConfig) -> dict[str, Any]:
    """The config.json of a model."""
    return {
        "model_type": config.architecture,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.max_positions,
        "rope_theta": config.rope_theta,
        "rms_norm_eps": config.rms_norm_eps,
        "tie_word_embeddings": config.tied,
        "eos_token_id": list(config.eos_token_ids),
        "hidden_act": "silu",
        "attention_bias": False,
    }


def write_safetensors(path: Path, tensors: Mapping[str, npt.NDArray[Any]], dtype: str = "F32") -> None:
    """Write a safetensors file by hand, so that the reader is not checked against itself."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, array in tensors.items():
        raw = encode(array, dtype)
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def encode(array: npt.NDArray[Any], dtype: str) -> bytes:
    """The bytes of an array in a safetensors dtype; bfloat16 by cutting the float32 in half."""
    if dtype == "BF16":
        return (np.ascontiguousarray(array, "<f4").view("<u4") >> 16).astype("<u2").tobytes()
    return array.astype({"F32": "<f4", "F16": "<f2"}[dtype]).tobytes()


def write_model(directory: Path, config: ModelConfig = TINY, *, dtype: str = "F32") -> dict[str, Any]:
    """Write a whole model directory; returns its tensors as stored."""
    directory.mkdir(exist_ok=True)
    tensors = random_tensors(config)
    (directory / "config.json").write_text(json.dumps(config_json(config)))
    write_safetensors(directory / "model.safetensors", tensors, dtype)
    return tensors


UNTIED = evolve(TINY, tied=False)
LLAMA = evolve(TINY, architecture="llama")

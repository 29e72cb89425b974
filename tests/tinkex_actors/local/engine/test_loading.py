"""Model directories: what is read, in every storage, and how each fault is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from tests.tinkex_actors.local.engine.tiny_models import (
    LLAMA,
    TINY,
    UNTIED,
    random_tensors,
    write_model,
    write_safetensors,
)
from tinkex_actors.local.engine import ModelConfig, ModelLoadError, load_base_model
from tinkex_actors.local.engine.config import Llama3Scaling, read_config


def rewrite(path: Path, **changes: Any) -> None:
    """Change fields of a JSON file; None removes one."""
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))


@pytest.mark.parametrize("config", [TINY, UNTIED, LLAMA], ids=["qwen3-tied", "qwen3-untied", "llama"])
def test_a_model_is_read_whole(tmp_path: Path, config: ModelConfig) -> None:
    tensors = write_model(tmp_path / "tiny", config)
    base = load_base_model(tmp_path / "tiny")
    assert (base.name, base.config, base.tokenizer_path) == ("tiny", config, None)
    np.testing.assert_array_equal(base.embedding, tensors["model.embed_tokens.weight"])
    head = tensors["model.embed_tokens.weight" if config.tied else "lm_head.weight"]
    np.testing.assert_array_equal(base.unembedding.weight, head)
    prefix = "model.layers.1.self_attn."
    stacked = np.concatenate([tensors[f"{prefix}{kind}_proj.weight"] for kind in "qkv"])
    np.testing.assert_array_equal(base.layers[1].qkv.weight, stacked)
    assert base.layers[1].qkv.bounds == (0, 16, 24, 32)
    assert (base.layers[1].q_norm is None) == (config.architecture == "llama")


@pytest.mark.parametrize(("dtype", "precision"), [("F32", 0.0), ("BF16", 2.0**-7), ("F16", 2.0**-10)])
def test_every_storage_becomes_float32(tmp_path: Path, dtype: str, precision: float) -> None:
    tensors = write_model(tmp_path, dtype=dtype)
    base = load_base_model(tmp_path)
    assert base.embedding.dtype == np.float32
    np.testing.assert_allclose(
        base.embedding, tensors["model.embed_tokens.weight"], rtol=precision, atol=1e-6 * precision
    )


def test_bfloat16_keeps_its_value_exactly(tmp_path: Path) -> None:
    """Widening adds nothing: what fits in bfloat16 comes back as it is."""
    tensors = random_tensors(TINY)
    values = np.array([1.0, -2.5, 0.15625, 3e38, 1e-38, 0.0], np.float32)
    exact = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
    tensors["model.norm.weight"] = exact
    write_model(tmp_path)
    write_safetensors(tmp_path / "model.safetensors", tensors, "BF16")
    np.testing.assert_array_equal(load_base_model(tmp_path).final_norm, exact)


def test_shards_are_put_together(tmp_path: Path) -> None:
    tensors = write_model(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    weight_map: dict[str, str] = {}
    for i, name in enumerate(sorted(tensors)):
        weight_map[name] = f"model-0000{i % 3}-of-00003.safetensors"
    for shard in set(weight_map.values()):
        write_safetensors(tmp_path / shard, {n: t for n, t in tensors.items() if weight_map[n] == shard})
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    np.testing.assert_array_equal(load_base_model(tmp_path).embedding, tensors["model.embed_tokens.weight"])


def test_nobody_can_write_to_base_weights(tmp_path: Path) -> None:
    """They are shared by every adapter and sampler."""
    write_model(tmp_path)
    base = load_base_model(tmp_path)
    arrays = [base.embedding, base.final_norm, base.unembedding.weight]
    arrays += [p.weight for p in base.projections] + [layer.mlp_norm for layer in base.layers]
    assert not any(array.flags.writeable for array in arrays)


def test_the_end_of_sequence_may_come_from_either_file(tmp_path: Path) -> None:
    """generation_config.json wins, as in transformers; one token or a list."""
    write_model(tmp_path)
    rewrite(tmp_path / "config.json", eos_token_id=4)
    assert read_config(tmp_path).eos_token_ids == (4,)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [5, 6]}')
    assert read_config(tmp_path).eos_token_ids == (5, 6)
    rewrite(tmp_path / "generation_config.json", eos_token_id=None)
    assert read_config(tmp_path).eos_token_ids == (4,)
    rewrite(tmp_path / "config.json", eos_token_id=None)
    assert read_config(tmp_path).eos_token_ids == ()


LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


@pytest.mark.parametrize(
    ("fields", "theta", "scaling"),
    [
        ({"rope_theta": None}, 10000.0, None),
        ({"rope_scaling": {"type": "default"}}, 100.0, None),
        ({"rope_theta": None, "rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}}, 5e5, None),
        ({"rope_scaling": LLAMA3}, 100.0, Llama3Scaling(8.0, 1.0, 4.0, 32)),
        ({"rope_theta": None, "rope_parameters": {"rope_theta": 5e5, **LLAMA3}}, 5e5, Llama3Scaling(8.0, 1.0, 4.0, 32)),
    ],
)
def test_rotary_settings_of_old_and_new_files(
    tmp_path: Path, fields: dict[str, Any], theta: float, scaling: Llama3Scaling | None
) -> None:
    write_model(tmp_path)
    rewrite(tmp_path / "config.json", **fields)
    config = read_config(tmp_path)
    assert (config.rope_theta, config.rope_scaling) == (theta, scaling)


def test_heads_have_their_usual_defaults(tmp_path: Path) -> None:
    """Old Llama files name neither head_dim nor num_key_value_heads."""
    write_model(tmp_path, evolve(LLAMA, num_kv_heads=4, hidden_size=16))
    rewrite(tmp_path / "config.json", head_dim=None, num_key_value_heads=None)
    assert load_base_model(tmp_path).config == evolve(LLAMA, num_kv_heads=4, hidden_size=16)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "gpt2"}, r"expected field 'model_type' to be one of \('qwen3', 'llama'\), got 'gpt2'"),
        ({"model_type": None}, "got None"),
        ({"hidden_size": None}, "expected field 'hidden_size' to be a number, got None"),
        ({"vocab_size": "many"}, "expected field 'vocab_size' to be a number, got 'many'"),
        ({"num_hidden_layers": 0}, "expected field 'num_hidden_layers' to be a positive integer"),
        ({"num_hidden_layers": 1.5}, "expected field 'num_hidden_layers' to be a positive integer, got 1.5"),
        ({"num_key_value_heads": 3}, "expected 'num_attention_heads' to be a multiple of num_key_value_heads=3, got 4"),
        ({"head_dim": 5}, "expected 'head_dim' to be even for rotary positions, got 5"),
        ({"attention_bias": True}, "expected field 'attention_bias' to be False, got True, which is not supported"),
        ({"hidden_act": "gelu"}, "expected field 'hidden_act' to be 'silu', got 'gelu'"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "to be 'default' or 'llama3', got 'yarn'"),
        ({"rope_scaling": {"rope_type": "llama3"}}, "expected field 'factor' to be a number, got None"),
        ({"eos_token_id": "end"}, "expected 'eos_token_id' to be an integer or a list of integers, got 'end'"),
        ({"hidden_size": 8}, "expected tensor 'model.embed_tokens.weight' of shape .11, 8., got .11, 6."),
        ({"num_hidden_layers": 3}, "expected a tensor 'model.layers.2.input_layernorm.weight', found none"),
        ({"tie_word_embeddings": False}, "expected a tensor 'lm_head.weight', found none"),
    ],
)
def test_a_wrong_config_names_file_and_field(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    write_model(tmp_path)
    rewrite(tmp_path / "config.json", **fields)
    with pytest.raises(ModelLoadError, match=message) as caught:
        load_base_model(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "expected this file in a Hugging Face model directory, found none"),
        ("config.json", b"{", "expected readable JSON"),
        ("config.json", b"[]", "expected a JSON object, got list"),
        ("model.safetensors", None, "expected this file in a Hugging Face model directory, found none"),
        ("model.safetensors", b"", "expected a safetensors header, got a length of 0 bytes"),
        ("model.safetensors", b"\xff" * 64, "expected a safetensors header, got a length of"),
        ("model.safetensors", b"\x02" + bytes(7) + b"xx", "broken header"),
        ("model.safetensors", b"\x02" + bytes(7) + b"[]", "broken header"),
        ("model.safetensors", b"\x09" + bytes(7) + b'{"a": {}}', "broken header"),
        ("model.safetensors.index.json", b"{}", "expected an object 'weight_map', got NoneType"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "../b"}}', "expected shard names without folders"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "b"}}', "found none"),
        ("tokenizer.json", b"{}", "expected a tokenizer of the tokenizers library"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    write_model(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelLoadError, match=message):
        load_base_model(tmp_path)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"nowhere: expected a model directory, found none"):
        load_base_model(tmp_path / "nowhere")


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    """A download that broke off."""
    write_model(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ModelLoadError, match="the file ends after"):
        load_base_model(tmp_path)


def test_a_tensor_of_integers_is_named(tmp_path: Path) -> None:
    write_model(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"I32"', 1))
    with pytest.raises(ModelLoadError, match="in F32/F16/BF16/F64, got I32"):
        load_base_model(tmp_path)


def test_a_byte_range_that_does_not_fit_is_named(tmp_path: Path) -> None:
    write_model(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"F16"', 1))
    with pytest.raises(
        ModelLoadError, match=r"expected 66 values for tensor 'model.embed_tokens.weight', got 264 bytes"
    ):
        load_base_model(tmp_path)

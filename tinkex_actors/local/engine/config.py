"""The shape of a decoder, read from a Hugging Face ``config.json``.

Two architectures are supported: ``qwen3`` (RMSNorm on each query and key head) and ``llama`` (none, and optionally
Llama 3's stretched rotary frequencies). Whatever would change the numbers and is not implemented - biases, sliding
windows, other activations, other rotary scalings - is refused by name instead of being ignored.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from attrs import field, frozen
from attrs.validators import gt

from tinkex_actors.local.engine.errors import ModelLoadError

SUPPORTED_ARCHITECTURES = ("qwen3", "llama")


@frozen
class Llama3Scaling:
    """Llama 3's stretch of the slow rotary frequencies."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int


@frozen
class ModelConfig:
    """The numbers that fix every array shape and every constant of a decoder."""

    architecture: str
    vocab_size: int = field(validator=gt(0))
    hidden_size: int = field(validator=gt(0))
    intermediate_size: int = field(validator=gt(0))
    num_layers: int = field(validator=gt(0))
    num_heads: int = field(validator=gt(0))
    num_kv_heads: int = field(validator=gt(0))
    head_dim: int = field(validator=gt(0))
    max_positions: int = field(validator=gt(0))
    """Longest sequence, prompt and answer together, in tokens."""
    rope_theta: float
    rms_norm_eps: float
    tied: bool
    """Whether the unembedding is the embedding."""
    eos_token_ids: tuple[int, ...] = ()
    """Tokens that end an answer when a request names no stop of its own."""
    rope_scaling: Llama3Scaling | None = None

    @property
    def has_qk_norm(self) -> bool:
        """Whether each query and key head is normalised (Qwen3)."""
        return self.architecture == "qwen3"


class _Fields:
    """Typed access to a JSON object that names file and field when a value is missing or wrong."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:  # Any: parsed JSON, checked here
        self._path = path
        self.values = values

    def number(self, name: str, default: float | None = None) -> float:
        value = self.values.get(name)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fault(f"expected field {name!r} to be a number, got {value!r}")
        return float(value)

    def count(self, name: str, default: int | None = None) -> int:
        value = self.number(name, default)
        if value < 1 or value != int(value):
            raise self.fault(f"expected field {name!r} to be a positive integer, got {value!r}")
        return int(value)

    def must_equal(self, name: str, *allowed: object) -> None:
        value = self.values.get(name)
        if value is not None and value not in allowed:
            raise self.fault(f"expected field {name!r} to be {allowed[0]!r}, got {value!r}, which is not supported")

    def section(self, name: str) -> "_Fields | None":
        value = self.values.get(name)
        return _Fields(self._path, cast("Mapping[str, Any]", value)) if isinstance(value, dict) else None

    def fault(self, text: str) -> ModelLoadError:
        return ModelLoadError(f"{self._path}: {text}")


def read_json(path: Path) -> Mapping[str, Any]:  # Any: parsed JSON, checked by the caller
    """Read a JSON object.

    Raises:
        ModelLoadError: The file is missing, unreadable, not JSON, or not an object.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ModelLoadError(f"{path}: expected this file in a Hugging Face model directory, found none") from None
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"{path}: expected readable JSON, got {error}") from error
    if not isinstance(value, dict):
        raise ModelLoadError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return cast("Mapping[str, Any]", value)


def read_config(directory: Path) -> ModelConfig:
    """Read ``config.json`` and, when present, ``generation_config.json`` of a model directory.

    Raises:
        ModelLoadError: A file or field is missing or wrong, or the architecture is not supported.
    """
    fields = _Fields(directory / "config.json", read_json(directory / "config.json"))
    architecture = fields.values.get("model_type")
    if architecture not in SUPPORTED_ARCHITECTURES:
        raise fields.fault(f"expected field 'model_type' to be one of {SUPPORTED_ARCHITECTURES}, got {architecture!r}")
    _refuse_unsupported(fields)
    heads = fields.count("num_attention_heads")
    hidden = fields.count("hidden_size")
    kv_heads = fields.count("num_key_value_heads", heads)
    if heads % kv_heads:
        raise fields.fault(
            f"expected 'num_attention_heads' to be a multiple of num_key_value_heads={kv_heads}, got {heads}"
        )
    head_dim = fields.count("head_dim", max(hidden // heads, 1))
    if head_dim % 2:
        raise fields.fault(f"expected 'head_dim' to be even for rotary positions, got {head_dim}")
    theta, scaling = _rope(fields)
    return ModelConfig(
        architecture=architecture,
        vocab_size=fields.count("vocab_size"),
        hidden_size=hidden,
        intermediate_size=fields.count("intermediate_size"),
        num_layers=fields.count("num_hidden_layers"),
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=head_dim,
        max_positions=fields.count("max_position_embeddings"),
        rope_theta=theta,
        rms_norm_eps=fields.number("rms_norm_eps", 1e-6),
        tied=bool(fields.values.get("tie_word_embeddings", False)),
        eos_token_ids=_eos_token_ids(directory, fields),
        rope_scaling=scaling,
    )


def _refuse_unsupported(fields: _Fields) -> None:
    fields.must_equal("hidden_act", "silu")
    fields.must_equal("attention_bias", False)
    fields.must_equal("mlp_bias", False)
    fields.must_equal("use_sliding_window", False)


def _rope(fields: _Fields) -> tuple[float, Llama3Scaling | None]:
    # Newer files nest both in "rope_parameters"; older ones keep "rope_theta" at the top and "rope_scaling" beside it.
    section = fields.section("rope_parameters") or fields.section("rope_scaling")
    if section is None:
        return fields.number("rope_theta", 10000.0), None
    theta = section.number("rope_theta", fields.number("rope_theta", 10000.0))
    kind = section.values.get("rope_type", section.values.get("type", "default"))
    if kind == "default":
        return theta, None
    if kind != "llama3":
        raise fields.fault(
            f"expected the rotary scaling to be 'default' or 'llama3', got {kind!r}, which is not supported"
        )
    return theta, Llama3Scaling(
        factor=section.number("factor"),
        low_freq_factor=section.number("low_freq_factor"),
        high_freq_factor=section.number("high_freq_factor"),
        original_max_position_embeddings=section.count("original_max_position_embeddings"),
    )


def _eos_token_ids(directory: Path, fields: _Fields) -> tuple[int, ...]:
    """generation_config.json wins over config.json, as in transformers."""
    value: object = fields.values.get("eos_token_id")
    generation = directory / "generation_config.json"
    if generation.exists():
        value = read_json(generation).get("eos_token_id", value)
    ids = cast("list[object]", value) if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(token, int) for token in ids):
        raise fields.fault(f"expected 'eos_token_id' to be an integer or a list of integers, got {value!r}")
    return tuple(token for token in ids if isinstance(token, int))

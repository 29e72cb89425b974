"""What is special in JSON about some types: tagged unions, arrays, base64, and what servers are lax about."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from functools import partial
from types import NoneType
from typing import Any, assert_never, get_args

import cattrs
import numpy as np

from tinkex_actors.types import (
    AdamOptimizerConfig,
    DimuonOptimizerConfig,
    DimuonParams,
    DmelChunk,
    EncodedTextChunk,
    GetServerCapabilitiesResponse,
    ImageAssetPointerChunk,
    ImageChunk,
    ModelId,
    ModelInput,
    ModelInputChunk,
    OptimizerConfig,
    OtherOptimizerConfig,
    OtherOptimParams,
    Promise,
    RequestId,
    SequenceId,
    StopRule,
    SupportedModel,
    TensorData,
    TensorDtype,
)
from tinkex_actors.types.tensors import Array
from tinkex_actors.wire._json_rules import as_dict, as_list, at, read_each
from tinkex_actors.wire._mismatch import Mismatch, show

_CHUNK_TAGS: Mapping[str, type[ModelInputChunk]] = {
    "encoded_text": EncodedTextChunk,
    "image": ImageChunk,
    "image_asset_pointer": ImageAssetPointerChunk,
    "dmel": DmelChunk,
}


def register_hooks(converter: cattrs.Converter) -> None:
    """Teach *converter* what is special."""
    converter.register_structure_hook(EncodedTextChunk, lambda value, _: _read_text(value))
    converter.register_structure_hook(bytes, lambda value, _: _read_base64(value))
    converter.register_structure_hook(ModelInput, lambda value, _: _read_model_input(converter, value))
    converter.register_structure_hook(TensorData, lambda value, _: read_tensor_json(value))
    converter.register_structure_hook(Promise, lambda value, _: _read_promise(value))
    register_union(converter, OptimizerConfig, _read_optimizer)
    register_union(converter, DimuonParams | OtherOptimParams, _read_optim_params)
    converter.register_structure_hook_func(lambda kind: kind == dict[str, float], lambda v, _: read_metrics(v))
    converter.register_structure_hook_func(lambda kind: kind == StopRule, lambda v, _: _read_stop(v))
    converter.register_structure_hook(GetServerCapabilitiesResponse, lambda v, _: _read_capabilities(converter, v))
    _register_writers(converter)


def register_union(converter: cattrs.Converter, union: object, read: Callable[[cattrs.Converter, Any], Any]) -> None:
    """Have *read* make every *union* there is, with ``None`` in it or without."""
    members = set(get_args(union))

    def structure(value: Any, kind: Any) -> Any:
        return None if value is None and NoneType in get_args(kind) else read(converter, value)

    converter.register_structure_hook_func(lambda kind: set(get_args(kind)) - {NoneType} == members, structure)


def _register_writers(converter: cattrs.Converter) -> None:
    converter.register_unstructure_hook(bytes, lambda data: b64encode(data).decode())
    converter.register_unstructure_hook(TensorData, write_tensor_json)
    converter.register_unstructure_hook(ModelInput, lambda value: {"chunks": [_write_chunk(c) for c in value.chunks]})
    for kind in (OtherOptimizerConfig, OtherOptimParams):
        converter.register_unstructure_hook(kind, lambda value: {"type": value.type, **value.fields})


def _read_promise(value: Any) -> Promise:
    """Read a promise; by hand, since every operation brings one."""
    body = as_dict(value)
    if "request_id" not in body:
        raise Mismatch("request_id", "a value", "nothing")
    model, names = body.get("model_id"), body.get("sample_sequence_ids")
    return Promise(
        RequestId(_text_at("request_id", body["request_id"])),
        None if model is None else ModelId(_text_at("model_id", model)),
        None if names is None else at("sample_sequence_ids", partial(_read_names, names)),
    )


def _read_names(value: Any) -> tuple[SequenceId, ...]:
    names = as_list(value)
    for place, name in enumerate(names):
        if type(name) is not str:
            raise Mismatch(f"[{place}]", "text", show(name))
    return tuple(names)


def _text_at(path: str, value: Any) -> str:
    if type(value) is not str:
        raise Mismatch(path, "text", show(value))
    return value


def _read_text(value: Any) -> EncodedTextChunk:
    return EncodedTextChunk(read_tokens(as_dict(value).get("tokens"), "tokens"))


def read_numbers(value: Any, path: str) -> Array:
    """Read a flat list of numbers; null is NaN, as JSON has no other way to say it.

    Raises:
        Mismatch: Not a list, nested, or something else in it.
    """
    try:
        numbers = as_list(value)
        array = np.asarray(numbers)
        if array.dtype == object and all(element is None or type(element) in {int, float} for element in numbers):
            array = np.asarray(numbers, np.float64)
    except (ValueError, OverflowError):
        array = np.empty(0, object)
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise Mismatch(path, "a flat list of numbers", show(value))
    return array


def read_tokens(value: Any, path: str) -> Array:
    """Read a flat list of token ids as int32.

    Raises:
        Mismatch: Not such a list, or an id that does not fit.
    """
    array = read_numbers(value, path)
    if array.size == 0:
        return np.empty(0, np.int32)
    if array.dtype.kind == "f" or array.min() < -(2**31) or array.max() >= 2**31:
        raise Mismatch(path, "a flat list of token ids that fit int32", show(value))
    return array.astype(np.int32)


def read_tensor_json(value: Any) -> TensorData:
    """Read a tensor: flat data, element type, shape, and the indices of a sparse one.

    Raises:
        Mismatch: Its parts contradict each other.
    """
    parts = as_dict(value)
    dtype = parts.get("dtype")
    if not isinstance(dtype, str) or dtype not in set(TensorDtype):
        raise Mismatch("dtype", "int64 or float32", show(dtype))
    indices = {
        name: read_numbers(parts[name], name)
        for name in ("shape", "sparse_crow_indices", "sparse_col_indices")
        if parts.get(name) is not None
    }
    shape = indices.pop("shape", None)
    if shape is not None and shape.size and shape.dtype.kind == "f":
        raise Mismatch("shape", "a list of integers", show(parts["shape"]))
    return TensorData(
        read_numbers(parts.get("data"), "data"), dtype, None if shape is None else shape.tolist() or None, **indices
    )


def write_tensor_json(tensor: TensorData) -> dict[str, Any]:
    """Write a tensor; the arrays pass as they are."""
    body: dict[str, Any] = {"data": tensor.data, "dtype": tensor.dtype}
    if tensor.shape is not None:
        body["shape"] = tensor.shape
    if tensor.is_sparse:
        body["sparse_crow_indices"] = tensor.sparse_crow_indices
        body["sparse_col_indices"] = tensor.sparse_col_indices
    return body


def _read_base64(value: Any) -> bytes:
    try:
        return b64decode(value, validate=True)
    except (ValueError, TypeError):
        raise Mismatch("", "base64 text", show(value)) from None


def _read_model_input(converter: cattrs.Converter, value: Any) -> ModelInput:
    chunks = as_dict(value).get("chunks")
    return ModelInput(
        at("chunks", lambda: read_each(enumerate(as_list(chunks)), lambda chunk: _read_chunk(converter, chunk)))
    )


def _read_chunk(converter: cattrs.Converter, value: Any) -> ModelInputChunk:
    # Bodies of the oldest clients carry text chunks without a tag.
    tag = as_dict(value).get("type", "encoded_text")
    if not isinstance(tag, str) or tag not in _CHUNK_TAGS:
        raise Mismatch("type", f"one of {', '.join(_CHUNK_TAGS)}", show(tag))
    return converter.structure(value, _CHUNK_TAGS[tag])


def _write_chunk(chunk: ModelInputChunk) -> dict[str, Any]:
    match chunk:
        case EncodedTextChunk():
            return {"tokens": chunk.tokens, "type": "encoded_text"}
        case DmelChunk():
            return {"dmel": b64encode(chunk.dmel).decode(), "type": "dmel"}
        case ImageChunk():
            body: dict[str, Any] = {"data": b64encode(chunk.data).decode(), "type": "image"}
        case ImageAssetPointerChunk():
            body = {"location": chunk.location, "type": "image_asset_pointer"}
        case _:
            assert_never(chunk)
    body["format"] = chunk.format
    if chunk.expected_tokens is not None:
        body["expected_tokens"] = chunk.expected_tokens
    return body


def _read_optimizer(converter: cattrs.Converter, value: Any) -> OptimizerConfig:
    match _family_of(value):
        case "adamw":
            return converter.structure(value, AdamOptimizerConfig)
        case "dimuon":
            return converter.structure(value, DimuonOptimizerConfig)
        case other:
            return OtherOptimizerConfig(other, _without_type(value))


def _read_optim_params(converter: cattrs.Converter, value: Any) -> DimuonParams | OtherOptimParams:
    family = _family_of(value)
    if family == "dimuon":
        return converter.structure(value, DimuonParams)
    return OtherOptimParams(family, _without_type(value))


def _family_of(value: Any) -> str:
    family = as_dict(value).get("type")
    if not isinstance(family, str) or not family:
        raise Mismatch("type", "the name of an optimizer family", show(family))
    return family


def _without_type(value: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name != "type"}


def read_metrics(value: Any) -> dict[str, float]:
    """Read metrics; null is NaN.

    Raises:
        Mismatch: Something else than numbers by name.
    """
    metrics = as_dict(value)
    for name, number in metrics.items():
        if number is not None and type(number) not in {int, float}:
            raise Mismatch(name, "a number", show(number))
    return {name: float("nan") if number is None else float(number) for name, number in metrics.items()}


def _read_stop(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    stop = as_list(value)
    if {type(element) for element in stop} not in ({str}, {int}, set()):
        raise Mismatch("", "text, a list of texts or a list of token ids", show(value))
    return tuple(stop)


def _read_capabilities(converter: cattrs.Converter, value: Any) -> GetServerCapabilitiesResponse:
    def read(model: Any) -> SupportedModel:
        return SupportedModel(model) if isinstance(model, str) else converter.structure(model, SupportedModel)

    models = as_dict(value).get("supported_models")
    return GetServerCapabilitiesResponse(
        at("supported_models", lambda: tuple(read_each(enumerate(m for m in as_list(models) if m is not None), read)))
    )

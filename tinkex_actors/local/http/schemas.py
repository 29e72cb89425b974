"""JSON schemas of the bodies that endpoints read, made from the very types they are read with."""

import types
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from attrs import NOTHING, fields, has

from tinkex_actors.local.limits import INT64_MAX
from tinkex_actors.types.model_input import EncodedTextChunk, ModelInput
from tinkex_actors.types.tensors import TensorData
from tinkex_actors.types.training import OtherOptimizerConfig, OtherOptimParams

Schema: TypeAlias = dict[str, Any]  # Any: JSON

_PLAIN: Mapping[object, Schema] = {
    Any: {},
    None: {"type": "null"},
    type(None): {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": -(2**63), "maximum": INT64_MAX},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: {"type": "string", "format": "byte"},
    datetime: {"type": "string", "format": "date-time"},
}
_NUMBERS: Schema = {"type": "array", "items": {"type": ["number", "null"]}}
_INTEGERS: Schema = {"type": "array", "items": _PLAIN[int]}
_TOKENS: Schema = {"type": "array", "items": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}}
_OTHER: Schema = {"type": "object", "properties": {"type": {"type": "string", "minLength": 1}}, "required": ["type"]}
_SPECIAL: Mapping[object, Schema] = {
    ModelInput: {
        "type": "object",
        "properties": {"chunks": {"type": "array", "items": {"$ref": "#/components/schemas/EncodedTextChunk"}}},
        "required": ["chunks"],
    },
    EncodedTextChunk: {
        "type": "object",
        "properties": {"type": {"const": "encoded_text"}, "tokens": _TOKENS},
        "required": ["type", "tokens"],
    },
    TensorData: {
        "type": "object",
        "properties": {
            "data": _NUMBERS,
            "dtype": {"enum": ["int64", "float32"]},
            "shape": {"type": ["array", "null"], "items": _PLAIN[int]},
            "sparse_crow_indices": {**_INTEGERS, "type": ["array", "null"]},
            "sparse_col_indices": {**_INTEGERS, "type": ["array", "null"]},
        },
        "required": ["data", "dtype"],
    },
    OtherOptimizerConfig: _OTHER,
    OtherOptimParams: _OTHER,
}
"""What the codec reads in its own way."""


class Schemas:
    """Schemas by name, gathered as they are asked for."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type; classes are described once, by name."""
        kind = getattr(kind, "__supertype__", kind)  # what a NewType is at run time
        if kind in _PLAIN:
            return _PLAIN[kind]
        if get_origin(kind) is not None:
            return self._generic(get_origin(kind), get_args(kind))
        if issubclass(kind, StrEnum):
            return {"enum": [str(one) for one in kind]}
        return self._reference(kind)

    def _generic(self, origin: Any, args: tuple[Any, ...]) -> Schema:
        if origin is Literal:
            return {"enum": list(args)}
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.of(one) for one in args]}
        if issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(args[1])}
        return {"type": "array", "items": self.of(args[0])}

    def _reference(self, kind: type[Any]) -> Schema:
        name = kind.__name__.lstrip("_")
        if name not in self.components:
            self.components[name] = {}  # a class may hold itself
            self.components[name] = _SPECIAL[kind] if kind in _SPECIAL else self._object(kind)
            if kind is ModelInput:
                self._reference(EncodedTextChunk)
        return {"$ref": f"#/components/schemas/{name}"}

    def _object(self, kind: type[Any]) -> Schema:
        if not has(kind):
            raise TypeError(f"a body must be of attrs classes and JSON's own types, got {kind!r}")
        hints = get_type_hints(kind)
        described: Schema = {
            "type": "object",
            "properties": {one.name: self.of(hints[one.name]) for one in fields(kind)},
            "required": [one.name for one in fields(kind) if one.default is NOTHING],
        }
        return {"description": kind.__doc__.partition("\n")[0], **described} if kind.__doc__ else described

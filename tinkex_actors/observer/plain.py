"""JSON of whatever a program says: texts that no encoding takes, numbers that no browser reads."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import cast

import orjson

_FARTHEST = 2**53
"""Browsers count no farther."""


def encode(document: object) -> bytes:
    """Write *document* as JSON that every browser reads."""
    try:
        return orjson.dumps(document)
    except TypeError:
        # Lone surrogates, as names of files and words of errors may have them, or integers of more than 64 bits.
        return json.dumps(_plain(document)).encode()


def _plain(value: object) -> object:
    match value:
        case str() | bool() | None:
            return value
        case int():
            return value if abs(value) <= _FARTHEST else str(value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(name): _plain(one) for name, one in cast("Mapping[object, object]", value).items()}
        case Sequence():
            return [_plain(one) for one in cast("Sequence[object]", value)]
        case _:
            return str(value)

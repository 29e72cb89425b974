"""How answers get broken: bytes, JSON and compression, by a seeded chance."""

import gzip
import zlib
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

import orjson
import zstandard

STRANGE = [
    b"null", b"true", b"false", b"0", b"-1", b"1e999", b"-1e999", b"NaN", b"Infinity", b"0.1", b"9" * 400, b"1e-400",
    b"9223372036854775808", b"-9223372036854775809", b'""', b'"text"', b'"\\ud800"', b'"' + b"x" * 5000 + b'"', b"[]",
    b"{}", b"[[]]", b'{"data": [1], "dtype": "int64"}', b"[" * 2000 + b"]" * 2000, b'{"a":' * 2000 + b"1" + b"}" * 2000,
]  # fmt: skip
_HOLE = "\x00hole\x00"


def break_bytes(content: bytes, chance: Random) -> bytes:
    """Flip, cut, insert or repeat some bytes."""
    broken = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(broken) + 1)
        match chance.randrange(5):
            case 0 if at < len(broken):
                broken[at] = chance.randrange(256)
            case 1:
                del broken[at:]
            case 2:
                broken[at:at] = chance.randbytes(chance.randint(1, 8))
            case 3:
                broken[at:at] = broken[at : at + chance.randint(1, 64)]
            case _:
                broken[at : at + 1] = b"\xff\xff\xff\xff\x7f"
    return bytes(broken)


def break_json(content: bytes, chance: Random) -> bytes:
    """Put something strange in the place of one value, leave one out, or add one."""
    try:
        whole: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        return break_bytes(content, chance)
    places = list(_places(whole))
    if not places:
        return chance.choice(STRANGE)
    parent, key = chance.choice(places)
    match chance.randrange(6):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[chance.choice(["type", "error", "status", "request_id", "x", ""])] = _HOLE
        case _:
            parent[key] = _HOLE
    return orjson.dumps(whole).replace(orjson.dumps(_HOLE), chance.choice(STRANGE))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with every key in it."""
    container: Any = value
    keys = (
        list(container) if isinstance(value, dict) else list(range(len(container))) if isinstance(value, list) else []
    )
    for key in keys:
        yield value, key
        yield from _places(value[key])


def break_any(content: bytes, chance: Random) -> bytes:
    """Break once or twice, either way."""
    for _ in range(chance.randint(1, 2)):
        content = (break_bytes if chance.random() < 0.4 else break_json)(content, chance)
    return content


def encode(content: bytes, chance: Random) -> tuple[str, bytes]:
    """Compress *content*, or ten megabytes of nothing, and perhaps break what comes out."""
    name = chance.choice(["gzip", "deflate", "zstd", "gzip, zstd", "br", "zstd, zstd, zstd, zstd"])
    whole = _bomb(name) if chance.random() < 0.3 else _pack(name, content)
    return name, break_bytes(whole, chance) if chance.random() < 0.6 else whole


@cache
def _bomb(name: str) -> bytes:
    return _pack(name, bytes(10_000_000))


def _pack(name: str, content: bytes) -> bytes:
    match name:
        case "gzip":
            return gzip.compress(content)
        case "deflate":
            return zlib.compress(content)
        case "zstd":
            return zstandard.ZstdCompressor().compress(content)
        case "gzip, zstd":
            return _pack("zstd", _pack("gzip", content))
        case _:
            return content[:1000]

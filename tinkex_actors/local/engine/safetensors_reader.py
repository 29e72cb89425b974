"""Tensors out of ``.safetensors`` files, one or sharded, as float32 arrays.

The format is eight bytes of header length, a JSON header of names to dtype, shape and byte range, and the data, all
little-endian. It is read here rather than by the ``safetensors`` package because numpy has no bfloat16: the two bytes
of a bfloat16 are the upper two of the float32 of the same value, so widening is a shift.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from attrs import frozen

from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.config import read_json
from tinkex_actors.local.engine.errors import ModelLoadError

_HEADER_LIMIT_BYTES = 100_000_000
_STORED_AS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "F64": "<f8"}


@frozen(eq=False)
class TensorFiles:
    """The tensors of a model directory, by name, read when asked for."""

    directory: Path
    _entries: Mapping[str, "_Entry"]

    def read(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        """Return the tensor *name* as a new float32 array of *shape*.

        Raises:
            ModelLoadError: There is no such tensor, or its shape, dtype or byte range is not what it must be.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise ModelLoadError(f"{self.directory}: expected a tensor {name!r}, found none")
        if entry.shape != shape:
            raise ModelLoadError(f"{entry.path}: expected tensor {name!r} of shape {shape}, got {entry.shape}")
        return entry.read(name)


@frozen
class _Entry:
    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    def read(self, name: str) -> FloatArray:
        stored = _STORED_AS.get(self.dtype)
        if stored is None:
            raise ModelLoadError(f"{self.path}: expected tensor {name!r} in {'/'.join(_STORED_AS)}, got {self.dtype}")
        count = int(np.prod(self.shape, dtype=np.int64))
        if self.stop - self.start != count * np.dtype(stored).itemsize:
            raise ModelLoadError(
                f"{self.path}: expected {count} values for tensor {name!r}, got {self.stop - self.start} bytes"
            )
        raw = np.fromfile(self.path, dtype=stored, count=count, offset=self.start)
        if raw.size != count:
            raise ModelLoadError(
                f"{self.path}: expected {count} values for tensor {name!r}, the file ends after {raw.size}"
            )
        if self.dtype == "BF16":
            return (raw.astype(np.uint32) << 16).view(np.float32).reshape(self.shape)
        return raw.astype(np.float32).reshape(self.shape)


def open_tensor_files(directory: Path) -> TensorFiles:
    """Read the headers of ``model.safetensors``, or of every shard that ``model.safetensors.index.json`` names.

    Raises:
        ModelLoadError: A file is missing or is not a safetensors file.
    """
    index = directory / "model.safetensors.index.json"
    if not index.exists():
        return TensorFiles(directory, _read_header(directory / "model.safetensors"))
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict):
        raise ModelLoadError(f"{index}: expected an object 'weight_map', got {type(weight_map).__name__}")
    entries: dict[str, _Entry] = {}
    for shard in sorted({str(value) for value in cast("dict[str, object]", weight_map).values()}):
        if Path(shard).name != shard:
            raise ModelLoadError(f"{index}: expected shard names without folders, got {shard!r}")
        entries |= _read_header(directory / shard)
    return TensorFiles(directory, entries)


def _read_header(path: Path) -> dict[str, _Entry]:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= _HEADER_LIMIT_BYTES:
                raise ModelLoadError(f"{path}: expected a safetensors header, got a length of {length} bytes")
            header: dict[str, Any] = json.loads(file.read(length))  # Any: parsed JSON, checked in _entry
        return {name: _entry(path, entry, 8 + length) for name, entry in header.items() if name != "__metadata__"}
    except FileNotFoundError:
        raise ModelLoadError(f"{path}: expected this file in a Hugging Face model directory, found none") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelLoadError(f"{path}: expected a safetensors file, got a broken header ({error!r})") from error


def _entry(path: Path, entry: Mapping[str, Any], data_start: int) -> _Entry:
    start, stop = entry["data_offsets"]
    shape = tuple(int(size) for size in entry["shape"])
    return _Entry(path, str(entry["dtype"]), shape, data_start + int(start), data_start + int(stop))

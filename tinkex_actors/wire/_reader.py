"""``forward_backward`` results read by hand: tensors become views of the body, which is not copied.

The protobuf library would copy every byte field once. Here the body is walked field by field, and only where the block of
a field happens to lie askew in memory is it copied, once, so that every array is aligned.

Source: the protocol document 8.6; checked against the official SDK's decoder in test_fwdbwd.
"""

import math
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from attrs import define, field

from tinkex_actors.types import ForwardBackwardOutput, LossFnOutput, TensorData, TensorDtype
from tinkex_actors.types.tensors import Array, split_rows
from tinkex_actors.wire._arrays import item_size, read_elements, read_indices
from tinkex_actors.wire._mismatch import Mismatch, show

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_CONTINUES, _WORD, _SIGN = 0x80, 2**64, 2**63
_MAX_SHIFT = 63
_MAX_BARE_DATA = 2**17
"""Most data in a record without a single tensor: their count is all the reader has."""


class _Field(NamedTuple):
    """One field of a message: its number, its wire type, and the number or the bounds of its content."""

    number: int
    wire_type: int
    value: int
    """A varint's value, else where the content begins."""
    end: int


@define
class _Batched:
    """A batched tensor while its fields arrive."""

    data: tuple[int, int] = (0, 0)
    offsets: tuple[int, int] = (0, 0)
    dtype: int = 0
    trailing: list[int] = field(factory=list[int])


def read_forward_backward_output(body: bytes) -> ForwardBackwardOutput:
    """Read the result.

    Raises:
        Mismatch: Whatever is wrong with it.
        UnicodeDecodeError: A name is no text.
    """
    kind = ""
    outputs: list[LossFnOutput] = []
    metrics: dict[str, float] = {}
    records = 0
    for part in _fields(body, 0, len(body)):
        match part.number, part.wire_type:
            case 1, 2:
                kind = body[part.value : part.end].decode()
            case 2, 2:
                outputs += _read_record(body, part, f"loss_fn_outputs[{records}]")
                records += 1
            case 3, 2:
                _read_metric(body, part, metrics)
            case _:
                pass
    # The server's class name may be qualified; only the name is meant for clients.
    return ForwardBackwardOutput(kind.rsplit(":", 1)[-1] or "ArrayRecord", outputs, metrics)


def _fields(body: bytes, position: int, end: int) -> Iterator[_Field]:
    """Walk the fields of the message at ``body[position:end]``."""
    while position < end:
        tag, position = _varint(body, position, end)
        wire_type = tag & 7
        if wire_type == _VARINT:
            value, position = _varint(body, position, end)
            yield _Field(tag >> 3, wire_type, value, position)
            continue
        if wire_type == _DELIMITED:
            size, position = _varint(body, position, end)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(wire_type, end + 1)
        if size > end - position:
            raise Mismatch("", "a protobuf message", f"a field of {size} bytes at byte {position} of {len(body)}")
        yield _Field(tag >> 3, wire_type, position, position + size)
        position += size


def _varint(body: bytes, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift <= _MAX_SHIFT:
        byte = body[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < _CONTINUES:
            return value, position
        shift += 7
    raise Mismatch("", "a protobuf message", f"a number that does not end at byte {position} of {len(body)}")


def _signed(value: int) -> int:
    value %= _WORD
    return value - _WORD if value >= _SIGN else value


def _read_metric(body: bytes, entry: _Field, metrics: dict[str, float]) -> None:
    name, value = "", 0.0
    for part in _fields(body, entry.value, entry.end):
        match part.number, part.wire_type:
            case 1, 2:
                name = body[part.value : part.end].decode()
            case 2, 1:
                (value,) = struct.unpack_from("<d", body, part.value)
            case _:
                pass
    metrics[name] = value


def _read_record(body: bytes, record: _Field, path: str) -> list[LossFnOutput]:
    columns: dict[str, list[TensorData]] = {}
    num_datums = 0
    for part in _fields(body, record.value, record.end):
        match part.number, part.wire_type:
            case 2, 2:
                name, batched = _read_entry(body, part)
                columns[name] = _read_column(body, batched, f"{path}.{name}")
            case 3, 0:
                num_datums = _signed(part.value)
            case _:
                pass
    return _rows(columns, num_datums, path)


def _rows(columns: dict[str, list[TensorData]], num_datums: int, path: str) -> list[LossFnOutput]:
    counts = {len(column) for column in columns.values()}
    if num_datums:
        counts.add(num_datums)
    if len(counts) > 1:
        lengths = ", ".join(f"{name}: {len(column)}" for name, column in columns.items())
        raise Mismatch(path, f"as many of each as num_datums ({num_datums})", lengths)
    if not columns and not 0 <= num_datums <= _MAX_BARE_DATA:
        raise Mismatch(f"{path}.num_datums", f"at most {_MAX_BARE_DATA} without a tensor", str(num_datums))
    if not columns:
        return [{} for _ in range(num_datums)]
    if len(columns) == 1:
        # The usual answer: logprobs and nothing else.
        ((name, column),) = columns.items()
        return [{name: tensor} for tensor in column]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _read_entry(body: bytes, entry: _Field) -> tuple[str, _Batched]:
    name, batched = "", _Batched()
    for part in _fields(body, entry.value, entry.end):
        match part.number, part.wire_type:
            case 1, 2:
                name = body[part.value : part.end].decode()
            case 2, 2:
                _read_batched(body, part, batched)
            case _:
                pass
    return name, batched


def _read_batched(body: bytes, message: _Field, batched: _Batched) -> None:
    for part in _fields(body, message.value, message.end):
        match part.number, part.wire_type:
            case 1, 2:
                batched.data = part.value, part.end
            case 2, 2:
                batched.offsets = part.value, part.end
            case 3, 0:
                batched.dtype = part.value
            case 4, 0:
                batched.trailing.append(_signed(part.value))
            case 4, 2:
                batched.trailing += _read_packed(body, part)
            case _:
                pass


def _read_packed(body: bytes, message: _Field) -> list[int]:
    values: list[int] = []
    position = message.value
    while position < message.end:
        value, position = _varint(body, position, message.end)
        values.append(_signed(value))
    return values


def _read_column(body: bytes, batched: _Batched, path: str) -> list[TensorData]:
    size = item_size(batched.dtype, path)
    start, end = batched.data
    # numpy and those who take its arrays are slow or wrong with elements that lie askew.
    elements = read_elements(memoryview(body)[start:end], batched.dtype, path)
    elements = elements if elements.flags.aligned else elements.copy()
    bounds = _read_bounds(body, batched, size, path)
    trailing = tuple(batched.trailing)
    if min(trailing, default=0) < 0:
        raise Mismatch(path, "no negative side", f"trailing_shape {list(trailing)}")
    dtype = TensorDtype.FLOAT32 if elements.dtype.kind == "f" else TensorDtype.INT64
    if not trailing:
        return split_rows(elements, bounds, dtype)
    row = math.prod(trailing)
    return [_slice(elements[first:last], dtype, row, trailing, path) for first, last in pairwise(bounds)]


def _read_bounds(body: bytes, batched: _Batched, size: int, path: str) -> list[int]:
    offsets = read_indices(memoryview(body)[slice(*batched.offsets)], f"{path}.offsets")
    if offsets.size == 0:
        return []
    block = batched.data[1] - batched.data[0]
    is_rising = offsets[0] >= 0 and offsets[-1] <= block and not np.any(offsets[1:] < offsets[:-1])
    if not is_rising or np.any(offsets % size):
        raise Mismatch(f"{path}.offsets", f"steps of {size} that rise to at most {block}", show(offsets.tolist()))
    bounds: list[int] = (offsets // size).tolist()
    return bounds


def _slice(elements: Array, dtype: TensorDtype, row: int, trailing: tuple[int, ...], path: str) -> TensorData:
    if row == 0 or elements.size % row:
        if elements.size == 0:
            return TensorData(elements, dtype, (0, *trailing))
        raise Mismatch(path, f"rows of shape {list(trailing)}", f"{elements.size} elements")
    return TensorData(elements, dtype, (elements.size // row, *trailing))

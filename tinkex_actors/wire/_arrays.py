"""Packed little-endian arrays inside protobuf messages, and the tensors made of them.

Reading never copies where the element type allows: the arrays are read-only views of the message's bytes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinkex_actors.types import IntArray, TensorData, TensorDtype
from tinkex_actors.types.tensors import Array
from tinkex_actors.wire import tinker_public_pb2 as pb
from tinkex_actors.wire._mismatch import Mismatch

_STORED: Mapping[int, np.dtype[Any]] = {
    pb.DTYPE_FLOAT32: np.dtype("<f4"),
    pb.DTYPE_INT64: np.dtype("<i8"),
    pb.DTYPE_INT32: np.dtype("<i4"),
    pb.DTYPE_BFLOAT16: np.dtype("<u2"),
}
# Looking a dtype up by name costs more than viewing the buffer.
_DTYPES = {dtype.str: dtype for dtype in _STORED.values()}
_WRITTEN = {TensorDtype.FLOAT32: pb.DTYPE_FLOAT32, TensorDtype.INT64: pb.DTYPE_INT64}
_MAX_DENSE = 2**28
"""Most elements that a sparse tensor may stand for: 1 GiB of float32. Sparse bodies are cheap to send."""


def read_array(buffer: bytes | memoryview, dtype: str, path: str) -> Array:
    """View *buffer* as a flat array.

    Raises:
        Mismatch: The buffer does not hold whole elements.
    """
    stored = _DTYPES[dtype]
    if len(buffer) % stored.itemsize:
        raise Mismatch(path, f"a multiple of {stored.itemsize} bytes", f"{len(buffer)} bytes")
    return np.frombuffer(buffer, stored)


def item_size(dtype: int, path: str) -> int:
    """Bytes that one stored element takes.

    Raises:
        Mismatch: The protocol has no such element type.
    """
    stored = _STORED.get(dtype)
    if stored is None:
        raise Mismatch(path, "dtype FLOAT32, INT64, INT32 or BFLOAT16", f"dtype {dtype}")
    return stored.itemsize


def read_elements(buffer: bytes | memoryview, dtype: int, path: str) -> Array:
    """View *buffer* as float32 or int64, widening bfloat16 and int32.

    Raises:
        Mismatch: An unknown element type, or the buffer does not hold whole elements.
    """
    item_size(dtype, path)
    array = read_array(buffer, _STORED[dtype].str, path)
    if dtype == pb.DTYPE_BFLOAT16:
        # A bfloat16 is the upper half of a float32.
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.int64) if dtype == pb.DTYPE_INT32 else array


def read_indices(buffer: bytes | memoryview, path: str) -> IntArray:
    """View *buffer* as int64."""
    return read_array(buffer, "<i8", path)


def read_tensor(message: pb.Tensor, path: str) -> TensorData:
    """Make a tensor of its message; a sparse one stays sparse.

    Raises:
        Mismatch: Bytes, shape and indices contradict each other, or it is unreasonably large when dense.
    """
    shape = tuple(message.shape) or None
    try:
        if not message.HasField("sparse_csr"):
            values = read_elements(message.dense, message.dtype, path)
            return TensorData(values, _public(values), shape)
        csr = message.sparse_csr
        values = read_elements(csr.values, message.dtype, path)
        crow, col = read_indices(csr.crow_indices, path), read_indices(csr.col_indices, path)
        tensor = TensorData(values, _public(values), shape, crow, col)
    except ValueError as error:
        raise (
            error if isinstance(error, Mismatch) else Mismatch(path, "a tensor that agrees with itself", str(error))
        ) from error
    if shape is not None and shape[0] * shape[1] > _MAX_DENSE:
        raise Mismatch(path, f"at most {_MAX_DENSE} elements when dense", f"shape {list(shape)}")
    return tensor


def _public(values: Array) -> TensorDtype:
    return TensorDtype.FLOAT32 if values.dtype.kind == "f" else TensorDtype.INT64


def write_tensor(message: pb.Tensor, tensor: TensorData) -> None:
    """Fill *message* with *tensor*."""
    message.dtype = _WRITTEN[tensor.dtype]
    if tensor.shape is not None:
        message.shape.extend(tensor.shape)
    if tensor.sparse_crow_indices is None or tensor.sparse_col_indices is None:
        message.dense = tensor.data.tobytes()
        return
    message.sparse_csr.values = tensor.data.tobytes()
    message.sparse_csr.crow_indices = tensor.sparse_crow_indices.tobytes()
    message.sparse_csr.col_indices = tensor.sparse_col_indices.tobytes()


def written_dtype(dtype: TensorDtype) -> pb.DType:
    """Name an element type as the protocol does."""
    return _WRITTEN[dtype]

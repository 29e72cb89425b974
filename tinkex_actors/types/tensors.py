"""Arrays on the wire: int64 or float32, dense or compressed sparse rows.

`TensorData` holds a flat numpy array and never copies one that already has the right dtype; whoever hands an array
over leaves it alone afterwards. Lists are accepted at the door and cost a conversion.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import cmp_using, field, fields, frozen

Array: TypeAlias = npt.NDArray[Any]
"""An array of some dtype."""

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float32]
TokenArray: TypeAlias = npt.NDArray[np.int32]

Numbers: TypeAlias = Array | Sequence[int] | Sequence[float] | Sequence[Sequence[int]] | Sequence[Sequence[float]]
"""What becomes an array: an array, or rectangular nested sequences of numbers."""

_SHOWN = 8
_SHOWN_ITEMS = 3
_MATRIX = 2
_MAX_RANK = 32
_MAX_ELEMENTS = 2**59


class TensorDtype(StrEnum):
    """The two element types that the public protocol knows."""

    INT64 = "int64"
    FLOAT32 = "float32"

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy dtype: native byte order, which is little-endian everywhere this runs."""
        return np.dtype(self.value)


def arrays_equal(left: Any, right: Any) -> bool:
    """Compare by dtype, shape and elements; NaN equals NaN, None equals None."""
    if left is None or right is None:
        return left is right
    return bool(left.dtype == right.dtype and np.array_equal(left, right, equal_nan=left.dtype.kind == "f"))


def brief(array: Any) -> str:
    """Draw an array in one short line."""
    if array is None or array.size <= _SHOWN:
        return repr(None if array is None else array.tolist())
    return f"<{array.dtype} {array.shape}>"


def brief_list(items: Sequence[object]) -> str:
    """Draw a list by its first elements, and say how many more there are."""
    shown = ", ".join(repr(item) for item in items[:_SHOWN_ITEMS])
    more = len(items) - _SHOWN_ITEMS
    return f"[{shown}, … {more} more]" if more > 0 else f"[{shown}]"


BY_ELEMENTS = cmp_using(eq=arrays_equal)
"""How fields that hold arrays compare: ``field(eq=BY_ELEMENTS, hash=False, repr=brief)``."""


def to_array(values: Any) -> Array:
    """Make an array of numbers from an array or from rectangular nested sequences.

    Raises:
        ValueError: Ragged, or elements that are not numbers (booleans are not), or integers beyond 64 bits.
    """
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError, TypeError) as error:
        raise ValueError(f"expected a rectangular array of numbers, got something ragged ({error})") from error
    if array.dtype.kind not in "iuf":
        raise ValueError(f"expected an array of numbers, got dtype {array.dtype}")
    return array


def to_dtype(array: Array, dtype: TensorDtype) -> Array:
    """Give *array* the wire's element type, exactly, or refuse; contiguous, and not copied when it is right already.

    Raises:
        ValueError: Fractions, NaN or too large integers for int64; a finite number that float32 cannot hold.
    """
    if array.dtype != dtype.numpy:
        array = _cast_to_int64(array) if dtype is TensorDtype.INT64 else _cast_to_float32(array)
    return np.ascontiguousarray(array)


def _cast_to_int64(array: Array) -> Array:
    if array.dtype.kind == "i":
        return array.astype(np.int64)
    with np.errstate(invalid="ignore"):
        converted = array.astype(np.int64)
        is_exact = np.array_equal(converted.astype(array.dtype), array)
    if not is_exact or (array.dtype.kind == "u" and np.any(converted < 0)):
        raise ValueError(f"expected integers that fit int64, got {array.dtype} values that do not")
    return converted


def _cast_to_float32(array: Array) -> Array:
    try:
        with np.errstate(over="raise"):
            return array.astype(np.float32)
    except FloatingPointError as error:
        raise ValueError(f"expected numbers that fit float32, got {array.dtype} values that do not") from error


def to_tokens(values: Any) -> TokenArray:
    """Make a flat int32 array of token ids; an int32 array passes as it is.

    Raises:
        ValueError: Not one-dimensional, not integers, or an id beyond int32.
    """
    try:
        array = to_array(values)
    except ValueError as error:
        raise ValueError(
            f"tokens must be a flat list of ints that fit int32, got {type(values).__name__}: {error}"
        ) from error
    if array.size == 0:
        return np.empty(0, np.int32)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"tokens must be a flat list of ints, got shape {array.shape} of {array.dtype}")
    if array.dtype != np.int32 and (array.min() < -(2**31) or array.max() >= 2**31):
        raise ValueError(f"tokens must fit int32, got {array.min()} … {array.max()}")
    return np.ascontiguousarray(array, dtype=np.int32)


def _to_flat(values: Any) -> Array:
    return to_array(values if values is not None else ()).reshape(-1)


def _to_shape(shape: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if shape is None else tuple(int(side) for side in shape)


def _to_indices(values: Any) -> IntArray | None:
    return None if values is None else to_dtype(to_array(values).reshape(-1), TensorDtype.INT64)


@frozen
class TensorData:
    """A tensor as the protocol sends it.

    ``TensorData([1, 2], "int64", [2])``, `from_numpy`, or `from_numpy_sparse`. Lists are converted, arrays of the
    right dtype are kept as they are (flattened, without a copy where numpy allows).

    Raises:
        ValueError: The elements do not fit *dtype*, do not fill *shape*, or the sparse indices contradict them.
    """

    data: Array = field(converter=_to_flat, eq=BY_ELEMENTS, hash=False, repr=brief)
    """The stored elements, flat, in row-major order, of dtype `dtype`. Sparse: only the listed ones."""
    dtype: TensorDtype = field(converter=TensorDtype)
    """``"int64"`` or ``"float32"``."""
    shape: tuple[int, ...] | None = field(default=None, converter=_to_shape)
    """The dense shape; ``None`` when nobody said (then one-dimensional) and for a scalar."""
    sparse_crow_indices: IntArray | None = field(
        default=None, converter=_to_indices, eq=BY_ELEMENTS, hash=False, repr=brief
    )
    """CSR row pointers, int64, rows + 1 of them; ``None`` when dense."""
    sparse_col_indices: IntArray | None = field(
        default=None, converter=_to_indices, eq=BY_ELEMENTS, hash=False, repr=brief
    )
    """CSR column of each stored element, int64; ``None`` when dense."""

    def __attrs_post_init__(self) -> None:
        # The element type is only known once all fields are; frozen classes are completed this way.
        object.__setattr__(self, "data", to_dtype(self.data, self.dtype))
        if self.shape is not None and not _is_reasonable(self.shape):
            raise ValueError(f"shape must have at most 32 sides, none negative and none huge, got {list(self.shape)}")
        if self.sparse_crow_indices is not None or self.sparse_col_indices is not None:
            self._check_sparse()
        elif self.shape is not None and _count(self.shape) != self.data.size:
            raise ValueError(f"shape {list(self.shape)} needs {_count(self.shape)} elements, got {self.data.size}")

    def _check_sparse(self) -> None:
        crow, col = self.sparse_crow_indices, self.sparse_col_indices
        if crow is None or col is None or self.shape is None or len(self.shape) != _MATRIX:
            raise ValueError("a sparse tensor needs crow indices, col indices and a shape of two sides, got less")
        rows, columns = self.shape
        if crow.size != rows + 1 or crow[0] != 0 or crow[-1] != self.data.size or np.any(np.diff(crow) < 0):
            raise ValueError(
                f"crow indices must rise from 0 to {self.data.size} in {rows + 1} steps, got {brief(crow)}"
            )
        if col.size != self.data.size or (col.size and (col.min() < 0 or col.max() >= columns)):
            raise ValueError(f"col indices must be {self.data.size} values in [0, {columns}), got {brief(col)}")

    @classmethod
    def from_numpy(cls, array: Array) -> "TensorData":
        """Wrap an array: floating kinds become float32, integers int64.

        Raises:
            ValueError: Another kind (bool, complex, bfloat16, objects), or values that do not fit.
        """
        dtype = TensorDtype.FLOAT32 if to_array(array).dtype.kind == "f" else TensorDtype.INT64
        return cls(array, dtype, array.shape or None)

    @classmethod
    def from_numpy_sparse(cls, array: Array, *, pad_value: int = 0) -> "TensorData":
        """Wrap a matrix as compressed sparse rows if that is smaller, dense otherwise.

        Args:
            array: Shape ``(rows, columns)``; other ranks stay dense.
            pad_value: The element that is left out.
        """
        if array.ndim != _MATRIX:
            return cls.from_numpy(array)
        rows, columns = np.nonzero(array != pad_value)
        if array.shape[0] + 1 + 2 * rows.size >= array.size:
            return cls.from_numpy(array)
        crow = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=array.shape[0]))))
        dtype = TensorDtype.FLOAT32 if array.dtype.kind == "f" else TensorDtype.INT64
        return cls(array[rows, columns], dtype, array.shape, crow, columns.astype(np.int64))

    @property
    def is_sparse(self) -> bool:
        """Whether the elements are stored as compressed sparse rows."""
        return self.sparse_crow_indices is not None

    def to_numpy(self, *, pad_value: int = 0) -> Array:
        """Return the tensor in its shape. A dense one shares memory with `data`; a sparse one is filled with *pad_value*."""
        if self.sparse_crow_indices is None or self.sparse_col_indices is None or self.shape is None:
            return self.data if self.shape is None else self.data.reshape(self.shape)
        dense = np.full(self.shape, pad_value, self.dtype.numpy)
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.sparse_crow_indices))
        dense[rows, self.sparse_col_indices] = self.data
        return dense

    def to_dense(self) -> "TensorData":
        """Return the tensor with all its elements stored: itself if it is dense already."""
        return TensorData(self.to_numpy(), self.dtype, self.shape) if self.is_sparse else self

    def tolist(self, *, pad_value: int = 0) -> Any:
        """Return nested lists of Python numbers in the tensor's shape."""
        return self.to_numpy(pad_value=pad_value).tolist()


# How attrs fills a frozen class with slots, without looking anything up: half the cost of `object.__setattr__`.
_PUT = tuple(getattr(TensorData, attribute.name).__set__ for attribute in fields(TensorData))


def split_rows(elements: Array, bounds: Sequence[int], dtype: TensorDtype) -> list[TensorData]:
    """Make the one-dimensional tensors that lie between *bounds*, unchecked and at a tenth of the cost. For decoders.

    Args:
        elements: Flat, contiguous, of *dtype*; the tensors are views of it.
        bounds: Rising indices into it, one more than tensors. Nobody looks.
        dtype: The element type.
    """
    new, put_data, put_dtype, put_shape, put_crow, put_col = object.__new__, *_PUT
    tensors: list[TensorData] = []
    for first, last in pairwise(bounds):
        tensor = new(TensorData)
        put_data(tensor, elements[first:last])
        put_dtype(tensor, dtype)
        put_shape(tensor, (last - first,))
        put_crow(tensor, None)
        put_col(tensor, None)
        tensors.append(tensor)
    return tensors


def _count(shape: tuple[int, ...]) -> int:
    return math.prod(shape)


def _is_reasonable(shape: tuple[int, ...]) -> bool:
    """Whether numpy can hold an array of that shape at all, even an empty one."""
    sides = [side or 1 for side in shape]
    return len(shape) <= _MAX_RANK and min(sides, default=1) > 0 and math.prod(sides) <= _MAX_ELEMENTS

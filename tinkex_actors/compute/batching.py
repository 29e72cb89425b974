"""Split one call's data into slices that the server takes, by count and by estimated bytes.

The estimate is the protocol's: what the tensors and chunks weigh raw, not what the body will. Both sides of the limit
use it, so a slice that fits here fits there. Pure and deterministic: the same data make the same slices, which is what
lets a restarted trainer resend them.
"""

from collections.abc import Sequence
from typing import assert_never

from attrs import frozen

from tinkex_actors.types import (
    ClientConfigResponse,
    Datum,
    DmelChunk,
    EncodedTextChunk,
    ImageAssetPointerChunk,
    ImageChunk,
    ModelInputChunk,
    TensorData,
)

_TOKEN_BYTES = 4


@frozen
class SliceLimits:
    """How much one slice may hold."""

    max_data: int = ClientConfigResponse().fwdbwd_max_chunk_len
    """Most data."""
    max_bytes: int = ClientConfigResponse().fwdbwd_max_chunk_bytes_count
    """Most estimated bytes; a datum beyond them travels alone."""


@frozen
class DataSlice:
    """A run of a call's data that one request carries."""

    start: int
    """Index of its first datum in the call."""
    data: tuple[Datum, ...]
    size_bytes: int
    """Estimated."""


def estimate_bytes(datum: Datum) -> int:
    """Estimate what a datum weighs on the wire, in bytes; provenance counts nothing."""
    return sum(map(_chunk_bytes, datum.model_input.chunks)) + sum(map(_tensor_bytes, datum.loss_fn_inputs.values()))


def _chunk_bytes(chunk: ModelInputChunk) -> int:
    match chunk:
        case EncodedTextChunk():
            return _TOKEN_BYTES * chunk.length
        case ImageChunk():
            return len(chunk.data)
        case ImageAssetPointerChunk():
            return len(chunk.location)
        case DmelChunk():
            return len(chunk.dmel)
        case _:
            assert_never(chunk)


def _tensor_bytes(tensor: TensorData) -> int:
    crow, col = tensor.sparse_crow_indices, tensor.sparse_col_indices
    return tensor.data.nbytes + (0 if crow is None else crow.nbytes) + (0 if col is None else col.nbytes)


def slice_data(data: Sequence[Datum], limits: SliceLimits) -> tuple[DataSlice, ...]:
    """Split *data* into slices, in order and greedily.

    Returns:
        At least one slice, none of them empty. Together they are *data*, and each keeps the limits unless it is one
        datum that does not.

    Raises:
        ValueError: There are no data, or one of them points to an image elsewhere, which cannot train.
    """
    if not data:
        raise ValueError("data must hold at least one datum, got none")
    slices: list[DataSlice] = []
    start, weight = 0, 0
    for index, datum in enumerate(data):
        check_trainable(datum, index)
        size = estimate_bytes(datum)
        if index > start and (weight + size > limits.max_bytes or index - start >= limits.max_data):
            slices.append(DataSlice(start, tuple(data[start:index]), weight))
            start, weight = index, 0
        weight += size
    slices.append(DataSlice(start, tuple(data[start:]), weight))
    return tuple(slices)


def check_trainable(datum: Datum, index: int) -> None:
    """Refuse what a training request has no field for, before a number is taken.

    Raises:
        ValueError: A chunk points to an image elsewhere.
    """
    for chunk in datum.model_input.chunks:
        if isinstance(chunk, ImageAssetPointerChunk):
            raise ValueError(  # noqa: TRY004 - the official SDK's class
                f"data[{index}] points to the image {chunk.location!r}; training takes inline images, send its bytes"
            )

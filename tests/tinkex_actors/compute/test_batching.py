"""`tinkex_actors.compute.batching`: the limits, exactly."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tinkex_actors.wire.strategies import BARE_DATA
from tinkex_actors.compute import SliceLimits, estimate_bytes, slice_data
from tinkex_actors.types import (
    Datum,
    DmelChunk,
    EncodedTextChunk,
    ImageAssetPointerChunk,
    ImageChunk,
    ModelInput,
    TensorData,
)

LIMITS = SliceLimits()


def _weighing(size_bytes: int) -> Datum:
    """A datum of that estimated size."""
    return Datum(ModelInput((ImageChunk(bytes(size_bytes), "png"),)))


def _counts(data: list[Datum], limits: SliceLimits = LIMITS) -> list[int]:
    return [len(part.data) for part in slice_data(data, limits)]


@pytest.mark.tinkex("T20")
@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        ([1] * 1024, [1024]),
        ([1] * 1025, [1024, 1]),
        ([100_000] * 51, [50, 1]),
        ([600_000] * 9, [8, 1]),
        ([10, 2_000_000, 400, 2_000_000, 7], [5]),
        ([10, 2_000_000, 400, 2_000_000, 7, 2_000_000], [5, 1]),
    ],
)
def test_data_are_split_by_count_and_by_bytes(sizes: list[int], counts: list[int]) -> None:
    """The service's own limits: 1,024 data and 5,000,000 bytes."""
    assert _counts([_weighing(size) for size in sizes]) == counts


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [([101], [1]), ([101, 1], [1, 1]), ([1, 101, 1], [1, 1, 1]), ([50, 50], [2]), ([50, 51], [1, 1])],
)
def test_a_datum_beyond_the_limit_travels_alone(sizes: list[int], counts: list[int]) -> None:
    """It is the server's to refuse; splitting it is impossible, and nothing before or after it suffers."""
    assert _counts([_weighing(size) for size in sizes], SliceLimits(max_bytes=100)) == counts


@pytest.mark.tinkex("T26")
def test_no_data_are_refused() -> None:
    """An empty slice would use up a number for nothing."""
    with pytest.raises(ValueError, match="at least one datum, got none"):
        slice_data([], LIMITS)


def test_a_pointer_to_an_image_is_refused_with_its_place() -> None:
    """Before a number is taken: the request has no field for it."""
    pointer = Datum(ModelInput((ImageAssetPointerChunk("asset", "png"),)))
    with pytest.raises(ValueError, match=r"data\[1\] points to the image 'asset'"):
        slice_data([_weighing(1), pointer], LIMITS)


@pytest.mark.tinkex("T148")
def test_estimates_are_the_protocols() -> None:
    """4 a token, what is stored of a tensor, 8 an index; bytes as they are."""
    sparse = TensorData([7], "int64", [2, 3], [0, 0, 1], [2])
    inputs: dict[str, Any] = {
        "weights": np.zeros((2, 3), np.float32),
        "target_tokens": np.zeros(5, np.int64),
        "s": sparse,
    }
    chunks = (
        EncodedTextChunk([1, 2, 3]),
        ImageChunk(b"12345", "png"),
        DmelChunk(b"12"),
        ImageAssetPointerChunk("loc", "png"),
    )
    assert estimate_bytes(Datum(ModelInput(chunks), inputs)) == 12 + 5 + 2 + 3 + 24 + 40 + (8 + 24 + 8)


@given(st.lists(BARE_DATA, min_size=1, max_size=12), st.integers(1, 5), st.integers(1, 120))
def test_slices_are_the_data_in_order_and_greedy(data: list[Datum], count: int, size: int) -> None:
    """Nothing lost, nothing twice, nothing split that would have fitted."""
    limits = SliceLimits(count, size)
    slices = slice_data(data, limits)
    assert [datum for part in slices for datum in part.data] == data
    for part in slices:
        assert part.data[0] is data[part.start]
        assert part.size_bytes == sum(map(estimate_bytes, part.data))
        assert len(part.data) <= count
        assert part.size_bytes <= size or len(part.data) == 1
    for part, following in pairwise(slices):
        is_full = len(part.data) == count
        assert is_full or part.size_bytes + estimate_bytes(following.data[0]) > size

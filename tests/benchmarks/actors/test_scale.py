"""The runtime at sizes of ten thousand; full size is `python -m benchmarks.actors.scale`."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from benchmarks.actors import scale
from benchmarks.actors.memory import resident_bytes

MEGABYTE = 2**20


@pytest.mark.parametrize(
    ("fn", "size"), [(scale.crowd, 5_000), (scale.ring, 100), (scale.crashes, 1_000)], ids=["crowd", "ring", "crashes"]
)
def test_large_numbers_do_what_small_ones_do(fn: Callable[[int], Awaitable[str]], size: int) -> None:
    """Each measure checks its answers itself: nothing is lost, nobody else is touched, nothing is left."""
    assert trio.run(fn, size)


def test_a_flood_of_casts_takes_no_memory() -> None:
    """Senders wait at a bounded mailbox: ten times as many casts need no more room."""
    trio.run(scale.flood, 1_000)
    before = resident_bytes()

    trio.run(scale.flood, 50_000)

    assert resident_bytes() - before < 4 * MEGABYTE

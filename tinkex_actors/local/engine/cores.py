"""How the engine uses the machine's cores: BLAS on one thread, whole pieces of a batch side by side.

A BLAS that splits every small matrix product over all cores waits at the end of each for the slowest, and as soon as
anything else runs on the machine that waiting is most of the time: six times slower in our measurements. Its rounding
also depends on the number of its threads. So BLAS gets one thread, and the engine computes independent pieces of a batch
in parallel, whose sizes and whose order of summation do not depend on the number of cores: neither do the bits.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")


def use_one_blas_thread() -> None:
    """Limit BLAS to one thread in this process, for good: undoing it would race with another thread's engine call."""
    threadpool_limits(limits=1, user_api="blas")


def usable_cores() -> int:
    """Return the number of cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_order(compute: Callable[[T], R], pieces: Sequence[T], *, workers: int) -> Iterator[R]:
    """Yield ``compute(piece)`` for every piece in order, *workers* of them at a time.

    The first exception of a piece is raised in its place, after the pieces already begun have ended.
    """
    if workers == 1 or len(pieces) == 1:
        yield from map(compute, pieces)
        return
    with ThreadPoolExecutor(min(workers, len(pieces)), thread_name_prefix="tinkex-engine") as pool:
        yield from pool.map(compute, pieces)

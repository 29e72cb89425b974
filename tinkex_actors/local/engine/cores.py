"""How the engine uses the machine: BLAS on one thread, pieces of a batch side by side, freed memory kept.

A BLAS that splits every small matrix product over all cores waits at the end of each for the slowest, and as soon as
anything else runs on the machine that waiting is most of the time: six times slower in our measurements. Its rounding
also depends on the number of its threads. So BLAS gets one thread, and the engine computes independent pieces of a batch
in parallel, whose sizes and whose order of summation do not depend on the number of cores: neither do the bits.

A step also allocates and frees some hundred megabytes of intermediate arrays. By default glibc gives them back to the
kernel, which hands out zeroed pages again at the next step: a quarter of the time for a small model.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
_KEPT_BYTES = 512 << 20
_MAPPED_BYTES = 32 << 20


def prepare_process() -> None:
    """Limit BLAS to one thread and let malloc keep up to half a gigabyte of freed memory, in this process and for good.

    May be called again. Not undone anywhere: that would race with an engine call in another thread.
    """
    threadpool_limits(limits=1, user_api="blas")
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
            mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)


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

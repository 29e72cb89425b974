"""Worker threads for users' losses: a bounded number, each with a time of its own.

A thread cannot be stopped from outside. One whose time is over, or whose operation was withdrawn, is left behind: it goes
on for itself, its result is dropped, and it does not keep the program from ending. How many may be left behind is bounded
too; beyond that, losses are refused instead of slowing down everything else.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import trio

from tinkex_actors.compute.loss_errors import LossError

T = TypeVar("T")


class LossThreads:
    """Threads for all losses of one tree."""

    def __init__(self, at_once: int) -> None:
        self._limiter = trio.CapacityLimiter(at_once)
        self._most = 2 * at_once
        self.running = 0
        """How many threads are at work, the ones left behind included."""

    async def run(self, function: Callable[[], T], *, seconds: float, name: str) -> T:
        """Run *function* in a thread. Waiting for a thread does not count.

        Args:
            function: May be left behind by cancelling.
            seconds: How long it may take.
            name: The thread's, for debuggers.

        Raises:
            trio.TooSlowError: Its time was over; the thread is left behind.
            LossError: Too many threads were left behind.
        """
        async with self._limiter:
            if self.running >= self._most:
                raise LossError(
                    f"expected at most {self._most} threads at work on losses, got as many, most of them left behind; "
                    "find out why losses take so long, or raise loss_threads"
                )
            with trio.fail_after(seconds):
                return await trio.to_thread.run_sync(
                    function,
                    abandon_on_cancel=True,
                    limiter=_Tally(self),  # type: ignore[arg-type]  # trio takes whatever has these two methods
                    thread_name=name,
                )


class _Tally:
    """Counts threads from their start to their true end, as a limiter sees them."""

    def __init__(self, threads: LossThreads) -> None:
        self._threads = threads

    # Trio tells for whom; the number is enough here.
    async def acquire_on_behalf_of(self, _: Any) -> None:
        self._threads.running += 1

    def release_on_behalf_of(self, _: Any) -> None:
        self._threads.running -= 1

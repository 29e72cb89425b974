"""Mean and spread of the values of the last while: a window that slides in steps.

The window is cut into slices; values go into the newest, and a slice is forgotten when it has left the window whole. What is
read covers between ``window * (1 - 1 / slices)`` and ``window`` seconds. Within a slice, count, mean and sum of squared
distances are kept by Welford's rule, and slices are put together by Chan's: no value is kept, and nothing cancels out.
"""

import math
from collections import deque
from collections.abc import Callable

from attrs import define, frozen


@frozen
class SummaryReading:
    """What the values of the window were. Without any, the mean is NaN; with fewer than two, so is the spread."""

    count: int
    mean: float
    stddev: float
    """The sample's standard deviation."""
    last: float
    """The newest value; it stays when the window has passed it."""


@define
class _Slice:
    began: float
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        distance = value - self.mean
        self.mean += distance / self.count
        self.squares += distance * (value - self.mean)

    def join(self, other: "_Slice") -> "_Slice":
        """Put two slices together."""
        count = self.count + other.count
        if not count:
            return self
        distance = other.mean - self.mean
        mean = self.mean + distance * other.count / count
        squares = self.squares + other.squares + distance**2 * self.count * other.count / count
        return _Slice(self.began, count, mean, squares)


class Summary:
    """Summarises what was observed within *window* seconds of *clock*."""

    __slots__ = ("_clock", "_last", "_slices", "_step", "_window")

    def __init__(self, clock: Callable[[], float], *, window: float = 60.0, slices: int = 6) -> None:
        if not window > 0 or slices < 1:
            raise ValueError(f"a window must be > 0 s in >= 1 slices, got {window} s in {slices}")
        self._clock = clock
        self._window = window
        self._step = window / slices
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._slices = deque[_Slice]()
        self._last = math.nan

    def observe(self, value: float) -> None:
        """Take one value.

        Raises:
            ValueError: It is no finite number: one such would poison the mean for a whole window.
        """
        if not math.isfinite(value):
            raise ValueError(f"a summary takes finite numbers, got {value}")
        now = self._clock()
        slices = self._slices
        if not slices or now - slices[-1].began >= self._step:
            self._forget(now)
            slices.append(_Slice(now))
        slices[-1].add(value)
        self._last = value

    def read(self) -> SummaryReading:
        """Say what the values of the window were."""
        self._forget(self._clock())
        whole = _Slice(0.0)
        for one in self._slices:
            whole = whole.join(one)
        mean = whole.mean if whole.count else math.nan
        stddev = math.sqrt(whole.squares / (whole.count - 1)) if whole.count > 1 else math.nan
        return SummaryReading(whole.count, mean, stddev, self._last)

    def _forget(self, now: float) -> None:
        while self._slices and now - self._slices[0].began >= self._window:
            self._slices.popleft()

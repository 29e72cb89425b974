"""A histogram whose percentiles are right to one per cent, however many values it has seen.

Buckets grow geometrically: bucket *i* holds ``(g**(i-1), g**i]`` with ``g = (1 + e) / (1 - e)``, and a percentile is
answered with the value whose relative distance to both ends of its bucket is *e*. So the answer differs by at most the
share *e* = `RELATIVE_ERROR` from the true nearest-rank percentile of everything recorded, at any time, in bounded memory:
about 2,100 buckets lie between the smallest and the largest value that are told apart. Values outside that range count as
its ends; the sum, the least and the greatest are exact.

Source: the bucket rule is that of DDSketch (Masson, Rim, Lee, 2019).
"""

import math
from collections.abc import Sequence

from attrs import frozen

RELATIVE_ERROR = 0.01
"""How far a percentile may lie from the true one, as a share of it."""

SMALLEST, LARGEST = 1e-9, 1e9
"""Between these values are told apart. Smaller ones, zero too, count as zero."""

_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_SCALE = 1 / math.log(_GROWTH)
_MIDDLE = 2 / (1 + _GROWTH)
_LAST = math.ceil(math.log(LARGEST) * _SCALE)


@frozen
class HistogramReading:
    """What a histogram says at one moment. Without values, everything but the count and the sum is NaN."""

    count: int
    sum: float
    min: float
    max: float
    p50: float
    p95: float
    p99: float

    @property
    def mean(self) -> float:
        """The exact mean."""
        return self.sum / self.count if self.count else math.nan


class Histogram:
    """Counts values >= 0: durations, sizes, lengths."""

    __slots__ = ("_counts", "_zeros", "count", "max", "min", "sum")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._counts = dict[int, int]()
        self._zeros = 0
        self.count = 0
        self.sum = 0.0
        self.min = math.inf
        self.max = -math.inf

    def record(self, value: float) -> None:
        """Count one value.

        Raises:
            ValueError: It is below 0, or no number.
        """
        if not value >= 0:
            raise ValueError(f"a histogram counts values >= 0, got {value}")
        self.count += 1
        self.sum += value
        # Written out: two calls of builtins would be a third of what this costs.
        if value < self.min:  # noqa: PLR1730 - see above
            self.min = value
        if value > self.max:  # noqa: PLR1730 - see above
            self.max = value
        if value < SMALLEST:
            self._zeros += 1
            return
        bucket = math.ceil(math.log(value) * _SCALE) if value < LARGEST else _LAST
        counts = self._counts
        counts[bucket] = counts.get(bucket, 0) + 1

    def quantile(self, share: float) -> float:
        """Return the nearest-rank quantile, right to `RELATIVE_ERROR`; NaN when nothing was recorded.

        Raises:
            ValueError: *share* is not in [0, 1].
        """
        return self._quantiles((share,))[0]

    def at_most(self, bounds: Sequence[float]) -> list[int]:
        """Count the values that are at most each bound, as Prometheus wants them.

        Args:
            bounds: Rising. Each is taken to the bucket it falls in, so it is right to `RELATIVE_ERROR` too.
        """
        counts = iter(sorted(self._counts.items()))
        seen, found = self._zeros, list[int]()
        bucket, more = next(counts, (math.inf, 0))
        for bound in bounds:
            last = math.log(bound) * _SCALE if bound > 0 else -math.inf
            while bucket <= last:
                seen += more
                bucket, more = next(counts, (math.inf, 0))
            found.append(seen)
        return found

    def read(self) -> HistogramReading:
        """Say what was recorded so far."""
        p50, p95, p99 = self._quantiles((0.5, 0.95, 0.99))
        least, most = (self.min, self.max) if self.count else (math.nan, math.nan)
        return HistogramReading(self.count, self.sum, least, most, p50, p95, p99)

    def _quantiles(self, shares: Sequence[float]) -> list[float]:
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError(f"a quantile is asked for by a share in [0, 1], got {shares}")
        if not self.count:
            return [math.nan] * len(shares)
        ordered = sorted(self._counts.items())
        return [self._at_rank(max(1, math.ceil(share * self.count)), ordered) for share in shares]

    def _at_rank(self, rank: int, ordered: Sequence[tuple[int, int]]) -> float:
        seen = self._zeros
        if rank <= seen:
            return 0.0
        for bucket, count in ordered:
            seen += count
            if rank <= seen:
                # Never outside of what was recorded: the ends are known exactly.
                return min(max(_GROWTH**bucket * _MIDDLE, self.min), self.max)
        return self.max

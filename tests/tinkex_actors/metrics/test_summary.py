"""The sliding window, against the statistics module."""

import math
import statistics

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.metrics import Summary


@define
class Clock:
    """A clock that is set."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(-1e6, 1e6)), min_size=2, max_size=50))
def test_mean_and_spread_are_those_of_the_window(steps: list[tuple[float, float]]) -> None:
    """Nothing within the window is lost, nothing beyond it counts."""
    clock = Clock()
    summary = Summary(clock, window=60, slices=6)
    seen = list[tuple[float, float]]()
    for pause, value in steps:
        clock.now += pause
        summary.observe(value)
        seen.append((clock.now, value))

    reading = summary.read()

    assert sum(clock.now - at < 50 for at, _ in seen) <= reading.count <= sum(clock.now - at < 60 for at, _ in seen)
    kept = [value for _, value in seen][-reading.count :]
    assert reading.mean == pytest.approx(statistics.fmean(kept), abs=1e-3)
    if len(kept) > 1:
        assert reading.stddev == pytest.approx(statistics.stdev(kept), rel=1e-6, abs=1e-3)


def test_an_old_window_is_empty_and_remembers_the_last_value() -> None:
    """A run that stands still shows no mean of long ago."""
    clock = Clock()
    summary = Summary(clock, window=10)
    summary.observe(4.0)
    clock.now = 11.0

    reading = summary.read()

    assert (reading.count, reading.last) == (0, 4.0)
    assert math.isnan(reading.mean)
    assert math.isnan(reading.stddev)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    """A diverged loss is an event, not a mean."""
    with pytest.raises(ValueError, match="finite"):
        Summary(Clock()).observe(value)

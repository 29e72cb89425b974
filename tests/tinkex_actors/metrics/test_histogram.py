"""The bound that the percentiles promise, against sorting everything."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.metrics import RELATIVE_ERROR, Histogram
from tinkex_actors.metrics.histogram import LARGEST, SMALLEST

VALUES = st.lists(st.floats(SMALLEST, LARGEST), min_size=1, max_size=200)


@given(VALUES, st.floats(0, 1))
def test_a_quantile_is_right_to_the_promised_share(values: list[float], share: float) -> None:
    """Whatever was recorded: nearest rank, within one per cent of the true one."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)

    true = sorted(values)[max(1, math.ceil(share * len(values))) - 1]

    assert histogram.quantile(share) == pytest.approx(true, rel=RELATIVE_ERROR * (1 + 1e-9))


@given(VALUES)
def test_count_sum_and_ends_are_exact(values: list[float]) -> None:
    """Only percentiles are estimated."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    reading = histogram.read()

    assert (reading.count, reading.min, reading.max) == (len(values), min(values), max(values))
    assert reading.mean == pytest.approx(sum(values) / len(values))
    assert reading.min <= reading.p50 <= reading.p95 <= reading.p99 <= reading.max


@given(VALUES, st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=10))
def test_counts_below_a_bound_are_right_up_to_its_bucket(values: list[float], bounds: list[float]) -> None:
    """Prometheus adds them up; a value within a per cent of the bound may fall on either side."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    rising = sorted(bounds)

    for bound, seen in zip(rising, histogram.at_most(rising), strict=True):
        assert sum(value <= bound * (1 - 2.1 * RELATIVE_ERROR) for value in values) <= seen
        assert seen <= sum(value <= bound * (1 + 2.1 * RELATIVE_ERROR) for value in values)


@given(st.lists(st.floats(0, allow_nan=False, allow_infinity=True), max_size=500))
def test_memory_is_bounded_whatever_comes(values: list[float]) -> None:
    """Zeros, infinities and the smallest numbers there are share the ends."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)

    assert len(histogram._counts) <= 2100
    assert histogram.count == len(values)


@pytest.mark.parametrize("value", [-1.0, math.nan, -math.inf])
def test_what_is_no_size_is_refused_and_leaves_no_trace(value: float) -> None:
    """One NaN would make every later mean NaN."""
    histogram = Histogram()

    with pytest.raises(ValueError, match="values >= 0"):
        histogram.record(value)
    assert histogram.read().count == 0


def test_an_empty_histogram_has_no_percentiles() -> None:
    """NaN, not 0: nothing was fast."""
    assert math.isnan(Histogram().read().p99)
    assert math.isnan(Histogram().read().mean)

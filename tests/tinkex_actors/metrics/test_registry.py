"""Names, labels, snapshots: what a set of metrics promises."""

import itertools

import pytest

from tinkex_actors.metrics import Metrics
from tinkex_actors.metrics.registry import OTHERS


def test_counters_and_gauges_read_what_was_put_in() -> None:
    """By name and by label values."""
    metrics = Metrics()
    metrics.counter("requests", labels=("operation",)).of("sample").add(2)
    metrics.increment("requests", operation="sample")
    metrics.set_gauge("sessions", 3)

    snapshot = metrics.snapshot()

    assert snapshot.counters == {"requests": {("sample",): 3.0}}
    assert snapshot.gauges == {"sessions": {(): 3.0}}


def test_a_gauge_may_be_read_only_when_somebody_looks() -> None:
    """So that counting ten thousand actors costs nothing in between."""
    metrics, looks = Metrics(), itertools.count(1)
    metrics.gauge("actors").of().read = lambda: float(next(looks))
    metrics.set_gauge("sessions", 1)

    assert metrics.snapshot().gauges["actors"] == {(): 1.0}
    assert metrics.snapshot().gauges["actors"] == {(): 2.0}


def test_histograms_and_summaries_come_with_their_statistics() -> None:
    """Count, mean and percentiles for one; mean and spread of a window for the other."""
    metrics = Metrics(clock=lambda: 0.0)
    for value in range(1, 101):
        metrics.record_histogram("latency_seconds", value)
        metrics.summary("loss").of().observe(value)

    snapshot = metrics.snapshot()

    assert snapshot.histograms["latency_seconds"][()].p95 == pytest.approx(95, rel=0.01)
    assert snapshot.summaries["loss"][()].mean == pytest.approx(50.5)


def test_a_reset_begins_anew_and_keeps_what_is() -> None:
    """Counts are of a period; how many sessions are open is not."""
    metrics = Metrics()
    metrics.increment("requests")
    metrics.record_histogram("latency", 1.0)
    metrics.set_gauge("sessions", 3)
    held = metrics.counter("requests").of()

    metrics.reset()
    metrics.flush()
    held.add()

    snapshot = metrics.snapshot()
    assert snapshot.counters["requests"][()] == 1.0
    assert snapshot.histograms["latency"][()].count == 0
    assert snapshot.gauges["sessions"][()] == 3.0


def test_labels_beyond_the_bound_share_one_instrument() -> None:
    """A label with a user's data in it must not eat the memory; nothing is lost, only told apart no longer."""
    metrics = Metrics(most_labels=3)
    for place in range(10):
        metrics.increment("requests", user=str(place))

    counted = metrics.snapshot().counters["requests"]

    assert len(counted) == 4
    assert counted[(OTHERS,)] == 7.0


def test_a_name_has_one_kind_and_one_set_of_labels() -> None:
    """Two meanings under one name would be found out by whoever reads the graph."""
    metrics = Metrics()
    metrics.counter("requests", labels=("operation",))

    with pytest.raises(ValueError, match="requests is a counter"):
        metrics.gauge("requests", labels=("operation",))
    with pytest.raises(ValueError, match="with labels"):
        metrics.counter("requests")
    with pytest.raises(ValueError, match="has the labels"):
        metrics.counter("requests", labels=("operation",)).of("a", "b")
    with pytest.raises(ValueError, match="words in lower case"):
        metrics.counter("Requests!")


def test_a_counter_never_goes_down() -> None:
    """Rates are computed from it."""
    with pytest.raises(ValueError, match="goes up"):
        Metrics().increment("requests", -1.0)


def test_two_clients_have_two_sets() -> None:
    """Nothing is module-level."""
    one, other = Metrics(), Metrics()
    one.increment("requests")

    assert other.snapshot().counters == {}

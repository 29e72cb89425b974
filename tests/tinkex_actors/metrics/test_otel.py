"""The metrics as OpenTelemetry's reader finds them: the same names, the same numbers, and nothing done before it asks."""

from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tinkex_actors.metrics import Metrics
from tinkex_actors.metrics.otel import export_metrics


def _read(reader: InMemoryMetricReader) -> Mapping[str, dict[tuple[tuple[str, Any], ...], float]]:
    data = reader.get_metrics_data()
    if data is None:
        return {}
    found: dict[str, dict[tuple[tuple[str, Any], ...], float]] = {}
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                # Observable counters and gauges are all there is, and their points have a value.
                points: Any = metric.data.data_points
                found[metric.name] = {tuple(sorted(one.attributes.items())): one.value for one in points}
    return found


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def metrics(reader: InMemoryMetricReader) -> Metrics:
    metrics = Metrics(clock=lambda: 0.0)
    metrics.counter("requests_total", labels=("operation",)).of("sample").add(3)
    export_metrics(metrics, MeterProvider(metric_readers=[reader]))
    return metrics


def test_counters_and_gauges_are_told_with_their_labels(metrics: Metrics, reader: InMemoryMetricReader) -> None:
    """Those made before the export, those made after it, and gauges that are functions."""
    metrics.counter("requests_total", labels=("operation",)).of("forward").add()
    metrics.gauge("alive").of().read = lambda: 7.0
    told = _read(reader)
    assert told["requests_total"] == {(("operation", "sample"),): 3, (("operation", "forward"),): 1}
    assert told["alive"] == {(): 7.0}


def test_a_histogram_is_told_by_count_sum_and_percentiles(metrics: Metrics, reader: InMemoryMetricReader) -> None:
    """Percentiles that are right to one per cent, rather than buckets that are not."""
    durations = metrics.histogram("duration_seconds", labels=("operation",)).of("sample")
    for value in range(1, 101):
        durations.record(value)
    told, sample = _read(reader), ("operation", "sample")
    assert told["duration_seconds_count"] == {(sample,): 100}
    assert told["duration_seconds_sum"] == {(sample,): 5050}
    assert told["duration_seconds"][sample, ("quantile", "0.95")] == pytest.approx(95, rel=0.01)
    assert len(told["duration_seconds"]) == 3


def test_a_summary_is_told_by_mean_and_count(metrics: Metrics, reader: InMemoryMetricReader) -> None:
    """Nothing while there is nothing: a mean of no values is none."""
    reward = metrics.summary("reward").of()
    assert "reward" not in _read(reader)
    reward.observe(1.0)
    reward.observe(2.0)
    told = _read(reader)
    assert (told["reward"], told["reward_count"]) == ({(): 1.5}, {(): 2})


def test_what_is_updated_after_a_reading_is_in_the_next(metrics: Metrics, reader: InMemoryMetricReader) -> None:
    """Nothing is kept between two readings."""
    _read(reader)
    metrics.counter("requests_total", labels=("operation",)).of("sample").add(2)
    assert _read(reader)["requests_total"] == {(("operation", "sample"),): 5}

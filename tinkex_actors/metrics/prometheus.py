"""Metrics as Prometheus reads them, in its text format, by its own library (``tinkex-actors[metrics]``).

Histograms are told with fixed bounds, which Prometheus needs to add up several processes; summaries with their mean as a
gauge and their count, since a window's quantiles cannot be added.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tinkex_actors.metrics.histogram import Histogram
from tinkex_actors.metrics.registry import Counter, Gauge, Instrument, Labelled, Metrics
from tinkex_actors.metrics.summary import Summary

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Of durations, in seconds."""
SIZE_BOUNDS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8)
"""Of everything else."""


def write_prometheus(metrics: Metrics) -> bytes:
    """Write what all metrics say now."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics))
    return generate_latest(registry)


class _Collector(Collector):
    """Reads the metrics anew for each page."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Tell every metric as Prometheus' own."""
        return tell_metrics(self._metrics)


def tell_metrics(metrics: Metrics) -> Iterator[Metric]:
    """Tell every metric as Prometheus' own, for a page that has others besides."""
    for family in metrics.families():
        yield from _tell(family)


def _tell(family: Labelled[Instrument]) -> Iterator[Metric]:
    counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
    gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    count = GaugeMetricFamily(f"{family.name}_count", family.help, labels=family.labels)
    histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    for values, one in family.instruments.items():
        match one:
            case Counter():
                counter.add_metric(values, one.value)
            case Gauge():
                gauge.add_metric(values, one.look())
            case Summary():
                reading = one.read()
                gauge.add_metric(values, reading.mean)
                count.add_metric(values, reading.count)
            case Histogram():
                histogram.add_metric(values, _buckets(family.name, one), one.sum)
            case _:
                pass
    yield from (told for told in (counter, gauge, count, histogram) if told.samples)


def _buckets(name: str, one: Histogram) -> list[tuple[str, float]]:
    bounds = BOUNDS if name.endswith("_seconds") else SIZE_BOUNDS
    return [
        *((f"{bound:g}", seen) for bound, seen in zip(bounds, one.at_most(bounds), strict=True)),
        ("+Inf", one.count),
    ]

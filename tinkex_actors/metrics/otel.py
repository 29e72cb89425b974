"""Metrics as OpenTelemetry reads them (``tinkex-actors[opentelemetry]``): by its API, when its reader asks.

Nothing is pushed, so an update costs what it costs without it. Counters stay counters and gauges gauges; of a histogram,
whose percentiles are right to `RELATIVE_ERROR` already, are told its count, its sum, and the percentiles as a gauge with
the attribute ``quantile``; of a summary its mean and its count.

A reader may ask from a thread of its own, as a periodic one does: each instrument is then told as it is at that moment, not
all of them at one.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from opentelemetry import metrics as api
from opentelemetry.metrics import CallbackOptions, Observation

from tinkex_actors.metrics.histogram import Histogram
from tinkex_actors.metrics.registry import Counter, Gauge, Instrument, Labelled, Metrics
from tinkex_actors.metrics.summary import Summary

_SCOPE: Final = "tinkex_actors"
Observe = Callable[[CallbackOptions], Iterable[Observation]]
Tell = Callable[[Instrument], Iterator[tuple[float, dict[str, str]]]]


def export_metrics(metrics: Metrics, provider: api.MeterProvider | None = None) -> None:
    """Let the program's meter provider read *metrics*: those there are, and those that come.

    Args:
        metrics: A client's, or a program's own.
        provider: Whose meter; the program's global one by default.
    """
    meter = api.get_meter(_SCOPE, meter_provider=provider)
    metrics.on_family(lambda family, kind: _offer(meter, family, kind))


def _offer(meter: api.Meter, family: Labelled[Instrument], kind: type[Instrument]) -> None:
    name, unit = family.name, "s" if family.name.endswith("_seconds") else ""

    def counter(suffix: str, tell: Tell) -> None:
        meter.create_observable_counter(
            name + suffix, [_observing(family, tell)], "" if suffix == "_count" else unit, family.help
        )

    def gauge(suffix: str, tell: Tell) -> None:
        meter.create_observable_gauge(name + suffix, [_observing(family, tell)], unit, family.help)

    if kind is Counter:
        counter("", _total)
    elif kind is Gauge:
        gauge("", _level)
    elif kind is Histogram:
        counter("_count", _count)
        counter("_sum", _sum)
        gauge("", _percentiles)
    else:
        gauge("", _mean)
        gauge("_count", _count)


def _observing(family: Labelled[Instrument], tell: Tell) -> Observe:
    def observe(_: CallbackOptions) -> Iterator[Observation]:
        # A copy: whoever updates may add label values meanwhile.
        for values, one in list(family.instruments.items()):
            labels = dict(zip(family.labels, values, strict=True))
            for value, more in tell(one):
                yield Observation(value, {**labels, **more})

    return observe


def _total(one: Instrument) -> Iterator[tuple[float, dict[str, str]]]:
    if isinstance(one, Counter):
        yield one.value, {}


def _level(one: Instrument) -> Iterator[tuple[float, dict[str, str]]]:
    if isinstance(one, Gauge):
        yield one.look(), {}


def _count(one: Instrument) -> Iterator[tuple[float, dict[str, str]]]:
    if isinstance(one, Histogram):
        yield one.count, {}
    elif isinstance(one, Summary):
        yield one.read().count, {}


def _sum(one: Instrument) -> Iterator[tuple[float, dict[str, str]]]:
    if isinstance(one, Histogram):
        yield one.sum, {}


def _percentiles(one: Instrument) -> Iterator[tuple[float, dict[str, str]]]:
    if isinstance(one, Histogram) and one.count:
        reading = one.read()
        for quantile, value in (("0.5", reading.p50), ("0.95", reading.p95), ("0.99", reading.p99)):
            yield value, {"quantile": quantile}


def _mean(one: Instrument) -> Iterator[tuple[float, dict[str, str]]]:
    if isinstance(one, Summary) and not math.isnan(mean := one.read().mean):
        yield mean, {}

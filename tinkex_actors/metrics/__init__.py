"""Counters, gauges, histograms and windowed summaries, with labels: plain data of whoever makes it, no task and no lock.

::

    metrics = Metrics()
    sent = metrics.counter("tinkex_requests_total", labels=("operation",))
    sent.of("sample").add()
    print(metrics.snapshot().counters["tinkex_requests_total"])     # {("sample",): 1.0}

A client has one set of metrics, `TinkerClient.metrics`, which outlives every crash in its tree. Nothing here is shared
between clients, and nothing is module-level. An update costs well under two microseconds and never waits.
"""

from tinkex_actors.metrics.histogram import RELATIVE_ERROR as RELATIVE_ERROR
from tinkex_actors.metrics.histogram import Histogram as Histogram
from tinkex_actors.metrics.histogram import HistogramReading as HistogramReading
from tinkex_actors.metrics.registry import Counter as Counter
from tinkex_actors.metrics.registry import Gauge as Gauge
from tinkex_actors.metrics.registry import Labelled as Labelled
from tinkex_actors.metrics.registry import Metrics as Metrics
from tinkex_actors.metrics.registry import Snapshot as Snapshot
from tinkex_actors.metrics.summary import Summary as Summary
from tinkex_actors.metrics.summary import SummaryReading as SummaryReading

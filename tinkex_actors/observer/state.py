"""Everything the page shows, in parts that change at different times."""

import math
from operator import itemgetter
from typing import Any

from attrs import frozen

from tinkex_actors.metrics import Gauge, HistogramReading, Metrics
from tinkex_actors.observer.run_view import RunView
from tinkex_actors.observer.tree_view import Opened, view_trees
from tinkex_actors.observer.watch import Watch
from tinkex_actors.redaction import redact

_WAITS = 30
_DURATION = "tinkex_request_duration_seconds"
_FAILURES = "tinkex_requests_failure"
_OPERATION = ("operation",)


@frozen
class State:
    """What is watched, and how it is put into words."""

    watch: Watch
    runs: RunView
    allow_control: bool

    def trees(self, opened: Opened) -> dict[str, Any]:
        """Describe the trees as far as they are open."""
        return {"trees": redact(view_trees(self.watch, opened)), "allow_control": self.allow_control}

    def requests(self) -> dict[str, Any]:
        """Describe the requests of every tree: how many, how long, how many in vain; and its other counts."""
        return {"sets": [{"name": name, **_read(one)} for name, one in self.counted().items()]}

    def counted(self) -> dict[str, Metrics]:
        """Return the metrics of every tree that has some, by its name."""
        return {one.name: one.metrics for one in self.watch.trees.values() if one.metrics is not None}

    def waits(self) -> dict[str, Any]:
        """Say what waits and why, the first of each tree."""
        return {
            "waits": [
                {"tree": one.name, "total": len(lines), "lines": [redact(str(line)) for line in lines[:_WAITS]]}
                for one in self.watch.trees.values()
                if one.waits is not None and (lines := one.waits())
            ]
        }

    def events(self, after: int) -> dict[str, Any]:
        """List the events after that number."""
        return {
            "events": [
                {
                    "number": one.number,
                    "at": one.at,
                    "kind": one.kind,
                    "path": one.path,
                    "text": redact(one.text),
                    "traceback": redact(one.traceback),
                }
                for one in self.watch.since(after)
            ]
        }

    async def whole(self, opened: Opened, *, after: int = 0) -> dict[str, Any]:
        """Describe everything at once."""
        runs = await self.runs.look()
        return {**self.trees(opened), "runs": redact(runs), **self.requests(), **self.waits(), **self.events(after)}


def _read(metrics: Metrics) -> dict[str, Any]:
    """Read what the page shows of them: latencies and gauges, not every count of every actor."""
    failures = metrics.counter(_FAILURES, labels=_OPERATION).instruments
    durations = metrics.histogram(_DURATION, labels=_OPERATION).instruments
    rows = [
        {
            "operation": labels[0],
            **_latency(one.read()),
            "failures": failures[labels].value if labels in failures else 0.0,
        }
        for labels, one in sorted(durations.items(), key=itemgetter(0))
    ]
    gauges = {
        _name(family.name, labels): one.look()
        for family in metrics.families()
        for labels, one in family.instruments.items()
        if isinstance(one, Gauge)
    }
    return {"requests": rows, "gauges": gauges}


def _latency(reading: HistogramReading) -> dict[str, Any]:
    shown = {"p50": reading.p50, "p95": reading.p95, "p99": reading.p99}
    return {"count": reading.count, **{name: None if math.isnan(value) else value for name, value in shown.items()}}


def _name(name: str, labels: tuple[str, ...]) -> str:
    return f"{name}{{{', '.join(labels)}}}" if labels else name

"""What an update of a metric costs: ``python -m benchmarks.client.metrics``. Microseconds of this process's CPU, the least of five."""

import itertools
import random
import time
from collections.abc import Callable

from tinkex_actors.metrics import Metrics

_UPDATES = 200_000
_ROUNDS = 5
_REACH = 2.0
"""Microseconds that an update may cost."""


def measure(update: Callable[[float], object], values: list[float]) -> float:
    """Return the microseconds of one update, the loop's own taken off."""

    def run(act: Callable[[float], object]) -> float:
        began = time.process_time()
        for value in values:
            act(value)
        return time.process_time() - began

    floor = min(run(float) for _ in range(_ROUNDS))
    return max(0.0, min(run(update) for _ in range(_ROUNDS)) - floor) / len(values) * 1e6


def main() -> None:
    """Print a line for each kind."""
    metrics = Metrics()
    labelled = metrics.counter("requests", labels=("operation",))
    counter, gauge, histogram, summary = (
        labelled.of("sample"),
        metrics.gauge("open").of(),
        metrics.histogram("duration_seconds").of(),
        metrics.summary("loss").of(),
    )
    kinds: dict[str, Callable[[float], object]] = {
        "counter": lambda _: counter.add(),
        "counter, labels looked up": lambda _: labelled.of("sample").add(),
        "gauge": gauge.set,
        "histogram": histogram.record,
        "windowed summary": summary.observe,
    }
    chance = random.Random(0)  # noqa: S311 - the same values each time
    values = list(itertools.islice(iter(lambda: chance.lognormvariate(-3, 2), None), _UPDATES))
    for name, update in kinds.items():
        cost = measure(update, values)
        print(f"{name:28} {cost:5.2f} us of {_REACH:.0f}{'' if cost <= _REACH else '  TOO SLOW'}")


if __name__ == "__main__":
    main()

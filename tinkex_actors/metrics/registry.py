"""The set of metrics: names, labels, and what they all say at one moment.

A metric is a family with label names; each combination of label values is one instrument, made when it is first asked for
and then kept by whoever updates it. The number of combinations is bounded: what comes beyond shares one instrument whose
labels all read `OTHERS`, so that no user's data can fill the memory.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar, cast

from attrs import field, frozen

from tinkex_actors.metrics.histogram import Histogram, HistogramReading
from tinkex_actors.metrics.summary import Summary, SummaryReading

OTHERS = "(others)"
"""Stands for every label value once a family is full."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MOST = 1000


class Instrument(Protocol):
    """One combination of labels of one metric."""

    def reset(self) -> None:
        """Begin anew."""


class Counter:
    """Counts what has happened; it never goes down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, by: float = 1.0) -> None:
        """Count *by* more.

        Raises:
            ValueError: It is below 0, or no number.
        """
        if not by >= 0:
            raise ValueError(f"a counter goes up, got {by}; a gauge goes both ways")
        self.value += by

    def reset(self) -> None:
        """Begin at 0 again."""
        self.value = 0.0


class Gauge:
    """Says how much there is now."""

    __slots__ = ("read", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self.read: Callable[[], float] | None = None
        """When set, asked for the value each time somebody looks: a gauge that nobody looks at costs nothing."""

    def set(self, value: float) -> None:
        """Set it."""
        self.value = value

    def add(self, by: float) -> None:
        """Change it by *by*."""
        self.value += by

    def look(self) -> float:
        """Return the value."""
        return self.value if self.read is None else self.read()

    def reset(self) -> None:
        """Nothing: how much there is now does not change by forgetting what was."""


I_co = TypeVar("I_co", bound=Instrument, covariant=True)


class Labelled(Generic[I_co]):
    """A metric: one instrument for each combination of its labels."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str], make: Callable[[], I_co], most: int) -> None:
        self.name = name
        self.help = help_text
        self.labels = tuple(labels)
        self._make = make
        self._most = most
        self._instruments: dict[tuple[str, ...], I_co] = {}

    def of(self, *values: str) -> I_co:
        """Return the instrument of these label values, in the order of the labels.

        Raises:
            ValueError: Not one value for each label.
        """
        found = self._instruments.get(values)
        if found is not None:
            return found
        if len(values) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, got the values {values}")
        if len(self._instruments) >= self._most:
            values = (OTHERS,) * len(self.labels)
        return self._instruments.setdefault(values, self._make())

    @property
    def instruments(self) -> Mapping[tuple[str, ...], I_co]:
        """Every instrument by its label values."""
        return MappingProxyType(self._instruments)


Values = Mapping[tuple[str, ...], float]
HistogramReadings = Mapping[tuple[str, ...], HistogramReading]
SummaryReadings = Mapping[tuple[str, ...], SummaryReading]


@frozen
class Snapshot:
    """What all metrics said at one moment: by name, then by label values. A metric without labels has the key ``()``."""

    counters: Mapping[str, Values] = field(factory=dict[str, Values])
    gauges: Mapping[str, Values] = field(factory=dict[str, Values])
    histograms: Mapping[str, HistogramReadings] = field(factory=dict[str, HistogramReadings])
    summaries: Mapping[str, SummaryReadings] = field(factory=dict[str, SummaryReadings])


class Metrics:
    """A set of metrics. Belongs to one thread, as everything on trio does.

    Args:
        clock: Tells the seconds for windows.
        most_labels: How many combinations of labels one metric may have.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, most_labels: int = _MOST) -> None:
        self._clock = clock
        self._most = most_labels
        self._families: dict[str, Labelled[Instrument]] = {}
        self._kinds: dict[str, type[Instrument]] = {}
        self._watchers: list[Callable[[Labelled[Instrument], type[Instrument]], None]] = []

    def counter(self, name: str, help_text: str = "", *, labels: Sequence[str] = ()) -> Labelled[Counter]:
        """Return the counter of that name; make it when there is none.

        Raises:
            ValueError: The name is none, or belongs to a metric of another kind or with other labels.
        """
        return self._family(Counter, Counter, name, help_text, labels)

    def gauge(self, name: str, help_text: str = "", *, labels: Sequence[str] = ()) -> Labelled[Gauge]:
        """Return the gauge of that name; make it when there is none. Errors as :meth:`counter`."""
        return self._family(Gauge, Gauge, name, help_text, labels)

    def histogram(self, name: str, help_text: str = "", *, labels: Sequence[str] = ()) -> Labelled[Histogram]:
        """Return the histogram of that name; make it when there is none. Errors as :meth:`counter`."""
        return self._family(Histogram, Histogram, name, help_text, labels)

    def summary(
        self, name: str, help_text: str = "", *, labels: Sequence[str] = (), window: float = 60.0
    ) -> Labelled[Summary]:
        """Return the summary of that name over *window* seconds; make it when there is none. Errors as :meth:`counter`."""
        return self._family(Summary, partial(Summary, self._clock, window=window), name, help_text, labels)

    def increment(self, name: str, by: float = 1.0, **labels: str) -> None:
        """Count *by* more under *name*: the short form, which looks everything up."""
        self.counter(name, labels=tuple(labels)).of(*labels.values()).add(by)

    def set_gauge(self, name: str, value: float, **labels: str) -> None:
        """Set the gauge *name*: the short form."""
        self.gauge(name, labels=tuple(labels)).of(*labels.values()).set(value)

    def record_histogram(self, name: str, value: float, **labels: str) -> None:
        """Record *value* under *name*: the short form."""
        self.histogram(name, labels=tuple(labels)).of(*labels.values()).record(value)

    def snapshot(self) -> Snapshot:
        """Say what every metric says now."""
        found: dict[type[Instrument], dict[str, dict[tuple[str, ...], Any]]] = {}
        for family in self.families():
            readings = {values: _look(one) for values, one in family.instruments.items()}
            found.setdefault(self._kinds[family.name], {})[family.name] = readings
        return Snapshot(*(found.get(kind, {}) for kind in (Counter, Gauge, Histogram, Summary)))

    def families(self) -> tuple[Labelled[Instrument], ...]:
        """Every metric, in the order they were made."""
        return tuple(self._families.values())

    def on_family(self, tell: Callable[[Labelled[Instrument], type[Instrument]], None]) -> None:
        """Tell of every metric with its kind: those there are, now, and others as they are made. For exporters."""
        for family in self.families():
            tell(family, self._kinds[family.name])
        self._watchers.append(tell)

    def reset(self) -> None:
        """Begin anew: counters at 0, histograms and summaries empty. Gauges stay: they say what is."""
        for family in self._families.values():
            for instrument in family.instruments.values():
                instrument.reset()

    def flush(self) -> None:
        """Return when every update made before is seen by :meth:`snapshot`: at once, since updates never wait."""

    def _family(
        self, kind: type[I_co], make: Callable[[], I_co], name: str, help_text: str, labels: Sequence[str]
    ) -> Labelled[I_co]:
        known = self._families.get(name)
        if known is None:
            if not _NAME.fullmatch(name) or not all(_NAME.fullmatch(label) for label in labels):
                raise ValueError(f"names and labels must be words in lower case joined by _, got {name!r} {labels!r}")
            known = self._families[name] = Labelled(name, help_text, labels, make, self._most)
            self._kinds[name] = kind
            for tell in self._watchers:
                tell(known, kind)
        if self._kinds[name] is not kind or known.labels != tuple(labels):
            was = f"{self._kinds[name].__name__.lower()} with labels {known.labels}"
            raise ValueError(f"{name} is a {was}, got {kind.__name__.lower()} with labels {tuple(labels)}")
        return cast("Labelled[I_co]", known)


def _look(one: Instrument) -> float | HistogramReading | SummaryReading:
    match one:
        case Counter():
            return one.value
        case Gauge():
            return one.look()
        case Histogram() | Summary():
            return one.read()
        case _:
            raise TypeError(f"expected a counter, gauge, histogram or summary, got {type(one).__name__}")

"""Ratios between ways of doing one thing, from interleaved rounds in one process.

A subject is a function that does the work *n* times and returns the CPU seconds it took; the first of a table is the
floor. Every round runs all subjects, in reversed order every other time, and gives one ratio for each; the table shows
the median of those ratios and their middle half. The floor appears a second time under another name (the A/A row): how
far its ratio is from 1.00 is how much of any other difference is noise.
"""

import gc
import time
from collections.abc import Callable, Sequence
from statistics import median, quantiles
from typing import Self

import attrs

Subject = Callable[[int], float]


@attrs.frozen
class Contender:
    """One way of doing the work."""

    name: str
    run: Subject
    reach: float | None = None
    """The ratio to the floor that we want to stay under, if any."""


@attrs.frozen
class Row:
    """What one contender took."""

    name: str
    microseconds: float
    ratio: float
    low: float
    high: float
    reach: float | None


def compare(floor: Contender, others: Sequence[Contender], *, count: int, rounds: int) -> list[Row]:
    """Run all contenders *rounds* times over *count* operations each.

    Returns:
        The floor, its A/A twin, then the others in their order.
    """
    contenders = [floor, Contender("same again (A/A)", floor.run), *others]
    times: list[list[float]] = [[] for _ in contenders]
    for number in range(rounds):
        order = range(len(contenders))
        for place in reversed(order) if number % 2 else order:
            gc.collect()
            times[place].append(contenders[place].run(count) / count)
    return [_row(contender, taken, times[0]) for contender, taken in zip(contenders, times, strict=True)]


def _row(contender: Contender, taken: Sequence[float], floor: Sequence[float]) -> Row:
    ratios = [mine / its for mine, its in zip(taken, floor, strict=True)]
    low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    return Row(contender.name, median(taken) * 1e6, median(ratios), low, high, contender.reach)


def table(title: str, rows: Sequence[Row]) -> str:
    """Draw a Markdown table."""
    lines = [f"### {title}", "", "| | CPU µs | x floor | middle half | reach |", "|---|---:|---:|---:|---:|"]
    for row in rows:
        reach = "" if row.reach is None else f"<= {row.reach:g}"
        lines.append(
            f"| {row.name} | {row.microseconds:.2f} | {row.ratio:.2f} | {row.low:.2f} to {row.high:.2f} | {reach} |"
        )
    return "\n".join(lines)


class Stopwatch:
    """CPU seconds of this process between two points: ``with Stopwatch() as watch: ...; watch.seconds``."""

    seconds: float

    def __enter__(self) -> Self:
        self._began = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.process_time() - self._began


def timed(work: Callable[[], object]) -> Subject:
    """Turn work into a subject: do it again and again."""

    def run(count: int) -> float:
        with Stopwatch() as watch:
            for _ in range(count):
                work()
        return watch.seconds

    return run

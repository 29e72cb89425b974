"""Runs as their folders tell them: ``config.json``, ``metrics.jsonl``, ``checkpoints.jsonl`` in the cookbook's formats.

Only numbers are kept of what is read, in columns: a run of a million steps is looked at every other second. Whatever is not
a run, or not JSON, is passed over: a page must not fail over a file that somebody else writes.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from attrs import define, field, frozen

from tinkex_actors.html import show_facts
from tinkex_actors.observer.jsonl import Lines, Row, parse_object

CURVES: Mapping[str, Sequence[str]] = {
    "loss": ("train_mean_nll", "loss", "train/loss", "train_loss", "nll"),
    "learning_rate": ("learning_rate", "lr", "optim/lr"),
    "tokens_per_second": (),
}
"""Curves that every run may have, each with the columns it is taken from: the first that holds a number."""

_SECONDS = ("time/step", "seconds", "time/total_step")
_TOKENS = ("num_tokens", "tokens", "progress/tokens")
_POINTS = 300
"""Most points of a curve that the page gets; a longer one is thinned, its last point kept."""
_MOST_RUNS = 50
_UNTIMED = 100
"""Most steps whose seconds are waited for."""
_FARTHEST = 2**53
"""Steps beyond are no steps, and no browser counts so far."""


@frozen
class Series:
    """One curve over the steps; values that are missing are left out."""

    steps: Sequence[int]
    values: Sequence[float]


@define(eq=False)
class _Curve:
    """One column, step by step. A step that is told again was done again: what was told from there on is over."""

    steps: "array[int]" = field(factory=lambda: array("q"))
    values: "array[float]" = field(factory=lambda: array("d"))

    def add(self, step: int, value: float) -> None:
        while self.steps and self.steps[-1] >= step:
            self.steps.pop()
            self.values.pop()
        self.steps.append(step)
        self.values.append(value)


@define(eq=False)
class RunFiles:
    """One run's folder."""

    path: Path
    has_all_columns: bool = True
    """Whether every column is kept, or only `CURVES`."""
    config: Row = field(factory=dict[str, Any], init=False)
    lines: int = field(default=0, init=False)
    """Of ``metrics.jsonl``, read so far."""
    steps: int = field(default=0, init=False)
    """Done so far, by the last of them: steps count from 0."""
    checkpoints: list[Row] = field(factory=list[Row], init=False)
    """The lines of ``checkpoints.jsonl``."""
    _curves: dict[str, _Curve] = field(factory=dict[str, _Curve], init=False)
    _tokens: dict[int, float] = field(factory=dict[int, float], init=False)
    """Of steps whose seconds are still to be told."""
    _files: dict[str, Lines] = field(factory=dict[str, Lines], init=False)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    def refresh(self) -> None:
        """Read what was added to the files. Blocks for as long as that takes."""
        if not self.config:
            self.config = _read_config(self.path / "config.json")
        for row in self._added("metrics.jsonl"):
            self._note_step(row)
        for row in self._added("timing_spans.jsonl"):
            self._note_seconds(row)
        self._tokens = dict(list(self._tokens.items())[-_UNTIMED:])
        saved = self._added("checkpoints.jsonl")
        self.checkpoints = [*self.checkpoints, *saved]

    def series(self, name: str) -> Series:
        """Take one curve: ``loss``, ``learning_rate``, ``tokens_per_second``, or a column of ``metrics.jsonl``."""
        curve = self._curves.get(name, _Curve())
        return Series(curve.steps, curve.values)

    def _added(self, name: str) -> Iterator[Row]:
        """Read a file on; if it is another one now, what the old one said is forgotten first."""
        file = self._files.setdefault(name, Lines(self.path / name))
        if file.begins_anew():
            self._forget(name)
        return file.read_on()

    def _forget(self, name: str) -> None:
        match name:
            case "metrics.jsonl":
                self.lines, self.steps, self._curves, self._tokens = 0, 0, {}, {}
            case "checkpoints.jsonl":
                self.checkpoints = []
            case _:
                pass

    def _note_step(self, row: Row) -> None:
        step = row.get("step", self.lines)
        self.lines += 1
        if not isinstance(step, int) or abs(step) > _FARTHEST:
            return
        self.steps = step + 1
        columns = row.items() if self.has_all_columns else ()
        found = {name: number_in(value) for name, value in columns if name != "step"}
        found |= {name: _first(row, names) for name, names in CURVES.items() if names}
        for name, value in found.items():
            if value is not None:
                self._add(name, step, value)
        tokens, seconds = _first(row, _TOKENS), _first(row, _SECONDS)
        if tokens is not None and seconds:
            self._add("tokens_per_second", step, tokens / seconds)
        elif tokens is not None:
            self._tokens[step] = tokens

    def _note_seconds(self, row: Row) -> None:
        tokens = self._tokens.pop(step, None) if isinstance(step := row.get("step"), int) else None
        spans = row.get("spans")
        # Any: whatever a line holds.
        for span in cast("Sequence[Any]", spans) if isinstance(spans, list) else ():
            seconds = number_in(cast("Row", span).get("duration")) if _is_step(span) else None
            if seconds and tokens is not None:
                self._add("tokens_per_second", cast("int", step), tokens / seconds)

    def _add(self, name: str, step: int, value: float) -> None:
        self._curves.setdefault(name, _Curve()).add(step, value)

    def _repr_html_(self) -> str:
        """Show the run in a notebook: how far it is, how it fares, and its curve."""
        from tinkex_actors.observer.charts import draw_chart  # noqa: PLC0415 - charts draw runs; this one way back is lazy

        self.refresh()
        loss = self.series("loss")
        facts = {
            "model": self.config.get("model_name", "-"),
            "steps": self.steps,
            "loss": f"{loss.values[-1]:.4g}" if loss.values else "-",
            "checkpoints": len(self.checkpoints),
        }
        return show_facts(self.name, facts, drawing=draw_chart([self]) if loss.steps else "")


def find_runs(places: Iterable[Path]) -> list[Path]:
    """Find the run folders among *places* and directly below them, the newest first."""
    found = dict[Path, float]()
    for place in places:
        for folder in (place, *_below(place)):
            written = _written(folder / "metrics.jsonl")
            if written is not None:
                found[folder] = written
    return sorted(found, key=lambda folder: -found[folder])[:_MOST_RUNS]


def thin(series: Series) -> Series:
    """Leave out points that a small picture cannot show."""
    length = len(series.steps)
    kept = list(range(0, length, math.ceil(length / _POINTS) or 1))
    if kept and kept[-1] != length - 1:
        kept.append(length - 1)
    return Series([series.steps[k] for k in kept], [series.values[k] for k in kept])


def _below(place: Path) -> list[Path]:
    try:
        return [folder for folder in place.iterdir() if folder.is_dir()]
    except OSError:
        return []


def _written(file: Path) -> float | None:
    try:
        return file.stat().st_mtime
    except OSError:
        return None


def _read_config(file: Path) -> Row:
    try:
        return parse_object(file.read_bytes()) or {}
    except OSError:
        return {}


def _first(row: Row, names: Sequence[str]) -> float | None:
    """Take the first of these columns that holds a finite number."""
    return next((number for name in names if (number := number_in(row.get(name))) is not None), None)


# Any: whatever a line holds.
def _is_step(span: Any) -> bool:
    return isinstance(span, dict) and cast("Row", span).get("name") == "step"


# Any: whatever a line holds.
def number_in(value: Any) -> float | None:
    """Return a finite number as one; ``None`` for whatever else a line holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None

"""Runs as their folders tell them: ``config.json``, ``metrics.jsonl``, ``checkpoints.jsonl`` in the cookbook's formats.

A file that grows is read on from where it was left, and a line that is not whole yet is left for the next time. Whatever is
not a run, or not JSON, is passed over: a page must not fail over a file that somebody else writes.
"""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from attrs import define, field, frozen

from tinkex_actors.html import show_facts

_POINTS = 300
"""Most points of a curve that the page gets; a longer one is thinned, its last point kept."""
_MOST_RUNS = 50
_LOSSES = ("train_mean_nll", "loss", "train/loss", "train_loss", "nll")
_RATES = ("learning_rate", "lr", "optim/lr")
_SECONDS = ("time/step", "seconds", "time/total_step")
_TOKENS = ("num_tokens", "tokens", "progress/tokens")

Row = dict[str, Any]


@frozen
class Series:
    """One curve over the steps; values that are missing are left out."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


@define(eq=False)
class _Lines:
    """A JSONL file that grows."""

    path: Path
    rows: list[Row] = field(factory=list[Row])
    _offset: int = 0
    _identity: tuple[int, int] = (0, 0)

    def read_on(self) -> list[Row]:
        """Read what was added; anew when it is another file, or was cut."""
        try:
            with self.path.open("rb") as file:
                status = self.path.stat()
                if (status.st_dev, status.st_ino) != self._identity or status.st_size < self._offset:
                    self.rows.clear()
                    self._offset, self._identity = 0, (status.st_dev, status.st_ino)
                file.seek(self._offset)
                added = file.read()
        except OSError:
            return self.rows
        whole = added[: added.rfind(b"\n") + 1]
        self._offset += len(whole)
        self.rows.extend(_parse(whole.splitlines()))
        return self.rows


def _parse(lines: Iterable[bytes]) -> Iterable[Row]:
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield cast("Row", row)


@define(eq=False)
class RunFiles:
    """One run's folder."""

    path: Path
    config: Row = field(factory=dict[str, Any])
    _metrics: _Lines = field(init=False)
    _checkpoints: _Lines = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._metrics = _Lines(self.path / "metrics.jsonl")
        self._checkpoints = _Lines(self.path / "checkpoints.jsonl")

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    def refresh(self) -> None:
        """Read what was added to the files. Blocks for as long as that takes."""
        if not self.config:
            self.config = _read_config(self.path / "config.json")
        self._metrics.read_on()
        self._checkpoints.read_on()

    @property
    def rows(self) -> Sequence[Row]:
        """The lines of ``metrics.jsonl`` read so far."""
        return self._metrics.rows

    @property
    def checkpoints(self) -> Sequence[Row]:
        """The lines of ``checkpoints.jsonl`` read so far."""
        return self._checkpoints.rows

    def _repr_html_(self) -> str:
        """Show the run in a notebook: how far it is, how it fares, and its curve."""
        from tinkex_actors.observer.charts import draw_chart  # noqa: PLC0415 - charts draw runs; this one way back is lazy

        self.refresh()
        loss = self.series("loss")
        facts = {
            "model": self.config.get("model_name", "-"),
            "steps": len(self.rows),
            "loss": f"{loss.values[-1]:.4g}" if loss.values else "-",
            "checkpoints": len(self.checkpoints),
        }
        return show_facts(self.name, facts, drawing=draw_chart([self]) if loss.steps else "")

    def series(self, name: str) -> Series:
        """Take one curve: ``loss``, ``learning_rate``, ``tokens_per_second``, or a column of the file."""
        points = [
            (step, value)
            for place, row in enumerate(self.rows)
            if (value := _value(row, name)) is not None and (step := _step(row, place)) is not None
        ]
        return Series(tuple(step for step, _ in points), tuple(value for _, value in points))


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
    return Series(tuple(series.steps[k] for k in kept), tuple(series.values[k] for k in kept))


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
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return cast("Row", found) if isinstance(found, dict) else {}


def _value(row: Row, name: str) -> float | None:
    match name:
        case "loss":
            return _first(row, _LOSSES)
        case "learning_rate":
            return _first(row, _RATES)
        case "tokens_per_second":
            tokens, seconds = _first(row, _TOKENS), _first(row, _SECONDS)
            return None if tokens is None or not seconds else tokens / seconds
        case _:
            return _first(row, (name,))


def _first(row: Row, names: Sequence[str]) -> float | None:
    """Take the first of these columns that holds a finite number."""
    for name in names:
        value = row.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return None


def _step(row: Row, place: int) -> int | None:
    step = row.get("step", place)
    return step if isinstance(step, int) else None

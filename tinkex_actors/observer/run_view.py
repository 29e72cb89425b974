"""Runs as the page shows them: their folders, and what those that are under way say of themselves.

Folders are read in a thread, and no further than they have grown.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from tinkex_actors.observer.run_files import CURVES, RunFiles, Series, find_runs, thin
from tinkex_actors.observer.watch import Report

_CHECKPOINTS = 10


@define(eq=False)
class RunView:
    """Knows the runs in some folders."""

    places: Sequence[Path]
    reports: Mapping[Path, Report] = field(factory=dict[Path, Report])
    """Runs under way; others may come and go."""
    _known: dict[Path, RunFiles] = field(factory=dict[Path, RunFiles])
    _turn: trio.Lock = field(factory=trio.Lock)

    async def look(self) -> list[dict[str, Any]]:
        """Describe every run: those under way in their order, then the others, the one written last first."""
        reports = {folder: dict(report()) for folder, report in self.reports.items()}
        if not self.places and not reports:
            return []
        async with self._turn:  # two browsers read the same files once after another
            return await trio.to_thread.run_sync(self._read, reports)

    def _read(self, reports: Mapping[Path, Mapping[str, object]]) -> list[dict[str, Any]]:
        folders = dict.fromkeys([*reports, *find_runs(self.places)])
        self._known = {folder: self._known.get(folder) or RunFiles(folder, has_all_columns=False) for folder in folders}
        for run in self._known.values():
            run.refresh()
        return [describe_run(run, reports.get(folder, {})) for folder, run in self._known.items()]


def describe_run(run: RunFiles, report: Mapping[str, object]) -> dict[str, Any]:
    """Describe one run: how far it is, how it fares, what it has saved, and what it does now if it is under way."""
    curves = {name: run.series(name) for name in CURVES}
    return {
        "name": run.name,
        "path": str(run.path),
        "model": run.config.get("model_name") or run.config.get("base_model"),
        "state": report.get("state"),
        "steps": report.get("step", run.steps),
        "of_steps": report.get("steps", run.config.get("steps")),
        "recoveries": report.get("recoveries", 0),
        "last_failure": report.get("last_failure"),
        "curve": _points(thin(curves["loss"])),
        **{f"last_{name}": curve.values[-1] if curve.values else None for name, curve in curves.items()},
        "checkpoints": run.checkpoints[-_CHECKPOINTS:],
    }


def _points(series: Series) -> dict[str, Any]:
    return {"steps": list(series.steps), "values": list(series.values)}

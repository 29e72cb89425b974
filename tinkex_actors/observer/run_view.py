"""Runs as the page shows them, read from their folders in a thread, each file no further than it has grown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from tinkex_actors.observer.run_files import RunFiles, find_runs, thin

_CHECKPOINTS = 10


@define(eq=False)
class RunView:
    """Knows the runs in some folders."""

    places: Sequence[Path]
    _known: dict[Path, RunFiles] = field(factory=dict[Path, RunFiles])
    _turn: trio.Lock = field(factory=trio.Lock)

    async def look(self) -> list[dict[str, Any]]:
        """Describe every run, the one written last first."""
        if not self.places:
            return []
        async with self._turn:  # two browsers read the same files once after another
            return await trio.to_thread.run_sync(self._read)

    def _read(self) -> list[dict[str, Any]]:
        folders = find_runs(self.places)
        self._known = {folder: self._known.get(folder) or RunFiles(folder) for folder in folders}
        for run in self._known.values():
            run.refresh()
        return [describe_run(run) for run in self._known.values()]


def describe_run(run: RunFiles) -> dict[str, Any]:
    """Describe one run: how far it is, how it fares, and what it has saved."""
    last = run.rows[-1] if run.rows else {}
    loss, rate, speed = run.series("loss"), run.series("learning_rate"), run.series("tokens_per_second")
    curve = thin(loss)
    return {
        "name": run.name,
        "path": str(run.path),
        "model": run.config.get("model_name") or run.config.get("base_model"),
        "steps": len(run.rows),
        "step": last.get("step"),
        "progress": last.get("progress"),
        "loss": {"steps": curve.steps, "values": curve.values},
        "last_loss": loss.values[-1] if loss.values else None,
        "learning_rate": rate.values[-1] if rate.values else None,
        "tokens_per_second": speed.values[-1] if speed.values else None,
        "checkpoints": list(run.checkpoints[-_CHECKPOINTS:]),
    }

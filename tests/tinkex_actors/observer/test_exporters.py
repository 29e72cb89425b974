"""Loggers get each line once, in order, whatever the file does."""

import json
from pathlib import Path
from typing import Any

from tinkex_actors.observer.exporters import Exporter, RunLogger
from tinkex_actors.observer.run_files import RunFiles


class Recorder:
    """A run with W&B's methods."""

    def __init__(self) -> None:
        self.config = dict[str, Any]()
        self.steps = list[tuple[int, dict[str, float]]]()
        self.is_finished = False

    def log(self, values: dict[str, float], *, step: int) -> None:
        """Keep one step."""
        self.steps.append((step, values))

    def finish(self) -> None:
        """End."""
        self.is_finished = True


def _append(folder: Path, **row: Any) -> None:
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def test_each_line_is_handed_over_once_with_its_finite_numbers(tmp_path: Path) -> None:
    """Words, absent values and truth are no curves."""
    recorder = Recorder()
    exporter = Exporter(RunFiles(tmp_path), RunLogger(recorder))
    (tmp_path / "config.json").write_text('{"rank": 4}')
    _append(tmp_path, step=0, loss=2, note="x", grad=None, ok=True)
    first = exporter.push()
    _append(tmp_path, step=1, loss=1.5)
    second = exporter.push()
    exporter.close()

    assert (first, second, exporter.push()) == (1, 1, 0)
    assert recorder.steps == [(0, {"loss": 2.0}), (1, {"loss": 1.5})]
    assert recorder.config == {"rank": 4}
    assert recorder.is_finished


def test_a_run_that_was_begun_anew_is_told_anew(tmp_path: Path) -> None:
    """Its file is shorter than what was told."""
    recorder = Recorder()
    exporter = Exporter(RunFiles(tmp_path), RunLogger(recorder))
    _append(tmp_path, step=0, loss=2)
    _append(tmp_path, step=1, loss=1)
    exporter.push()
    (tmp_path / "new").write_text('{"step": 0, "loss": 9}\n')
    (tmp_path / "new").rename(tmp_path / "metrics.jsonl")

    assert exporter.push() == 1
    assert recorder.steps[-1] == (0, {"loss": 9.0})


def test_a_notebook_shows_a_run_and_no_markup_of_others(tmp_path: Path) -> None:
    """Its curve, its model, and what others wrote as text."""
    (tmp_path / "config.json").write_text('{"model_name": "<script>"}')
    _append(tmp_path, step=0, loss=2)

    shown = RunFiles(tmp_path)._repr_html_()

    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    assert "●" in shown

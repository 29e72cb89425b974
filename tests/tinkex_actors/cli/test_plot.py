"""Pictures, charts and exports of run folders."""

import io
import json
import math
import os
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image

from tests.tinkex_actors.cli.inside import tinkex
from tinkex_actors.observer.charts import draw_picture, open_runs
from tinkex_actors.observer.exporters import Exporter, RunLogger
from tinkex_actors.observer.run_files import RunFiles

PICTURES = Path(__file__).parents[3] / "docs" / "pictures"


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two runs whose losses fall."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for place, folder in enumerate(folders):
        folder.mkdir()
        (folder / "config.json").write_text('{"model_name": "tinkex/tiny"}')
        rows = [
            {"step": step, "train_mean_nll": 3 * math.exp(-step / 20) + place, "learning_rate": 1e-4, "mine": step}
            for step in range(100)
        ]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folders


def test_runs_are_drawn_over_one_another_on_the_terminal(runs: list[Path]) -> None:
    """The highest loss on top, the last step to the right, a mark for each run."""
    told = tinkex("plot", *runs)

    assert told.status == 0, told.err
    for words in ("● first", "○ second", "         4 ┤○", "99"):
        assert words in told.out


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_a_picture_is_written_in_the_format_of_its_name(runs: list[Path], name: str, start: bytes) -> None:
    """One panel for each metric that there is."""
    out = runs[0].parent / name

    told = tinkex("plot", *runs, "-o", out, "--json")

    assert told.document == {"picture": str(out), "runs": ["first", "second"]}
    assert out.read_bytes().startswith(start)


def test_any_column_is_a_curve(runs: list[Path]) -> None:
    """And its numbers come in JSON."""
    told = tinkex("plot", runs[0], "-m", "mine", "--json")

    assert told.document["runs"]["first"]["mine"]["values"][:3] == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["-o", "a.gif"], 2, "must end with .png or .svg"),
        (["-m", "nothing"], 1, "no run has nothing"),
        (["-o", "nowhere/a.png"], 1, "cannot write nowhere/a.png"),
    ],
)
def test_what_cannot_be_drawn_is_said(runs: list[Path], arguments: list[str], status: int, sentence: str) -> None:
    """One sentence."""
    told = tinkex("plot", runs[0], *arguments)

    assert told.status == status
    assert sentence in told.err


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    """With what was expected."""
    told = tinkex("plot", tmp_path)

    assert told.status == 1
    assert "has no steps" in told.err


def test_tensorboard_gets_every_number(runs: list[Path], tmp_path: Path) -> None:
    """In a file that it reads."""
    told = tinkex("export", runs[0], "--tensorboard", tmp_path / "tb", "--json")

    assert told.document == {"run": "first", "steps": 100, "folder": str(tmp_path / "tb")}
    (written,) = (tmp_path / "tb").iterdir()
    content = written.read_bytes()
    assert content.count(b"train_mean_nll") == 100
    assert b"tinkex/tiny" in content


def test_the_documentations_charts_are_what_it_draws() -> None:
    """Of two real runs, as `make observer-browser` has kept them."""
    runs = [PICTURES / "runs" / name for name in ("rank-16", "rank-2")]
    told = tinkex("plot", *runs, environ={"COLUMNS": "90"})
    if "PICTURES" in os.environ:
        (PICTURES / "plot.txt").write_text(told.out)
        drawn = draw_picture(open_runs(runs), metrics=["loss", "tokens_per_second"])
        Image.open(io.BytesIO(drawn)).convert("RGB").quantize(64).save(PICTURES / "plot.png", optimize=True)

    assert told.out == (PICTURES / "plot.txt").read_text()
    assert len(draw_picture(open_runs(runs))) > 10_000


def test_a_real_runs_numbers_reach_tensorboard_and_loggers(tmp_path: Path) -> None:
    """Of a run of the daemon: every step once, its seconds apart."""

    class Board:
        config: ClassVar[dict[str, object]] = {}
        steps: ClassVar[list[int]] = []

        def log(self, values: dict[str, float], *, step: int) -> None:
            assert values["train_mean_nll"] > 0
            self.steps.append(step)

        def finish(self) -> None:
            self.config["finished"] = True

    run = PICTURES / "runs" / "rank-16"
    told = tinkex("export", run, "--tensorboard", tmp_path, "--json")
    exporter = Exporter(RunFiles(run), RunLogger(Board()))
    pushed = exporter.push()
    exporter.close()

    assert told.document["steps"] == pushed == len(Board.steps)
    assert Board.steps == list(range(pushed))
    assert Board.config == {"finished": True}

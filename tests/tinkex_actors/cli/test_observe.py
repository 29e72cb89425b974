"""``tinkex observe``: the page of a living process, and of runs that are over."""

import json
import signal
import urllib.request
from pathlib import Path

from tests.tinkex_actors.cli.inside import tinkex
from tests.tinkex_actors.cli.process import read_line, running


def _run_folder(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text('{"step": 0, "train_mean_nll": 2.5}\n')


def test_a_finished_run_is_served_from_its_files_until_it_is_enough(tmp_path: Path) -> None:
    """No process of it is needed; Ctrl-C ends it in order."""
    _run_folder(tmp_path / "runs" / "mine")
    with running(["observe", "runs"], tmp_path) as process:
        url = read_line(process).strip()
        with urllib.request.urlopen(f"{url}api/state", timeout=10) as answer:  # noqa: S310 - our own server's
            state = json.loads(answer.read())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)

    assert process.returncode == 0
    assert [(run["name"], run["last_loss"]) for run in state["runs"]] == [("mine", 2.5)]


def test_a_folder_without_anything_to_show_is_said(tmp_path: Path) -> None:
    """With what to name instead."""
    nothing = tinkex("observe", tmp_path)
    no_process = tinkex("observe", tmp_path, "--json")

    assert nothing.status == no_process.status == 1
    assert "has no run and no process" in nothing.err
    assert "no process with an observer" in no_process.err

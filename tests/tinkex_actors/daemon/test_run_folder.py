import errno
import json
import os
from pathlib import Path

import pytest

from tinkex_actors.daemon.errors import RunFolderError
from tinkex_actors.daemon.run_folder import CheckpointRecord, RunFolder, StepRecord

RECORD = StepRecord(
    step=3,
    epoch=0,
    progress=0.25,
    learning_rate=1e-3,
    num_sequences=16,
    num_tokens=900,
    num_loss_tokens=400,
    train_mean_nll=1.5,
    seconds=0.25,
    total_seconds=1.0,
)


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_step_is_one_line_with_the_cookbooks_keys(tmp_path: Path) -> None:
    """Readers of the cookbook's runs read ours; ``step`` comes first."""
    folder = RunFolder.create(tmp_path / "run", {"model_name": "tiny"})

    folder.append_step(RECORD)

    (line,) = _lines(tmp_path / "run" / "metrics.jsonl")
    assert list(line)[:4] == ["step", "epoch", "progress", "learning_rate"]
    assert (line["train_mean_nll"], line["time/step"], line["time/total"]) == (1.5, 0.25, 1.0)


def test_a_checkpoint_without_a_sampler_leaves_the_key_out(tmp_path: Path) -> None:
    """A row says what exists, not what does not."""
    folder = RunFolder.create(tmp_path, {})

    folder.append_checkpoint(CheckpointRecord("final", 50, 2, "tinkex://x", None, 900, final=True))

    assert _lines(tmp_path / "checkpoints.jsonl") == [
        {"name": "final", "batch": 50, "epoch": 2, "state_path": "tinkex://x", "elapsed_tokens": 900, "final": True}
    ]


def test_not_a_number_becomes_null(tmp_path: Path) -> None:
    """NaN is not JSON; strict readers would refuse the whole file."""
    folder = RunFolder.create(tmp_path, {"x": float("inf")})

    assert json.loads((folder.path / "config.json").read_text()) == {"x": None}


def test_a_second_run_in_one_folder_is_refused(tmp_path: Path) -> None:
    """Two runs' lines in one file could not be told apart."""
    RunFolder.create(tmp_path, {})

    with pytest.raises(RunFolderError, match="already holds a run; name another folder"):
        RunFolder.create(tmp_path, {})


def test_a_folder_that_cannot_be_made_is_named_with_the_reason(tmp_path: Path) -> None:
    """A file where the folder should be stands for every refusal of the system."""
    (tmp_path / "runs").write_text("")

    with pytest.raises(RunFolderError, match=r"cannot write .*runs/one: Not a directory"):
        RunFolder.create(tmp_path / "runs" / "one", {})


def test_a_line_that_does_not_fit_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk cuts a write short; half a line would break every reader of the file."""
    folder = RunFolder.create(tmp_path, {})
    folder.append_step(RECORD)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    real_write = os.write

    def write_a_little(descriptor: int, line: bytes) -> int:
        if len(line) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(descriptor, line[:50])

    monkeypatch.setattr(os, "write", write_a_little)
    with pytest.raises(RunFolderError, match="No space left on device"):
        folder.append_step(RECORD)

    assert (tmp_path / "metrics.jsonl").read_bytes() == before

"""The folder a run leaves behind: ``config.json``, ``metrics.jsonl``, ``checkpoints.jsonl``.

Names and shapes are the Tinker cookbook's, so that its readers and plots work on our runs: one record a line, append
only, ``step`` first, no NaN tokens. A line is written whole or not at all: when the disk is full, what was written of
it is taken back before the error is raised.
"""

import json
import math
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs

from tinkex_actors.daemon.entries import JsonScalar
from tinkex_actors.daemon.errors import RunFolderError

CONFIG, METRICS, CHECKPOINTS = "config.json", "metrics.jsonl", "checkpoints.jsonl"


@attrs.frozen
class StepRecord:
    """One optimizer step as ``metrics.jsonl`` tells it."""

    step: int
    """Counts from 0."""
    epoch: int
    progress: float
    """Share of the run that is done after this step, in (0, 1]."""
    learning_rate: float
    num_sequences: int
    num_tokens: int
    num_loss_tokens: int
    train_mean_nll: float
    """Mean negative log-likelihood of the learned tokens before the step, in nats."""
    seconds: float
    total_seconds: float

    def as_json(self) -> dict[str, JsonScalar]:
        """The cookbook's keys, in its order."""
        record: dict[str, JsonScalar] = attrs.asdict(self)
        record["time/step"] = record.pop("seconds")
        record["time/total"] = record.pop("total_seconds")
        return record


@attrs.frozen
class CheckpointRecord:
    """One saved state as ``checkpoints.jsonl`` tells it."""

    name: str
    batch: int
    """Steps whose effect is in the state."""
    epoch: int
    state_path: str
    sampler_path: str | None
    elapsed_tokens: int
    final: bool = False

    def as_json(self) -> dict[str, JsonScalar]:
        """The cookbook's keys; those without a value are left out."""
        record: dict[str, JsonScalar] = attrs.asdict(self)
        return {key: value for key, value in record.items() if value not in (None, False)}


@attrs.frozen
class RunFolder:
    """Writes one run's files. Its methods block for the length of one small write."""

    path: Path

    @classmethod
    def create(cls, path: Path, config: Mapping[str, JsonScalar]) -> "RunFolder":
        """Make the folder and its ``config.json``.

        Raises:
            RunFolderError: The folder cannot be made or written, or already holds a run.
        """
        folder = cls(path)
        with _reported(path):
            path.mkdir(parents=True, exist_ok=True)
        if (path / METRICS).exists():
            raise RunFolderError(f"{path} already holds a run; name another folder with --out")
        folder.write(CONFIG, json.dumps(finite(config), indent=2) + "\n")
        folder.write(METRICS, "")
        return folder

    def append_step(self, record: StepRecord) -> None:
        """Add a line to ``metrics.jsonl``."""
        self.append(METRICS, encode_line(record.as_json()))

    def append_checkpoint(self, record: CheckpointRecord) -> None:
        """Add a line to ``checkpoints.jsonl``."""
        self.append(CHECKPOINTS, encode_line(record.as_json()))

    def write(self, name: str, content: str | bytes) -> Path:
        """Put a whole file in the folder, or leave what was there."""
        target, part = self.path / name, self.path / f".{name}.part"
        with _reported(target):
            try:
                part.write_bytes(content.encode() if isinstance(content, str) else content)
                part.replace(target)
            except OSError:
                part.unlink(missing_ok=True)
                raise
        return target

    def read(self, name: str) -> bytes:
        """Read a whole file; one that is not there is empty."""
        with _reported(self.path / name):
            return (self.path / name).read_bytes() if (self.path / name).exists() else b""

    def append(self, name: str, lines: bytes) -> None:
        """Add whole lines at the end of a file, or nothing."""
        # Nothing but system calls: this happens in every step.
        target = f"{self.path}/{name}"
        with _reported(target):
            descriptor = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                _write_whole(descriptor, lines)
            finally:
                os.close(descriptor)


def encode_line(record: Mapping[str, JsonScalar]) -> bytes:
    """Write one record of a JSON lines file."""
    return (json.dumps(finite(record), allow_nan=False) + "\n").encode()


def _write_whole(descriptor: int, line: bytes) -> None:
    """Write all of *line* at the end of the file, or nothing of it."""
    done = 0
    try:
        while done < len(line):
            done += os.write(descriptor, line[done:])
    except OSError:
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - done)
        raise


def finite(record: Mapping[str, JsonScalar]) -> dict[str, JsonScalar]:
    """JSON has no NaN and no infinity; readers expect null."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}


@contextmanager
def _reported(path: Path | str) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        raise RunFolderError(f"cannot write {path}: {error.strerror or error}") from error

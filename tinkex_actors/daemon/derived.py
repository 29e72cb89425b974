"""The text files of a run folder that follow the journal: what the Tinker cookbook's readers and plots look for.

``metrics.jsonl`` has one line a step, in order, and nothing in it depends on the clock, so that two runs of one plan can
be compared byte by byte; seconds are in ``timing_spans.jsonl``. ``checkpoints.jsonl`` has the checkpoints there are.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import frozen

from tinkex_actors.daemon.entries import Checkpoint
from tinkex_actors.daemon.run_folder import CHECKPOINTS, METRICS, CheckpointRecord, RunFolder, encode_line

TIMINGS = "timing_spans.jsonl"


@frozen
class DerivedFiles:
    """The files of one folder. Its methods block for the length of one small write.

    All of them raise `RunFolderError` when the disk is full or fails.
    """

    folder: Path

    def append_steps(self, metrics: Iterable[str], timings: Iterable[str]) -> None:
        """Add steps: a line in each file."""
        RunFolder(self.folder).append(METRICS, "".join(f"{line}\n" for line in metrics).encode())
        RunFolder(self.folder).append(TIMINGS, "".join(f"{line}\n" for line in timings).encode())

    def repair_metrics(self, lines: Iterable[str]) -> None:
        """Make ``metrics.jsonl`` have these lines and no others."""
        self._repair(METRICS, lines)

    def repair_timings(self, lines: Iterable[str]) -> None:
        """Make ``timing_spans.jsonl`` have these lines and no others."""
        self._repair(TIMINGS, lines)

    def write_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Make ``checkpoints.jsonl`` tell of these."""
        self._repair(CHECKPOINTS, [encode_line(_to_record(one).as_json()).decode().rstrip("\n") for one in checkpoints])

    def _repair(self, name: str, lines: Iterable[str]) -> None:
        """Append what is missing at the end, so that readers who follow the file go on; else replace the whole file."""
        whole = "".join(f"{line}\n" for line in lines).encode()
        there = RunFolder(self.folder).read(name)
        if whole == there:
            return
        if there and whole.startswith(there):
            RunFolder(self.folder).append(name, whole[len(there) :])
        else:
            RunFolder(self.folder).write(name, whole)


def _to_record(checkpoint: Checkpoint) -> CheckpointRecord:
    return CheckpointRecord(
        name=checkpoint.name,
        batch=checkpoint.step,
        epoch=checkpoint.epoch,
        state_path=checkpoint.state_path or "",
        sampler_path=checkpoint.sampler_path,
        elapsed_tokens=checkpoint.tokens,
        final=checkpoint.is_final,
    )

"""Telling other tools of a run: TensorBoard, Weights & Biases and its like, behind one small protocol.

::

    exporter = Exporter(RunFiles(Path("runs/mine")), TensorBoardLogger(Path("tb/mine")))
    exporter.push()          # what was added to the folder since the last time; as often as wanted
    exporter.close()
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from attrs import define, field

from tinkex_actors.observer.jsonl import Lines
from tinkex_actors.observer.run_files import RunFiles, number_in


class Logger(Protocol):
    """Something that takes numbers by step."""

    def log_config(self, config: Mapping[str, Any]) -> None:
        """Take what the run was told, once, before everything else."""

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Take the numbers of one step; steps rise."""

    def close(self) -> None:
        """Write what is left."""


class TensorBoardLogger:
    """Writes TensorBoard's event files into *folder*, by tensorboardX (``tinkex-actors[tensorboard]``)."""

    def __init__(self, folder: Path) -> None:
        from tensorboardX import SummaryWriter  # noqa: PLC0415 - an extra

        # Any: the library has no types.
        self._writer: Any = SummaryWriter(str(folder))

    def log_config(self, config: Mapping[str, Any]) -> None:
        """Write it as a text, which TensorBoard shows beside the curves."""
        self._writer.add_text("config", "\n".join(f"    {name} = {value!r}" for name, value in sorted(config.items())))

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Write each number under its name."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class RunLogger:
    """Logs to an object with W&B's methods, such as ``wandb.init(...)`` returns: ``run.log(values, step=...)``."""

    def __init__(self, run: Any) -> None:
        """Take the object; nothing is imported, and anything that quacks so will do."""
        self._run = run

    def log_config(self, config: Mapping[str, Any]) -> None:
        """Add to the run's configuration."""
        self._run.config.update(dict(config))

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Hand one step over."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """End the run."""
        self._run.finish()


@define(eq=False)
class Exporter:
    """Hands a run folder's lines to a logger, each once and in order; a run that is begun anew is told anew."""

    run: RunFiles
    logger: Logger
    _lines: Lines = field(init=False)
    _place: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._lines = Lines(self.run.path / "metrics.jsonl")

    def push(self) -> int:
        """Read what was added to the folder, hand it over, and say how many lines that were. Blocks."""
        if self._lines.begins_anew():
            self._place = 0
        before = self._place
        for row in self._lines.read_on():
            if self._place == 0:
                self._tell_config()
            step = row.get("step", self._place)
            self.logger.log(_numbers(row), step=step if isinstance(step, int) else self._place)
            self._place += 1
        return self._place - before

    def _tell_config(self) -> None:
        self.run.refresh()
        if self.run.config:
            self.logger.log_config(self.run.config)

    def close(self) -> None:
        """Have the logger write what is left."""
        self.logger.close()


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Take the finite numbers of a line; the step is no curve."""
    found = {name: number_in(value) for name, value in row.items() if name != "step"}
    return {name: number for name, number in found.items() if number is not None}

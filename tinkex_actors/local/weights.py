"""What is sampled from: weights on the disk, and the few adapters of them that are in memory.

A training loop that samples after every step makes a snapshot each time; their number has no bound, so memory must not
grow with it. Snapshots without a name are files like named checkpoints are, only outside the register and unsynced; an
adapter is read at its first use and forgotten when others were used more recently.
"""

from collections import OrderedDict
from pathlib import Path

import numpy as np
from attrs import define, field, frozen
from safetensors.numpy import (
    load_file,  # pyright: ignore[reportUnknownVariableType] # its signature leaves PathLike bare
    save_file,  # pyright: ignore[reportUnknownVariableType] # likewise
)

from tinkex_actors.local.checkpoints import CheckpointStore, Recipe, StoredCheckpoint, Tensors
from tinkex_actors.local.engine import Adapter, BaseModel, TrainableModel
from tinkex_actors.local.refusals import Gone
from tinkex_actors.local.translation import recipe_to_spec


@frozen
class SnapshotStore:
    """Snapshots without a name, a file each. Every method blocks."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> "SnapshotStore":
        """Open or create the store.

        Raises:
            OSError: The folder cannot be created.
        """
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    def write(self, file: str, adapter: Adapter) -> None:
        """Write an adapter under *file*, whole or not at all; what was there before is replaced."""
        partial = self.folder / f"{file}.partial"
        tensors = {f"adapter.{name}": np.ascontiguousarray(array) for name, array in adapter.weights.items()}
        save_file(tensors, partial)
        partial.rename(self.folder / file)

    def read(self, file: str) -> Tensors:
        """Read what was written under *file*.

        Raises:
            Gone: It is not there any more.
        """
        try:
            return load_file(self.folder / file)
        except FileNotFoundError:
            raise Gone("these weights had no name and are gone; save the weights again") from None

    def keep_only(self, files: frozenset[str]) -> None:
        """Remove every file but these."""
        for path in self.folder.iterdir():
            if path.name not in files:
                path.unlink(missing_ok=True)

    def remove(self, file: str) -> None:
        """Remove a file, if it is there."""
        (self.folder / file).unlink(missing_ok=True)


@frozen
class Shelves:
    """The two places that weights are read from."""

    checkpoints: CheckpointStore
    snapshots: SnapshotStore


@define(eq=False)
class Weights:
    """What one sampling session samples from: a base model, alone or with an adapter from a checkpoint or a snapshot."""

    base: BaseModel
    recipe: Recipe | None = None
    """What the adapter is like; None for the base model alone."""
    checkpoint: StoredCheckpoint | None = None
    file: str | None = None
    """The snapshot's file."""
    adapter: Adapter | None = None
    """In memory, if it is. Replaced as a whole when weights follow the training; a sample keeps what it began with."""

    def at_hand(self, shelves: Shelves) -> Adapter | None:
        """Return the adapter, reading it if need be. Blocks.

        Raises:
            EngineInputError: What is stored does not fit the base.
            Refusal: It is not there any more.
        """
        adapter = self.adapter
        if adapter is None and self.recipe is not None:
            adapter = self.adapter = _load(self.base, self.recipe, self._read(shelves))
        return adapter

    def _read(self, shelves: Shelves) -> Tensors:
        if self.checkpoint is not None:
            return shelves.checkpoints.read(self.checkpoint)
        return shelves.snapshots.read(self.file or "")


def _load(base: BaseModel, recipe: Recipe, tensors: Tensors) -> Adapter:
    model = TrainableModel(base, Adapter.create(base, recipe_to_spec(recipe)))
    model.load_state(tensors, optimizer=False)
    return model.snapshot()


@define(eq=False)
class AdapterCache:
    """Which weights have their adapter in memory: the ones used last."""

    limit: int
    _used: OrderedDict[int, Weights] = field(factory=OrderedDict[int, Weights])

    def touch(self, weights: Weights) -> None:
        """Note that *weights* were used, and let the longest unused go beyond the limit."""
        if weights.recipe is None:
            return
        self._used[id(weights)] = weights
        self._used.move_to_end(id(weights))
        while len(self._used) > self.limit:
            _, oldest = self._used.popitem(last=False)
            oldest.adapter = None

    def forget(self, weights: Weights) -> None:
        """Let *weights* go now."""
        self._used.pop(id(weights), None)
        weights.adapter = None

"""Checkpoints: weights in safetensors files, and a register of them in SQLite.

What is acknowledged is whole and survives ``kill -9`` and a power cut: a file is written under a temporary name, synced
and renamed, its folder is synced, and only then one transaction puts it in the register. A file the register does not
know never happened; opening the store removes it. Overwriting writes a new file and swaps the entry, so a reader sees
the old weights or the new ones.

Everything here blocks on the disk: call it in a worker thread, one call at a time for writing.
"""

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from attrs import asdict, field, frozen
from safetensors.numpy import (
    load_file,  # pyright: ignore[reportUnknownVariableType] # its signature leaves PathLike bare
    save_file,  # pyright: ignore[reportUnknownVariableType] # likewise
)

from tinkex_actors.local.keys import Owner
from tinkex_actors.local.paths import CheckpointPath, Kind
from tinkex_actors.local.refusals import NotFound
from tinkex_actors.types.ids import ModelId

Tensors: TypeAlias = dict[str, npt.NDArray[Any]]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS checkpoints (
    run_id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, owner TEXT NOT NULL,
    file TEXT NOT NULL, size_bytes INTEGER NOT NULL, created_at TEXT NOT NULL, expires_at TEXT,
    is_public INTEGER NOT NULL DEFAULT 0, user_metadata TEXT, recipe TEXT NOT NULL,
    PRIMARY KEY (run_id, kind, name)
);
"""
_COLUMNS = "run_id, kind, name, owner, file, size_bytes, created_at, expires_at, is_public, user_metadata, recipe"
_INSERT = f"REPLACE INTO checkpoints ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - constants


@frozen
class Recipe:
    """What it takes to build the model a checkpoint fits."""

    base_model: str
    rank: int
    train_unembed: bool
    train_mlp: bool
    train_attn: bool
    optimizer: str = "adamw"


@frozen
class StoredCheckpoint:
    """One entry of the register."""

    path: CheckpointPath
    owner: Owner
    file: str
    """Name of the file in the store's folder."""
    size_bytes: int
    created_at: datetime
    recipe: Recipe
    expires_at: datetime | None = None
    is_public: bool = False
    user_metadata: Mapping[str, str] | None = field(default=None, hash=False)

    def is_visible_to(self, owner: Owner) -> bool:
        """Whether *owner* may load it."""
        return self.is_public or self.owner == owner


@frozen
class CheckpointStore:
    """The checkpoints under one folder."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> "CheckpointStore":
        """Open or create the store, and remove what a killed process left half-written.

        Raises:
            OSError: The folder cannot be created or written.
        """
        store = cls(folder)
        store._files.mkdir(parents=True, exist_ok=True)
        with closing(store._connect()) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_SCHEMA)
        store._remove_strays()
        return store

    def write(self, checkpoint: StoredCheckpoint, tensors: Tensors) -> StoredCheckpoint:
        """Store *tensors* and register them; returns the entry with its file and size. Replaces one of the same path."""
        file = f"{uuid4().hex}.safetensors"
        size_bytes = self._write_file(file, tensors)
        with closing(self._connect()) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            previous = _select(connection, checkpoint.path)
            row = _to_row(checkpoint, file, size_bytes)
            connection.execute(_INSERT, row)
        if previous is not None:
            self._unlink(previous.file)
        return _from_row(row)

    def copy(self, checkpoint: StoredCheckpoint, copied: StoredCheckpoint) -> StoredCheckpoint:
        """Register the weights of *checkpoint* a second time, as *copied*; the two share the disk and live apart.

        Raises:
            NotFound: The weights were deleted meanwhile.
        """
        file = f"{uuid4().hex}.safetensors"
        try:
            os.link(self._files / checkpoint.file, self._files / file)
        except FileNotFoundError:
            raise NotFound(f"{checkpoint.path} is no longer there; list the checkpoints again") from None
        _sync(self._files)
        row = _to_row(copied, file, checkpoint.size_bytes)
        with closing(self._connect()) as connection, connection:
            connection.execute(_INSERT, row)
        return _from_row(row)

    def read(self, checkpoint: StoredCheckpoint) -> Tensors:
        """Load the weights.

        Raises:
            NotFound: They were deleted or replaced meanwhile.
        """
        try:
            return load_file(self._files / checkpoint.file)
        except FileNotFoundError:
            raise NotFound(f"{checkpoint.path} is no longer there; list the checkpoints again") from None

    def find(self, path: CheckpointPath, *, now: datetime) -> StoredCheckpoint | None:
        """The entry of *path*, unless it has expired."""
        with closing(self._connect()) as connection:
            found = _select(connection, path)
        return None if found is None or _is_expired(found, now) else found

    def of_run(self, run_id: ModelId, *, now: datetime) -> list[StoredCheckpoint]:
        """The checkpoints of a run, oldest first."""
        return self._list("run_id = ?", run_id, now)

    def of_owner(self, owner: Owner, *, now: datetime) -> list[StoredCheckpoint]:
        """The checkpoints of an owner, oldest first."""
        return self._list("owner = ?", owner, now)

    def newest(self, limit: int, owner: Owner | None, *, now: datetime) -> list[StoredCheckpoint]:
        """The newest checkpoints, of *owner* or of all, newest first."""
        sql = (
            f"SELECT {_COLUMNS} FROM checkpoints WHERE (? IS NULL OR owner = ?) "  # noqa: S608 - constants
            "AND (expires_at IS NULL OR expires_at > ?) ORDER BY created_at DESC, rowid DESC LIMIT ?"
        )
        with closing(self._connect()) as connection:
            rows = connection.execute(sql, (owner, owner, now.isoformat(), limit)).fetchall()
        return [_from_row(row) for row in rows]

    def delete(self, path: CheckpointPath) -> bool:
        """Remove a checkpoint; False if it was not there."""
        with closing(self._connect()) as connection, connection:
            found = _select(connection, path)
            connection.execute("DELETE FROM checkpoints WHERE run_id=? AND kind=? AND name=?", _key(path))
        if found is not None:
            self._unlink(found.file)
        return found is not None

    def set_expiry(self, path: CheckpointPath, expires_at: datetime | None) -> None:
        """Let a checkpoint expire at *expires_at*, or never."""
        self._update(path, "expires_at", None if expires_at is None else expires_at.isoformat())

    def set_public(self, path: CheckpointPath, *, is_public: bool) -> None:
        """Let everybody load a checkpoint, or only its owner."""
        self._update(path, "is_public", int(is_public))

    def remove_expired(self, now: datetime) -> list[CheckpointPath]:
        """Delete what has expired, and say what."""
        expired = [one.path for one in self._list("expires_at IS NOT ?", None, None) if _is_expired(one, now)]
        return [path for path in expired if self.delete(path)]

    @property
    def _files(self) -> Path:
        return self.folder / "weights"

    def _connect(self) -> sqlite3.Connection:
        # A connection for each call: calls come from whichever worker thread is free.
        connection = sqlite3.connect(self.folder / "checkpoints.sqlite3", timeout=30.0)
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def _list(self, condition: str, value: str | None, now: datetime | None) -> list[StoredCheckpoint]:
        sql = f"SELECT {_COLUMNS} FROM checkpoints WHERE {condition} ORDER BY created_at, rowid"  # noqa: S608 - constants
        with closing(self._connect()) as connection:
            found = [_from_row(row) for row in connection.execute(sql, (value,))]
        return [one for one in found if now is None or not _is_expired(one, now)]

    def _update(self, path: CheckpointPath, column: str, value: str | int | None) -> None:
        sql = f"UPDATE checkpoints SET {column}=? WHERE run_id=? AND kind=? AND name=?"  # noqa: S608 - constants
        with closing(self._connect()) as connection, connection:
            connection.execute(sql, (value, *_key(path)))

    def _write_file(self, file: str, tensors: Tensors) -> int:
        temporary = self._files / f"{file}.partial"
        try:
            save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, temporary)
            _sync(temporary)
            temporary.rename(self._files / file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(self._files)
        return (self._files / file).stat().st_size

    def _unlink(self, file: str) -> None:
        (self._files / file).unlink(missing_ok=True)

    def _remove_strays(self) -> None:
        with closing(self._connect()) as connection:
            known = {file for (file,) in connection.execute("SELECT file FROM checkpoints")}
        for path in self._files.iterdir():
            if path.name not in known:
                path.unlink()


def _sync(path: Path) -> None:
    """Wait until the file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_expired(checkpoint: StoredCheckpoint, now: datetime) -> bool:
    return checkpoint.expires_at is not None and checkpoint.expires_at <= now


def _key(path: CheckpointPath) -> tuple[str, str, str]:
    return path.run_id, path.kind.value, path.name


def _select(connection: sqlite3.Connection, path: CheckpointPath) -> StoredCheckpoint | None:
    sql = f"SELECT {_COLUMNS} FROM checkpoints WHERE run_id=? AND kind=? AND name=?"  # noqa: S608 - constants
    row = connection.execute(sql, _key(path)).fetchone()
    return None if row is None else _from_row(row)


def _to_row(checkpoint: StoredCheckpoint, file: str, size_bytes: int) -> tuple[Any, ...]:
    return (
        *_key(checkpoint.path),
        checkpoint.owner,
        file,
        size_bytes,
        checkpoint.created_at.isoformat(),
        checkpoint.expires_at and checkpoint.expires_at.isoformat(),
        int(checkpoint.is_public),
        None if checkpoint.user_metadata is None else json.dumps(dict(checkpoint.user_metadata)),
        json.dumps(asdict(checkpoint.recipe)),
    )


def _from_row(row: tuple[Any, ...]) -> StoredCheckpoint:
    run_id, kind, name, owner, file, size_bytes, created_at, expires_at, is_public, user_metadata, recipe = row
    return StoredCheckpoint(
        CheckpointPath(run_id, Kind(kind), name),
        owner,
        file,
        size_bytes,
        datetime.fromisoformat(created_at),
        Recipe(**json.loads(recipe)),
        expires_at=expires_at and datetime.fromisoformat(expires_at),
        is_public=bool(is_public),
        user_metadata=user_metadata and json.loads(user_metadata),
    )

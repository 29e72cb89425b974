"""Checkpoints on the disk."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from safetensors import SafetensorError

from tinkex_actors.local.checkpoints import CheckpointStore, Recipe, StoredCheckpoint
from tinkex_actors.local.keys import Owner
from tinkex_actors.local.paths import CheckpointPath, Kind
from tinkex_actors.local.refusals import NotFound
from tinkex_actors.types.ids import ModelId

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATH = CheckpointPath(ModelId("s:train:0"), Kind.TRAINING, "a")
ENTRY = StoredCheckpoint(PATH, Owner("me"), "", 0, NOW, Recipe("tiny", 8, True, True, False))


def weights(value: float) -> dict[str, Any]:
    """One tensor of one number."""
    return {"w": np.array([value], np.float32)}


def files(store: CheckpointStore) -> list[str]:
    """What lies in the folder of weights."""
    return sorted(path.name for path in (store.folder / "weights").iterdir())


def test_a_checkpoint_survives_the_process(tmp_path: Path) -> None:
    """A second store on the same folder is what a restart is."""
    stored = CheckpointStore.open(tmp_path).write(evolve(ENTRY, user_metadata={"k": "v"}), weights(1.5))
    store = CheckpointStore.open(tmp_path)
    assert store.find(PATH, now=NOW) == stored
    assert store.read(stored)["w"].tolist() == [1.5]
    assert stored.size_bytes > 0


def test_overwriting_leaves_only_the_new_weights(tmp_path: Path) -> None:
    """Neither file nor metadata of the old one stay."""
    store = CheckpointStore.open(tmp_path)
    store.write(evolve(ENTRY, user_metadata={"k": "v"}), weights(1))
    second = store.write(ENTRY, weights(2))
    assert files(store) == [second.file]
    assert store.find(PATH, now=NOW) == second
    assert second.user_metadata is None


def test_opening_removes_what_was_never_registered(tmp_path: Path) -> None:
    """A killed process leaves a half-written file, or a whole one that nobody was told about."""
    store = CheckpointStore.open(tmp_path)
    stored = store.write(ENTRY, weights(1))
    (tmp_path / "weights" / "x.safetensors.partial").write_bytes(b"half")
    (tmp_path / "weights" / "y.safetensors").write_bytes(b"whole")
    assert files(CheckpointStore.open(tmp_path)) == [stored.file]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A full disk must not cost the old checkpoint."""
    store = CheckpointStore.open(tmp_path)
    first = store.write(ENTRY, weights(1))
    with pytest.raises(SafetensorError, match="dtype"):
        store.write(ENTRY, {"w": np.array([None])})
    assert files(store) == [first.file]
    assert store.find(PATH, now=NOW) == first


def test_an_expired_checkpoint_is_not_found_and_can_be_swept(tmp_path: Path) -> None:
    """It is gone for clients at once, and from the disk at the next sweep."""
    store = CheckpointStore.open(tmp_path)
    store.write(ENTRY, weights(1))
    store.set_expiry(PATH, NOW + timedelta(hours=1))
    assert store.find(PATH, now=NOW) is not None
    later = NOW + timedelta(hours=1)
    assert store.find(PATH, now=later) is None
    assert store.of_run(PATH.run_id, now=later) == []
    assert store.remove_expired(later) == [PATH]
    assert files(store) == []


def test_removing_an_expiry_keeps_the_checkpoint(tmp_path: Path) -> None:
    """A null TTL means never."""
    store = CheckpointStore.open(tmp_path)
    store.write(evolve(ENTRY, expires_at=NOW), weights(1))
    store.set_expiry(PATH, None)
    assert store.find(PATH, now=NOW) is not None


def test_a_published_checkpoint_is_visible_to_everybody(tmp_path: Path) -> None:
    """And a private one to its owner alone."""
    store = CheckpointStore.open(tmp_path)
    stored = store.write(ENTRY, weights(1))
    assert (stored.is_visible_to(Owner("me")), stored.is_visible_to(Owner("you"))) == (True, False)
    store.set_public(PATH, is_public=True)
    published = store.find(PATH, now=NOW)
    assert published is not None
    assert published.is_visible_to(Owner("you"))


def test_a_deleted_checkpoint_is_gone_for_those_who_found_it_before(tmp_path: Path) -> None:
    """Loading may lose the race against deleting; that is an answer, not a crash."""
    store = CheckpointStore.open(tmp_path)
    stored = store.write(ENTRY, weights(1))
    assert store.delete(PATH)
    assert not store.delete(PATH)
    with pytest.raises(NotFound, match="no longer there"):
        store.read(stored)


def test_lists_are_ordered_by_age(tmp_path: Path) -> None:
    """Oldest first, by owner and by run."""
    store = CheckpointStore.open(tmp_path)
    entries = [
        evolve(ENTRY, path=evolve(PATH, name=name), created_at=NOW + timedelta(seconds=age))
        for name, age in (("new", 2), ("old", 1))
    ]
    for entry in entries:
        store.write(entry, weights(1))
    assert [one.path.name for one in store.of_owner(Owner("me"), now=NOW)] == ["old", "new"]
    assert store.of_owner(Owner("you"), now=NOW) == []

"""The journal on disk: what it knows, what it repairs, and what it refuses to touch."""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tinkex_actors.daemon.entries import (
    CheckpointGone,
    CheckpointIntended,
    CheckpointSaved,
    Entry,
    LifeBegan,
    LifeEnded,
    StepAccepted,
    StepDone,
    StepIntended,
)
from tinkex_actors.daemon.errors import JournalError
from tinkex_actors.daemon.journal_schema import APPLICATION_ID, MIGRATIONS
from tinkex_actors.daemon.journal_store import JOURNAL, JournalStore


def life(number: int, base_step: int = 0) -> LifeBegan:
    return LifeBegan(life=number, session_id=f"s{number}", model_id=f"s{number}:train:0", base_step=base_step)


def step(number: int, in_life: int = 1, loss: float | None = None) -> list[Entry]:
    return [
        StepIntended(step=number, life=in_life, first_number=2 * number + 1, members=(number,)),
        StepAccepted(step=number, life=in_life, request_ids=("a", "b"), next_number=2 * number + 3),
        StepDone(step=number, life=in_life, metrics={"step": number, "loss": loss or 1 / (number + 1)}, tokens=10),
    ]


def save(number: int, in_life: int = 1) -> list[Entry]:
    name = f"{number:06d}"
    return [
        CheckpointIntended(name=name, step=number, life=in_life, number=2 * number + 1, epoch=0),
        CheckpointSaved(name=name, life=in_life, state_path=f"tinker://m{in_life}/weights/{name}", next_number=9),
    ]


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def store(tmp_path: Path) -> JournalStore:
    store = JournalStore.open(tmp_path)
    store.begin_run("digest", {"steps": 3})
    return store


def test_what_was_committed_is_known_after_the_process_has_died(store: JournalStore, tmp_path: Path) -> None:
    """A second connection reads what the first has committed, without its having been closed."""
    store.write([life(1), *step(0), *save(1), StepIntended(step=1, life=1, first_number=4)], is_durable=True)

    known = JournalStore.open(tmp_path).known()

    assert known.next_life == 2
    assert known.lives[0].is_open
    assert [one.name for one in known.saved()] == ["000001"]
    assert (known.intents[1].first_number, known.intents[1].done_life) == (4, None)


def test_the_text_files_follow_the_journal(store: JournalStore, tmp_path: Path) -> None:
    """One row a step, one a checkpoint, seconds apart: what the cookbook's readers look for."""
    store.write([life(1), *step(0), *step(1), *save(2)], is_durable=False)

    assert [row["step"] for row in rows(tmp_path / "metrics.jsonl")] == [0, 1]
    assert [row["step"] for row in rows(tmp_path / "timing_spans.jsonl")] == [0, 1]
    assert rows(tmp_path / "checkpoints.jsonl")[0]["elapsed_tokens"] == 20


@pytest.mark.parametrize("left", [0, 10, 40, None])
def test_text_files_are_repaired_whatever_was_left_of_them(
    store: JournalStore, tmp_path: Path, left: int | None
) -> None:
    """The process may have died between the commit and the line, or in the middle of the line; a person may have edited."""
    store.write([life(1), *step(0), *step(1)], is_durable=False)
    store.close()
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    (tmp_path / "metrics.jsonl").write_bytes(b"scribbles\n" if left is None else whole[:left])

    JournalStore.open(tmp_path).close()

    assert (tmp_path / "metrics.jsonl").read_bytes() == whole


def test_a_step_done_again_with_the_same_result_leaves_its_row_as_it_was(store: JournalStore, tmp_path: Path) -> None:
    """Readers who follow the file see no step twice."""
    store.write([life(1), *step(0), *step(1), LifeEnded(life=1), life(2), *step(0, 2), *step(1, 2)], is_durable=False)

    assert [row["step"] for row in rows(tmp_path / "metrics.jsonl")] == [0, 1]
    assert store.known().intents[1].done_life == 2


def test_a_step_done_again_with_another_result_has_the_last_one(store: JournalStore, tmp_path: Path) -> None:
    """On a server that is not deterministic the weights come from the second time; so must the row."""
    store.write([life(1), *step(0), *step(1), LifeEnded(life=1), life(2), *step(0, 2, loss=7.0)], is_durable=False)

    assert [row["loss"] for row in rows(tmp_path / "metrics.jsonl")] == [7.0, 0.5]


def test_a_write_is_in_the_journal_whole_or_not_at_all(store: JournalStore) -> None:
    """The second life of that number is refused by the table; the step before it must not stay."""
    store.write([life(1)], is_durable=False)

    with pytest.raises(JournalError):
        store.write([*step(0), life(1)], is_durable=False)

    assert not store.known().intents


def test_batches_are_kept_as_long_as_a_checkpoint_before_them_is(store: JournalStore) -> None:
    """What is behind the oldest checkpoint is never done again, so its batches need not stay."""
    kept: list[Entry] = [StepIntended(step=n, life=1, first_number=n, payload=b"batch") for n in range(6)]
    store.write([life(1), *kept, *save(2), *save(4)], is_durable=False)
    store.write([CheckpointGone(name="000002", life=1, state="superseded")], is_durable=False)

    held = store._connection.execute("SELECT step FROM steps WHERE payload IS NOT NULL").fetchall()

    assert [number for (number,) in held] == [4, 5]


def test_another_plan_is_told_key_by_key(store: JournalStore, tmp_path: Path) -> None:
    """A run keeps what it was begun with."""
    store.close()

    changed = JournalStore.open(tmp_path).begin_run("other", {"steps": 4, "loss": "ppo"})

    assert changed == ["loss", "steps"]


def _scribble(path: Path) -> None:
    path.write_bytes(b"not a database at all, but long enough" * 100)


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={len(MIGRATIONS) + 1}")


def _torn(path: Path) -> None:
    store = JournalStore.open(path.parent)
    store.begin_run("digest", {})
    store.write([life(1), *[entry for n in range(300) for entry in step(n)]], is_durable=True)
    store.close()
    whole = bytearray(path.read_bytes())
    whole[16384:32768] = os.urandom(16384)
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_scribble, "no database"),
        (_foreign, "is an SQLite file, but not a journal"),
        (_newer, "use the program that wrote it"),
        (_torn, "damaged"),
    ],
)
def test_what_is_no_sound_journal_is_refused_and_left_as_it_is(
    tmp_path: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    """Somebody else's data, a newer program's, a broken disk's: nothing of it is touched."""
    path = tmp_path / JOURNAL
    spoil(path)
    before = path.read_bytes()

    with pytest.raises(JournalError, match=sentence):
        JournalStore.open(tmp_path)

    assert path.read_bytes() == before


def test_a_full_disk_is_told_and_what_was_there_stays(store: JournalStore) -> None:
    """SQLite itself is told that the file may not grow; the journal goes on when there is room again."""
    store.write([life(1), *step(0)], is_durable=True)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages}")
    big = StepIntended(step=1, life=1, first_number=3, payload=bytes(100_000))

    with pytest.raises(JournalError, match="the disk is full; make room and start again"):
        store.write([big], is_durable=True)

    assert list(store.known().intents) == [0]
    store._connection.execute("PRAGMA max_page_count=1000000")
    store.write([big], is_durable=True)
    assert list(store.known().intents) == [0, 1]


def test_steps_told_out_of_order_leave_the_file_in_order(store: JournalStore, tmp_path: Path) -> None:
    """What outlived a crash of the journal may come behind what was told meanwhile."""
    store.write([life(1), *step(0), *step(2)], is_durable=False)
    store.write(step(1), is_durable=False)

    assert [row["step"] for row in rows(tmp_path / "metrics.jsonl")] == [0, 1, 2]
    assert [row["step"] for row in rows(tmp_path / "timing_spans.jsonl")] == [0, 1, 2]

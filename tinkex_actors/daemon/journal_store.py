"""The journal on disk: one SQLite file in write-ahead mode, and the text files that are derived from it.

What is committed survives ``kill -9``; what is committed *durably* survives a power cut too (``synchronous=FULL``).
``metrics.jsonl``, ``timing_spans.jsonl`` and ``checkpoints.jsonl`` follow each commit, and are repaired when the store is
opened, since the process may have died between the two.

Everything here blocks on the disk: it is called in a worker thread, one call at a time.
"""

import json
import sqlite3
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, assert_never

import orjson
from attrs import define, field

from tinkex_actors.daemon.derived import DerivedFiles
from tinkex_actors.daemon.entries import (
    Checkpoint,
    CheckpointGone,
    CheckpointIntended,
    CheckpointSaved,
    Entry,
    Intent,
    JsonScalar,
    Known,
    Life,
    LifeBegan,
    LifeEnded,
    RunDone,
    StepAccepted,
    StepDone,
    StepIntended,
)
from tinkex_actors.daemon.errors import JournalError
from tinkex_actors.daemon.journal_schema import prepare

JOURNAL = "journal.sqlite3"

_BEGIN_RUN = "INSERT INTO run (id, digest, identity, mark) VALUES (1,?,?, lower(hex(randomblob(16))))"
_BEGIN_LIFE = """
INSERT INTO lives (life, session_id, model_id, base_step, first_number, from_path, began_at) VALUES (?,?,?,?,?,?,?)
"""
_INTEND_STEP = """
INSERT INTO steps (step, life, first_number, epoch, members, payload, notes) VALUES (?,?,?,?,?,?,?)
ON CONFLICT (step) DO UPDATE SET life=excluded.life, first_number=excluded.first_number, next_number=NULL,
    request_ids=NULL, epoch=excluded.epoch, members=excluded.members, payload=excluded.payload, notes=excluded.notes,
    intents=intents+1
"""
_INTEND_CHECKPOINT = """
INSERT INTO checkpoints (life, name, step, number, epoch, is_final, state) VALUES (?,?,?,?,?,?,'intended')
ON CONFLICT (life, name) DO UPDATE SET number=excluded.number, state='intended'
"""
_CHECKPOINTS = """
SELECT c.name, c.step, c.life, c.number, c.next_number, c.epoch, c.state, c.is_final, c.state_path, c.sampler_path,
    s.metrics, (SELECT coalesce(sum(tokens), 0) FROM steps WHERE step < c.step)
FROM checkpoints c LEFT JOIN steps s ON s.step = c.step - 1 WHERE c.state IN ('intended', 'saved', 'superseded') ORDER BY c.rowid
"""
_INTENTS = (
    "SELECT step, life, first_number, next_number, epoch, members, payload, notes, done_life FROM steps WHERE step >= ?"
)


@define(eq=False)
class JournalStore:
    """An open journal."""

    path: Path
    _connection: sqlite3.Connection
    _files: DerivedFiles
    _last_step: int = field(default=-1, init=False)
    """The last that ``metrics.jsonl`` tells of."""
    _is_durable: bool | None = None
    """How the last write was made; None before the first."""

    @classmethod
    def open(cls, folder: Path) -> "JournalStore":
        """Open or make the journal of a run folder, and repair what is derived from it.

        Raises:
            JournalError: It cannot be opened, is damaged, or is not a journal; nothing was changed.
        """
        path = folder / JOURNAL
        with _reported(path):
            # Opened in one worker thread and used in others, one call at a time.
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                prepare(connection, path)
                store = cls(path, connection, DerivedFiles(folder))
                store.repair()
            except BaseException:
                connection.close()
                raise
        return store

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # ------------------------------------------------------------------ the run

    def begin_run(self, digest: str, identity: Mapping[str, Any]) -> list[str]:
        """Note what the run is, the first time; later, say which keys of it are different now. Empty is the same run."""
        with _reported(self.path):
            row = self._connection.execute("SELECT digest, identity FROM run").fetchone()
            if row is None:
                self._commit([(_BEGIN_RUN, (digest, json.dumps(identity)))])
                return []
        if row[0] == digest:
            return []
        before, now = json.loads(row[1]), json.loads(json.dumps(identity))
        return sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))

    def begin_data(self, digest: str) -> bool:
        """Note what the data are, the first time; later, say whether they are the same."""
        with _reported(self.path):
            (known,) = self._connection.execute("SELECT data_digest FROM run").fetchone()
            if known is None:
                self._commit([("UPDATE run SET data_digest=?", (digest,))])
        return known in {None, digest}

    def known(self, *, with_steps: bool = True) -> Known:
        """Everything a start must know; without its steps, and the batches that are kept of them, if nobody asks."""
        with _reported(self.path):
            checkpoints = tuple(_to_checkpoint(row) for row in self._connection.execute(_CHECKPOINTS))
            oldest = min((one.step for one in checkpoints if one.state == "saved"), default=0)
            lives = self._connection.execute(
                "SELECT life, session_id, model_id, base_step, first_number, ended_at FROM lives"
            )
            is_done, mark = self._connection.execute("SELECT is_done, mark FROM run").fetchone() or (False, "")
            intents = map(_to_intent, self._connection.execute(_INTENTS, (oldest,))) if with_steps else ()
            return Known(
                is_done=bool(is_done),
                mark=mark,
                lives=tuple(map(_to_life, lives)),
                intents={intent.step: intent for intent in intents},
                checkpoints=checkpoints,
            )

    def tokens_before(self, step: int) -> int:
        """How many tokens the steps before *step* have trained."""
        with _reported(self.path):
            (tokens,) = self._connection.execute(
                "SELECT coalesce(sum(tokens), 0) FROM steps WHERE step < ?", (step,)
            ).fetchone()
        return int(tokens)

    # ------------------------------------------------------------------ entries

    def write(self, entries: Sequence[Entry], *, is_durable: bool) -> None:
        """Commit *entries*, all or none, then bring the derived files up to date.

        Args:
            entries: In their order.
            is_durable: Whether to wait until the disk has them.

        Raises:
            JournalError: The disk is full, or fails; none of *entries* is in the journal.
            RunFolderError: They are, but a derived file cannot be written.
        """
        done = [entry for entry in entries if isinstance(entry, StepDone)]
        with _reported(self.path):
            if is_durable is not self._is_durable:
                self._connection.execute(f"PRAGMA synchronous={'FULL' if is_durable else 'NORMAL'}")
                self._is_durable = is_durable
            is_retold = self._is_retold(done)
            self._commit([statement for entry in entries for statement in _statements(entry)])
        if is_retold:
            self.repair()
        elif fresh := [one for one in done if one.step > self._last_step]:
            self._last_step = fresh[-1].step
            self._files.append_steps(
                [_json(one.metrics) for one in fresh], [_spans_line(one.step, one.spans) for one in fresh]
            )
        if any(isinstance(entry, CheckpointSaved | CheckpointGone) for entry in entries):
            self._files.write_checkpoints(self._saved_rows())

    def repair(self) -> None:
        """Bring the derived files in line with the journal."""
        rows = self._connection.execute(
            "SELECT step, metrics, spans FROM steps WHERE metrics IS NOT NULL ORDER BY step"
        )
        steps = rows.fetchall()
        self._last_step = steps[-1][0] if steps else -1
        self._files.repair_metrics(metrics for _, metrics, _ in steps)
        self._files.repair_timings(_spans_line(step, json.loads(spans)) for step, _, spans in steps)
        self._files.write_checkpoints(self._saved_rows())

    def _is_retold(self, done: Sequence[StepDone]) -> bool:
        """Whether *done*, not yet written, tells of anything but further steps, or steps told before in the same words.

        A step that is done again may have another result, on a server that is not deterministic: the last is the true one.
        """
        fresh = [one.step for one in done if one.step > self._last_step]
        return fresh != sorted(set(fresh)) or any(
            self._connection.execute("SELECT metrics FROM steps WHERE step=?", (one.step,)).fetchone()
            != (_json(one.metrics),)
            for one in done
            if one.step <= self._last_step
        )

    def _commit(self, statements: Iterable[tuple[str, tuple[object, ...]]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for sql, values in statements:
                self._connection.execute(sql, values)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _saved_rows(self) -> list[Checkpoint]:
        with _reported(self.path):
            return [one for one in map(_to_checkpoint, self._connection.execute(_CHECKPOINTS)) if one.state == "saved"]


def _statements(entry: Entry) -> Generator[tuple[str, tuple[object, ...]], None, None]:
    match entry:
        case LifeBegan(life=life, session_id=session_id, model_id=model_id, base_step=base, first_number=number):
            yield _BEGIN_LIFE, (life, session_id, model_id, base, number, entry.from_path, time.time())
        case LifeEnded(life=life, failure=failure):
            yield "UPDATE lives SET ended_at=?, failure=? WHERE life=?", (time.time(), failure, life)
        case StepIntended() | StepAccepted() | StepDone():
            yield _step_statement(entry)
        case CheckpointIntended() | CheckpointSaved() | CheckpointGone():
            yield from _checkpoint_statements(entry)
        case RunDone():
            yield "UPDATE run SET is_done=1", ()
        case _:
            assert_never(entry)


def _step_statement(entry: StepIntended | StepAccepted | StepDone) -> tuple[str, tuple[object, ...]]:
    match entry:
        case StepIntended(step=step, life=life, first_number=number, epoch=epoch, payload=payload):
            members = None if entry.members is None else _json(entry.members)
            return _INTEND_STEP, (step, life, number, epoch, members, payload, _json(entry.notes))
        case StepAccepted(step=step, life=life, request_ids=request_ids, next_number=number):
            sql = "UPDATE steps SET request_ids=?, next_number=? WHERE step=? AND life=?"
            return sql, (_json(request_ids), number, step, life)
        case StepDone(step=step, life=life, metrics=metrics, tokens=tokens, spans=spans):
            sql = "UPDATE steps SET done_life=?, metrics=?, tokens=?, spans=coalesce(spans, ?) WHERE step=? AND life=?"
            return sql, (life, _json(metrics), tokens, _json(spans), step, life)


def _checkpoint_statements(
    entry: CheckpointIntended | CheckpointSaved | CheckpointGone,
) -> Generator[tuple[str, tuple[object, ...]], None, None]:
    where = "WHERE life=? AND name=?"
    match entry:
        case CheckpointIntended(life=life, name=name, step=step, number=number, epoch=epoch, is_final=final):
            yield _INTEND_CHECKPOINT, (life, name, step, number, epoch, int(final))
        case CheckpointSaved(life=life, name=name, state_path=path, sampler_path=sampler, next_number=number):
            sql = f"UPDATE checkpoints SET state='saved', state_path=?, sampler_path=?, next_number=? {where}"  # noqa: S608 - constants
            yield sql, (path, sampler, number, life, name)
        case CheckpointGone(life=life, name=name, state=state):
            yield f"UPDATE checkpoints SET state=? {where}", (state, life, name)  # noqa: S608 - constants
            # Batches are needed to go on from the oldest checkpoint that is left, and no further back.
            oldest = "SELECT min(step) FROM checkpoints WHERE state='saved'"
            yield f"UPDATE steps SET payload=NULL WHERE step < ({oldest}) AND payload IS NOT NULL", ()  # noqa: S608 - constants


def _json(values: Mapping[str, JsonScalar] | Mapping[str, float] | Sequence[int] | Sequence[str]) -> str:
    """Write JSON; what is no number becomes null. Not by ``json``, which takes a tenth of a step's time in the journal."""
    return orjson.dumps(values).decode()


def _spans_line(step: int, spans: Mapping[str, float]) -> str:
    told = [{"name": name, "duration": seconds} for name, seconds in spans.items()]
    return orjson.dumps({"step": step, "spans": told}).decode()


# Rows of the database are Any: the tables above say what is in them.
def _to_life(row: tuple[Any, ...]) -> Life:
    life, session_id, model_id, base_step, first_number, ended_at = row
    return Life(
        life=life,
        session_id=session_id,
        model_id=model_id,
        base_step=base_step,
        first_number=first_number,
        is_open=ended_at is None,
    )


def _to_intent(row: tuple[Any, ...]) -> Intent:
    step, life, first_number, next_number, epoch, members, payload, notes, done_life = row
    return Intent(
        step=step,
        life=life,
        first_number=first_number,
        next_number=next_number,
        epoch=epoch,
        members=None if members is None else tuple(json.loads(members)),
        payload=payload,
        notes=json.loads(notes),
        done_life=done_life,
    )


def _to_checkpoint(row: tuple[Any, ...]) -> Checkpoint:
    name, step, life, number, next_number, epoch, state, is_final, state_path, sampler_path, metrics, tokens = row
    return Checkpoint(
        name=name,
        step=step,
        life=life,
        number=number,
        next_number=next_number,
        epoch=epoch,
        state=state,
        is_final=bool(is_final),
        state_path=state_path,
        sampler_path=sampler_path,
        metrics=json.loads(metrics) if metrics else {},
        tokens=tokens,
    )


@contextmanager
def _reported(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"{path}: {_explain(error)}") from error


def _explain(error: sqlite3.Error) -> str:
    match getattr(error, "sqlite_errorname", ""):
        case "SQLITE_FULL":
            return "the disk is full; make room and start again, nothing is lost"
        case "SQLITE_NOTADB":
            return "expected a journal, got a file that is no database; name another folder"
        case "SQLITE_CORRUPT":
            return "the journal is damaged; restore it from a backup, or begin in another folder"
        case name if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            return "the journal cannot be written; check the folder's permissions"
        case _:
            return str(error)

"""The register of sessions, runs, sampling sessions and promises: what a restarted server still knows.

SQLite in write-ahead mode; every change is one small transaction that survives ``kill -9`` (and a power cut but for the
last moments: checkpoints, which promise more, have a store of their own). Called on the event loop: a write costs tens of
microseconds and never waits for the disk. Without a path the register lives in memory.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from attrs import asdict, frozen

from tinkex_actors.local.checkpoints import Recipe
from tinkex_actors.local.futures import Finished, Lost, Outcome, PromiseRecord
from tinkex_actors.local.records import RunRecord, SamplerRecord
from tinkex_actors.local.sessions import Session
from tinkex_actors.types.errors import RequestErrorCategory
from tinkex_actors.types.futures import FutureFailure
from tinkex_actors.types.ids import RequestId, SamplingSessionId
from tinkex_actors.types.training import OptimizerConfig
from tinkex_actors.wire.json_codec import encode_json, from_json

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    session_id TEXT PRIMARY KEY, owner TEXT NOT NULL, created_at TEXT NOT NULL, tags TEXT NOT NULL,
    user_metadata TEXT NOT NULL, project_id TEXT, display_name TEXT, idempotency_key TEXT, ended TEXT, detail TEXT
);
CREATE TABLE IF NOT EXISTS runs (
    model_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, number INTEGER NOT NULL, owner TEXT NOT NULL,
    recipe TEXT NOT NULL, optimizer TEXT NOT NULL, created_at TEXT NOT NULL, last_request_at TEXT NOT NULL,
    creation TEXT NOT NULL, user_metadata TEXT NOT NULL, ended TEXT, is_corrupted INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS samplers (
    sampling_session_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, number INTEGER NOT NULL, owner TEXT NOT NULL,
    base_model TEXT NOT NULL, model_path TEXT, model_id TEXT, file TEXT
);
CREATE TABLE IF NOT EXISTS copies (sampling_session_id TEXT PRIMARY KEY, joined INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS promises (
    request_id TEXT PRIMARY KEY, owner TEXT NOT NULL, session_id TEXT NOT NULL, request_type TEXT NOT NULL,
    state TEXT NOT NULL, text TEXT NOT NULL, body BLOB NOT NULL
);
"""
_TABLES = ("sessions", "runs", "samplers", "copies", "promises")
_LOST = "the server was restarted before this was done; send it again"


@frozen
class Registry:
    """The register of one server."""

    _connection: sqlite3.Connection
    _upserts: Mapping[str, str]
    """The statement that writes a row of each table, or writes it anew in its old place."""

    @classmethod
    def open(cls, path: Path | None) -> "Registry":
        """Open or create the register; promises that an earlier process left open are lost from here on.

        Raises:
            OSError: The file cannot be opened.
        """
        try:
            # Made in a worker thread at the start, used on the event loop from then on: never in two at once.
            connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise OSError(f"{path}: expected a folder that can be written, got {error}") from error
        connection.execute(
            "UPDATE promises SET state='lost', text=? WHERE state='open' AND request_type='Sample'", (_LOST,)
        )
        connection.execute("UPDATE promises SET state='server', text=? WHERE state='open'", (_LOST,))
        return cls(connection, {table: _upsert(connection, table) for table in _TABLES})

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # ------------------------------------------------------------------ sessions, runs, sampling sessions

    def put_session(self, session: Session) -> None:
        """Write a session down, as it is now."""
        self._put(
            "sessions",
            session.session_id,
            session.owner,
            session.created_at.isoformat(),
            orjson.dumps(session.tags),
            orjson.dumps(session.user_metadata),
            session.project_id,
            session.display_name,
            session.idempotency_key,
            session.ended,
            session.detail,
        )

    def put_run(self, run: RunRecord) -> None:
        """Write a run down, as it is now."""
        self._put(
            "runs",
            run.model_id,
            run.session_id,
            run.number,
            run.owner,
            orjson.dumps(asdict(run.recipe)),
            encode_json(run.optimizer),
            run.created_at.isoformat(),
            run.last_request_at.isoformat(),
            run.creation,
            orjson.dumps(run.user_metadata),
            run.ended,
            run.is_corrupted,
        )

    def put_sampler(self, sampler: SamplerRecord) -> None:
        """Write a sampling session down."""
        self._put(
            "samplers",
            sampler.sampling_session_id,
            sampler.session_id,
            sampler.number,
            sampler.owner,
            sampler.base_model,
            sampler.model_path,
            sampler.model_id,
            sampler.file,
        )

    def put_copies(self, sampling_session_id: SamplingSessionId, joined: int) -> None:
        """Write down how many copies of a sampling client have joined."""
        self._put("copies", sampling_session_id, joined)

    def copies_of(self, sampling_session_id: SamplingSessionId) -> int:
        """How many copies of a sampling client have joined."""
        sql = "SELECT joined FROM copies WHERE sampling_session_id=?"
        row: tuple[int] | None = self._connection.execute(sql, (sampling_session_id,)).fetchone()
        return 0 if row is None else row[0]

    def sessions(self, *, now: float) -> list[Session]:
        """Every session, oldest first; those alive were heard of *now*."""
        return [_to_session(row, now) for row in self._rows("sessions")]

    def runs(self) -> list[RunRecord]:
        """Every run, oldest first."""
        return [_to_run(row) for row in self._rows("runs")]

    def samplers(self) -> list[SamplerRecord]:
        """Every sampling session, oldest first."""
        return [_to_sampler(row) for row in self._rows("samplers")]

    # ------------------------------------------------------------------ promises

    def promise_opened(self, promise: PromiseRecord) -> None:
        """Note that *promise* was given."""
        self._put(
            "promises", promise.request_id, promise.owner, promise.session_id, promise.request_type, "open", "", b""
        )

    def promise_settled(self, promise: PromiseRecord) -> None:
        """Note its outcome."""
        sql = "UPDATE promises SET state=?, text=?, body=? WHERE request_id=?"
        self._connection.execute(sql, (*_from_outcome(promise.outcome), promise.request_id))

    def promise_dropped(self, request_id: RequestId) -> None:
        """Forget it."""
        self._connection.execute("DELETE FROM promises WHERE request_id=?", (request_id,))

    def promise_recalled(self, request_id: RequestId) -> PromiseRecord | None:
        """Return a promise of an earlier process, with its outcome."""
        row = self._connection.execute("SELECT * FROM promises WHERE request_id=?", (request_id,)).fetchone()
        if row is None:
            return None
        _, owner, session_id, request_type, state, text, body = row
        return PromiseRecord(request_id, owner, session_id, request_type, outcome=_to_outcome(state, text, body))

    def drop_promises_of(self, session_id: str) -> None:
        """Forget the promises of a session."""
        self._connection.execute("DELETE FROM promises WHERE session_id=?", (session_id,))

    def _put(self, table: str, *values: object) -> None:
        self._connection.execute(self._upserts[table], values)

    def _rows(self, table: str) -> Iterable[tuple[Any, ...]]:
        return self._connection.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()  # noqa: S608 - constants


def _upsert(connection: sqlite3.Connection, table: str) -> str:
    with closing(connection.execute(f"SELECT * FROM {table} LIMIT 0")) as cursor:  # noqa: S608 - constants
        key, *columns = (column for column, *_ in cursor.description)
    places = ",".join("?" * (len(columns) + 1))
    changes = ", ".join(f"{column}=excluded.{column}" for column in columns)
    # Not REPLACE: an upsert keeps the row's place, and lists are in the order of first writing.
    return f"INSERT INTO {table} VALUES ({places}) ON CONFLICT ({key}) DO UPDATE SET {changes}"  # noqa: S608 - constants


def _to_session(row: tuple[Any, ...], now: float) -> Session:
    session_id, owner, created_at, tags, metadata, project_id, display_name, idempotency_key, ended, detail = row
    return Session(
        session_id,
        owner,
        datetime.fromisoformat(created_at),
        now,
        tags=tuple(orjson.loads(tags)),
        user_metadata=orjson.loads(metadata),
        project_id=project_id,
        display_name=display_name,
        idempotency_key=idempotency_key,
        ended=ended,
        detail=detail,
    )


def _to_run(row: tuple[Any, ...]) -> RunRecord:
    model_id, session_id, number, owner, recipe, optimizer, created_at, last_at, creation, metadata, ended, lost = row
    config: Any = OptimizerConfig  # Any: a union is no class, but the codec reads it as one
    return RunRecord(
        model_id=model_id,
        session_id=session_id,
        number=number,
        owner=owner,
        recipe=Recipe(**orjson.loads(recipe)),
        optimizer=from_json(config, orjson.loads(optimizer)),
        created_at=datetime.fromisoformat(created_at),
        last_request_at=datetime.fromisoformat(last_at),
        creation=creation,
        user_metadata=orjson.loads(metadata),
        ended=ended,
        is_corrupted=bool(lost),
    )


def _to_sampler(row: tuple[Any, ...]) -> SamplerRecord:
    sampling_session_id, session_id, number, owner, base_model, model_path, model_id, file = row
    return SamplerRecord(
        sampling_session_id=sampling_session_id,
        session_id=session_id,
        number=number,
        owner=owner,
        base_model=base_model,
        model_path=model_path,
        model_id=model_id,
        file=file,
    )


def _from_outcome(outcome: Outcome | None) -> tuple[str, str, bytes]:
    match outcome:
        case Finished():
            return "finished", outcome.content_type, outcome.body
        case FutureFailure():
            return outcome.category.value, outcome.error, b""
        case Lost():
            return "lost", outcome.detail, b""
        case None:
            return "open", "", b""


def _to_outcome(state: str, text: str, body: bytes) -> Outcome:
    if state == "finished":
        return Finished(text, body)
    if state == "lost":
        return Lost(text)
    return FutureFailure(text, RequestErrorCategory(state))

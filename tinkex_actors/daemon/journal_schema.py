"""The journal's tables, and how an older journal becomes one of today's.

``application_id`` tells a journal from any other SQLite file, ``user_version`` which of the scripts below it has seen.
A change of the tables is one more script at the end; none is ever edited.
"""

import sqlite3
from pathlib import Path

from tinkex_actors.daemon.errors import JournalError

APPLICATION_ID = 0x74_6B_78_4A
"""``tkxJ``."""

MIGRATIONS = (
    """
    CREATE TABLE run (
        id INTEGER PRIMARY KEY CHECK (id = 1), digest TEXT NOT NULL, identity TEXT NOT NULL, data_digest TEXT,
        is_done INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE lives (
        life INTEGER PRIMARY KEY, session_id TEXT NOT NULL, model_id TEXT NOT NULL, base_step INTEGER NOT NULL,
        first_number INTEGER NOT NULL, from_path TEXT, began_at REAL NOT NULL, ended_at REAL, failure TEXT
    );
    CREATE TABLE steps (
        step INTEGER PRIMARY KEY, life INTEGER NOT NULL, first_number INTEGER NOT NULL, next_number INTEGER,
        epoch INTEGER NOT NULL, members TEXT, payload BLOB, notes TEXT NOT NULL, request_ids TEXT,
        intents INTEGER NOT NULL DEFAULT 1, done_life INTEGER, metrics TEXT, tokens INTEGER, spans TEXT
    );
    CREATE TABLE checkpoints (
        life INTEGER NOT NULL, name TEXT NOT NULL, step INTEGER NOT NULL, number INTEGER NOT NULL, next_number INTEGER,
        epoch INTEGER NOT NULL, is_final INTEGER NOT NULL, state TEXT NOT NULL, state_path TEXT, sampler_path TEXT,
        PRIMARY KEY (life, name)
    );
    """,
    # What the run's sessions are marked with, so that one can be found whose process died before it wrote down the id.
    """
    ALTER TABLE run ADD COLUMN mark TEXT NOT NULL DEFAULT '';
    UPDATE run SET mark = lower(hex(randomblob(16)));
    """,
)


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or bring older ones up to date. A file that is not a sound journal is left as it was.

    Raises:
        JournalError: It belongs to something else, is of a newer version, or is damaged.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id != APPLICATION_ID and (tables or application_id):
        raise JournalError(f"{path} is an SQLite file, but not a journal; name another folder")
    if version > len(MIGRATIONS):
        raise JournalError(
            f"{path} is of version {version}, this program knows {len(MIGRATIONS)}; use the program that wrote it"
        )
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        where = verdict.removeprefix("*** in database main ***").strip().replace("\n", ", ")
        raise JournalError(f"{path} is damaged: {where}; restore it from a backup, or begin in another folder")
    # A batch that is kept is large, and costs a third less in large pages; a file that exists keeps those it has.
    connection.execute("PRAGMA page_size=16384")
    connection.execute("PRAGMA journal_mode=WAL")
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        # One transaction each: a migration that is killed has not begun.
        connection.executescript(
            f"BEGIN; {script}; PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={number}; COMMIT;"
        )

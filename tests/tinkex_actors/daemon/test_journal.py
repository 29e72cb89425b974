"""The journal as an actor: what waits for the disk, what gathers, what outlives a crash."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from supervisors import ActorNotAlive, Ref, Supervisor, open_supervisor
from tests.tinkex_actors.daemon.test_journal_store import life, rows, step
from tinkex_actors.daemon.journal import Journal, Notebook, journal_name
from tinkex_actors.daemon.journal_store import JournalStore


@pytest.fixture
async def root() -> AsyncGenerator[Supervisor]:
    async with open_supervisor("root") as root:
        yield root


async def start(root: Supervisor, folder: Path, notebook: Notebook) -> Ref[Journal]:
    """Start a journal that knows of one life."""
    journal = await root.start_child(
        partial(Journal, partial(JournalStore.open, folder), notebook), name=journal_name("run")
    )
    await journal.call(Journal.begin_run, "digest", {})
    await journal.call(Journal.write, life(1))
    return journal


async def test_a_note_is_written_soon_without_anybody_waiting(
    root: Supervisor, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A step that is followed by a long pause is in the file all the same."""
    notebook = Notebook()
    journal = await start(root, tmp_path, notebook)

    notebook.note(*step(0))
    await trio.sleep(1)
    await journal.call(Journal.begin_data, "digest")  # is answered behind the write that has begun

    assert [row["step"] for row in rows(tmp_path / "metrics.jsonl")] == [0]


async def test_a_write_takes_the_notes_before_it_along(root: Supervisor, tmp_path: Path) -> None:
    """One commit a step: the intent of the next takes the result of the last with it, in this order."""
    notebook = Notebook()
    journal = await start(root, tmp_path, notebook)
    intended, *results = step(0)

    await journal.call(Journal.write, intended)
    notebook.note(*results)
    await journal.call(Journal.write, step(1)[0])

    assert not notebook.entries
    assert (await journal.call(Journal.known)).intents[0].done_life == 1


async def test_notes_outlive_a_crash_of_the_journal(root: Supervisor, tmp_path: Path) -> None:
    """What the server has done need not be asked for again because a file's writer was killed."""
    notebook = Notebook()
    journal = await start(root, tmp_path, notebook)

    notebook.note(*step(0))
    journal.kill()
    with pytest.raises(ActorNotAlive):
        await journal.call(Journal.flush)

    assert (await journal.call(Journal.known)).intents[0].done_life == 1


async def test_notes_that_the_disk_does_not_take_do_not_crash_a_journal_that_stops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next process asks the server again; a traceback would tell nobody anything."""
    async with open_supervisor("root") as root:
        notebook = Notebook()
        await start(root, tmp_path, notebook)
        notebook.note(*step(0), life(1))  # there is a life of this number

    assert "the last notes are not in the journal" in caplog.text
    assert "Traceback" not in caplog.text

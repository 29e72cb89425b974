"""The journal as an actor: one writer, off the event loop.

Some entries must be on disk before the world is told: `Journal.write` waits. Others only say what happened: they are left
in the `Notebook`, gather there for a moment, and travel with the next write, so a step in full flight costs one commit.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import trio
from attrs import define, field

from supervisors import Actor, Exit, Name
from tinkex_actors.daemon.entries import Entry, Known
from tinkex_actors.daemon.errors import RunFolderError
from tinkex_actors.daemon.journal_store import JournalStore
from tinkex_actors.log import get_log

R = TypeVar("R")

_log = get_log()

_GATHERING = 0.5
"""Seconds a note may wait for company. What a killed process had not written is told again by the server."""


def nobody() -> None:
    """Nobody writes the journal at the moment: whoever comes next looks into the notebook first."""


@define(eq=False)
class Notebook:
    """What happened and is not in the journal yet: plain data that outlives every life of the actor that writes it.

    As long as the disk is well it holds less than a second of training; when it is not, the next step is not submitted.
    """

    entries: list[Entry] = field(factory=list[Entry])
    knock: Callable[[], None] = nobody
    """Tells the journal that there is a first note."""

    def note(self, *entries: Entry) -> None:
        """Have *entries* in the journal soon. What goes wrong then is told to the next `Journal.write`."""
        is_first = not self.entries
        self.entries += entries
        if is_first:
            self.knock()


class Journal(Actor):
    """Writes one run's journal."""

    expected_errors = (RunFolderError,)

    def __init__(self, open_store: Callable[[], JournalStore], notebook: Notebook) -> None:
        """Open the store with *open_store*, in a worker thread; it is closed when this life ends."""
        self._open_store = open_store
        self._notebook = notebook
        self._is_armed = False
        self._thread = trio.CapacityLimiter(1)

    async def on_start(self) -> None:
        """Open the file, repair what is derived from it, and see what the last life left."""
        self._store = await self._off_loop(self._open_store)
        ref = self.ref
        self._notebook.knock = partial(ref.cast_nowait, Journal.gather)
        ref.cast_nowait(Journal.gather)

    async def on_stop(self, reason: Exit, /) -> None:
        """Write the last notes, and close the file; what the disk does not take is asked for again by the next process."""
        del reason
        try:
            await self._flush(is_durable=True)
        except RunFolderError as error:
            _log.warning("the last notes are not in the journal", error=str(error))
        finally:
            await self._off_loop(self._store.close)

    async def begin_run(self, digest: str, identity: Mapping[str, Any]) -> list[str]:
        """See `JournalStore.begin_run`."""
        return await self._off_loop(partial(self._store.begin_run, digest, identity))

    async def begin_data(self, digest: str) -> bool:
        """See `JournalStore.begin_data`."""
        return await self._off_loop(partial(self._store.begin_data, digest))

    async def known(self, *, with_steps: bool = True) -> Known:
        """See `JournalStore.known`."""
        await self._flush()
        return await self._off_loop(partial(self._store.known, with_steps=with_steps))

    async def tokens_before(self, step: int) -> int:
        """See `JournalStore.tokens_before`."""
        await self._flush()
        return await self._off_loop(partial(self._store.tokens_before, step))

    async def write(self, *entries: Entry, is_durable: bool = False) -> None:
        """Have *entries* in the journal when this returns, behind the notes before them.

        Args:
            *entries: All of them, or none.
            is_durable: Wait until they would survive a power cut, too. They survive the end of the process in any case.

        Raises:
            RunFolderError: The disk is full, or fails.
        """
        gathered = tuple(self._notebook.entries)
        await self._off_loop(partial(self._store.write, (*gathered, *entries), is_durable=is_durable))
        # Notes that came meanwhile stand behind those that were written.
        del self._notebook.entries[: len(gathered)]

    async def gather(self) -> None:
        """Let the notes wait for company, but not for long."""
        if not self._is_armed:
            self._is_armed = True
            self.send_after(_GATHERING, Journal.flush)

    async def flush(self) -> None:
        """Write what has gathered; if that fails it stays, and the next `write` says so."""
        self._is_armed = False
        await self._flush()

    async def _flush(self, *, is_durable: bool = False) -> None:
        if self._notebook.entries:
            await self.write(is_durable=is_durable)

    async def _off_loop(self, work: Callable[[], R]) -> R:
        # Not abandoned when it is cancelled: a write that has begun is finished.
        return await trio.to_thread.run_sync(work, limiter=self._thread)


def journal_name(run: str) -> Name[Journal]:
    """The name of a run's journal in the daemon's tree."""
    return Name(f"journal-{run}", Journal)

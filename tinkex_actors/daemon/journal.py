"""The journal as an actor: one writer, off the event loop.

Some entries must be on disk before the world is told (`write` waits); others only say what happened (`note` does not).
Notes gather for a moment and travel with the next write, so a step in full flight costs one commit.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import trio

from supervisors import Actor, Exit, Name
from tinkex_actors.daemon.entries import Entry, Known
from tinkex_actors.daemon.errors import RunFolderError
from tinkex_actors.daemon.journal_store import JournalStore

R = TypeVar("R")

_GATHERING = 0.25
"""Seconds a note may wait for company. What a killed process had not written is told again by the server."""


class Journal(Actor):
    """Writes one run's journal."""

    expected_errors = (RunFolderError,)

    def __init__(self, open_store: Callable[[], JournalStore]) -> None:
        """Open the store with *open_store*, in a worker thread; it is closed when this life ends."""
        self._open_store = open_store
        self._notes = list[Entry]()
        self._is_armed = False
        self._thread = trio.CapacityLimiter(1)

    async def on_start(self) -> None:
        """Open the file and repair what is derived from it."""
        self._store = await self._off_loop(self._open_store)

    async def on_stop(self, reason: Exit, /) -> None:
        """Write the last notes, and close the file."""
        del reason
        try:
            await self._flush(is_durable=True)
        finally:
            await self._off_loop(self._store.close)

    async def begin_run(self, digest: str, identity: Mapping[str, Any]) -> list[str]:
        """See `JournalStore.begin_run`."""
        return await self._off_loop(partial(self._store.begin_run, digest, identity))

    async def begin_data(self, digest: str) -> bool:
        """See `JournalStore.begin_data`."""
        return await self._off_loop(partial(self._store.begin_data, digest))

    async def known(self) -> Known:
        """Everything a start must know."""
        await self._flush(is_durable=False)
        return await self._off_loop(self._store.known)

    async def tokens_before(self, step: int) -> int:
        """See `JournalStore.tokens_before`."""
        await self._flush(is_durable=False)
        return await self._off_loop(partial(self._store.tokens_before, step))

    async def write(self, *entries: Entry, is_durable: bool = False) -> None:
        """Have *entries* in the journal when this returns, behind the notes before them.

        Args:
            *entries: All of them, or none.
            is_durable: Wait until they would survive a power cut, too. They survive the end of the process in any case.

        Raises:
            RunFolderError: The disk is full, or fails.
        """
        self._notes += entries
        await self._flush(is_durable=is_durable)

    async def note(self, *entries: Entry) -> None:
        """Have *entries* in the journal soon. What goes wrong then is told to the next `write`."""
        self._notes += entries
        if not self._is_armed:
            self._is_armed = True
            self.send_after(_GATHERING, Journal.flush)

    async def flush(self) -> None:
        """Write what has gathered; if that fails it stays, and the next `write` says so."""
        self._is_armed = False
        await self._flush(is_durable=False)

    async def _flush(self, *, is_durable: bool) -> None:
        if self._notes:
            entries = tuple(self._notes)
            await self._off_loop(partial(self._store.write, entries, is_durable=is_durable))
            # In this turn nobody has added any.
            self._notes.clear()

    async def _off_loop(self, work: Callable[[], R]) -> R:
        # Not abandoned when it is cancelled: a write that has begun is finished.
        return await trio.to_thread.run_sync(work, limiter=self._thread)


JOURNAL_NAME = Name("journal", Journal)

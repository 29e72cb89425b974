"""What became of one client's samples, in the order of becoming: one poll for many promises.

A client reads behind a cursor; everything at or before the cursor it sends is acknowledged and forgotten. One log for
each copy of a sampling client: copies poll independently.
"""

from collections.abc import Sequence

import trio
from attrs import define, field

from tinkex_actors.wire.requests import Completion

CLONE_SPAN = 10**9
"""Sequence numbers of one copy of a sampling client: its number is ``seq_id // CLONE_SPAN``."""


@define(eq=False)
class CompletionLog:
    """The completions of one copy of a sampling client."""

    _first: int = 0
    """The cursor before the oldest entry."""
    _entries: list[Completion] = field(factory=list[Completion])
    _added: trio.Event = field(factory=trio.Event)

    @property
    def cursor(self) -> int:
        """The place behind the newest entry."""
        return self._first + len(self._entries)

    def add(self, completion: Completion) -> None:
        """Note a completion and wake whoever waits."""
        self._entries.append(completion)
        self.wake()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        self._added.set()
        self._added = trio.Event()

    async def read(self, cursor: int, patience: float) -> Sequence[Completion]:
        """Return what came after *cursor*, waiting at most *patience* seconds for something; forget what is before it."""
        acknowledged = min(max(cursor - self._first, 0), len(self._entries))
        del self._entries[:acknowledged]
        self._first += acknowledged
        if not self._entries:
            with trio.move_on_after(patience):
                await self._added.wait()
        return tuple(self._entries)

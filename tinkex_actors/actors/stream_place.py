"""One stream's place among the open requests of a sampling session: plain data, like a sample's entry.

A stream waits for its place in line with the samples, keeps it until it is closed, and says meanwhile what it waits for.
Nobody works it off: whoever reads it holds its connection, so it survives the crash of every actor.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import trio
from attrs import define, field

from tinkex_actors.activity import working_on
from tinkex_actors.actors.errors import fresh
from tinkex_actors.actors.queue_state import QueueWatch
from tinkex_actors.transport.standing import Standing


@define(eq=False)
class StreamPlace:
    """Where one stream stands."""

    name: str
    """The protocol's name of the operation."""
    weight_bytes: int = 0
    """The estimate that budgets count."""
    standing: Standing = field(factory=Standing)
    number: int | None = None
    """Its sequence number, once it has its place."""
    error: Exception | None = None
    """Why it ended, if the client was closed or lost its session."""
    tokens: int = 0
    """How many have come."""
    is_waiting: bool = True
    """Whether somebody waits for the server at the moment; a reader who is busy elsewhere does not."""
    _admitted: trio.Event = field(factory=trio.Event)
    _scope: trio.CancelScope | None = None

    def enter(self, owner: Mapping[str, str], queue: QueueWatch) -> None:
        """Write down in whose ledger it lies."""
        self.standing.owner, self.standing.operation, self.standing.tell_queue = owner, self.name, queue.note

    def admit(self, number: int) -> None:
        """It may begin, under that number."""
        self.number = self.standing.number = number
        self._admitted.set()

    def fail(self, error: Exception) -> None:
        """Nothing more will come: whoever reads gets *error*."""
        self.error = error
        self._admitted.set()
        if self._scope is not None:
            self._scope.cancel()

    async def wait_admitted(self) -> int:
        """Wait for the place, and return the number.

        Raises:
            TinkerError: The ledger was closed; a fresh copy of the reason.
        """
        await self._admitted.wait()
        self._raise_failure()
        assert self.number is not None  # noqa: S101 - admit sets both
        return self.number

    @contextmanager
    def waiting_for(self, what: str) -> Generator[None, None, None]:
        """Wait for the server within the block; the block is cancelled when the ledger is closed.

        Raises:
            TinkerError: It was closed; a fresh copy of the reason.
            trio.BusyResourceError: Another task is within such a block.
        """
        self._raise_failure()
        if self._scope is not None:
            raise trio.BusyResourceError("another task reads this stream; open a stream for each reader")
        self.is_waiting = True
        self.standing.wait(what)
        try:
            with working_on(self.standing), trio.CancelScope() as self._scope:
                yield
        finally:
            self._scope, self.is_waiting = None, False
        self._raise_failure()

    def note_progress(self) -> None:
        """A token has come: what it waits for from now on, it has not waited for before."""
        self.tokens += 1
        self.standing.since = None

    def _raise_failure(self) -> None:
        if self.error is not None:
            raise fresh(self.error)

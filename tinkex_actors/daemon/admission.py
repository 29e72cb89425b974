"""One door for the training work of all runs: how much may be under way at once, and whose turn it is.

Two budgets, operations and bytes, are shared. When they are spent, runs wait, and what becomes free goes to the most
important kind of work first, and among equals to the run that has had the least for its weight (start-time fair queueing:
each grant moves a run's virtual time forward by its cost over its weight). Heartbeats do not pass here at all.

A run that waits and has work under way must be able to finish that first, or two of them could wait for one another;
hence `try_admit`.
"""

from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum

import trio
from attrs import define, field, frozen


class Kind(IntEnum):
    """What is to be done, the most important first."""

    TRAINING = 0
    EVALUATION = 1
    SAMPLING = 2


@frozen(eq=False)
class Ticket:
    """Work under way. Given back once."""

    size_bytes: int


@define(eq=False)
class _Waiter:
    run: str
    kind: Kind
    size_bytes: int
    order: int
    admitted: trio.Event = field(factory=trio.Event)
    ticket: Ticket | None = None


@define(eq=False)
class Admission:
    """The door."""

    max_operations: int
    max_bytes: int
    operations: int = 0
    """Under way."""
    size_bytes: int = 0
    """Under way."""
    _weights: dict[str, float] = field(factory=dict[str, float])
    _times: dict[str, float] = field(factory=dict[str, float])
    _waiters: list[_Waiter] = field(factory=list[_Waiter])
    _now: float = 0.0
    _arrivals: int = 0

    def enrol(self, run: str, weight: float) -> None:
        """Let *run* take part, with its weight beside the others'."""
        self._weights[run] = weight

    @property
    def waiting(self) -> int:
        """How much work waits at the door."""
        return len(self._waiters)

    def try_admit(self, run: str, size_bytes: int) -> Ticket | None:
        """Admit work if there is room and nobody waits."""
        if self._waiters or not self._has_room(size_bytes):
            return None
        return self._grant(run, size_bytes)

    async def admit(self, run: str, kind: Kind, size_bytes: int) -> Ticket:
        """Wait until the work may begin. Work larger than the whole budget begins when it is alone."""
        if (ticket := self.try_admit(run, size_bytes)) is not None:
            return ticket
        self._arrivals += 1
        waiter = _Waiter(run, kind, size_bytes, self._arrivals)
        self._waiters.append(waiter)
        try:
            await waiter.admitted.wait()
        except trio.Cancelled:
            self._withdraw(waiter)
            raise
        if waiter.ticket is None:
            raise RuntimeError("a waiter was let in without a ticket")
        return waiter.ticket

    def give_back(self, ticket: Ticket) -> None:
        """The work is done, or will never be."""
        self.operations -= 1
        self.size_bytes -= ticket.size_bytes
        self._let_in()

    @contextmanager
    def returning(self, ticket: Ticket) -> Generator[None, None, None]:
        """Give *ticket* back when the block is left."""
        try:
            yield
        finally:
            self.give_back(ticket)

    @contextmanager
    def keeping(self, ticket: Ticket) -> Generator[None, None, None]:
        """Give *ticket* back only if the block fails: then the work was never begun."""
        try:
            yield
        except BaseException:
            self.give_back(ticket)
            raise

    def _withdraw(self, waiter: _Waiter) -> None:
        if waiter.ticket is not None:
            self.give_back(waiter.ticket)
        else:
            self._waiters.remove(waiter)
            self._let_in()

    def _has_room(self, size_bytes: int) -> bool:
        if self.operations == 0:
            return True
        return self.operations < self.max_operations and self.size_bytes + size_bytes <= self.max_bytes

    def _let_in(self) -> None:
        while self._waiters:
            first = min(self._waiters, key=lambda one: (one.kind, self._begin(one.run), one.order))
            if not self._has_room(first.size_bytes):
                return
            self._waiters.remove(first)
            first.ticket = self._grant(first.run, first.size_bytes)
            first.admitted.set()

    def _begin(self, run: str) -> float:
        # A run that was idle does not get what it did not ask for meanwhile.
        return max(self._times.get(run, 0.0), self._now)

    def _grant(self, run: str, size_bytes: int) -> Ticket:
        begin = self._begin(run)
        self._now = begin
        self._times[run] = begin + max(size_bytes, 1) / self._weights.get(run, 1.0)
        self.operations += 1
        self.size_bytes += size_bytes
        return Ticket(size_bytes)

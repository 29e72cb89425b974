"""A model's requests, in order: plain data that outlives every life of the actor that works it off.

The service executes the requests of one model strictly by number, without gaps; a repeated number is the same request.
Making the model counts as number 0. So a number is taken at the last moment, when a call is about to be sent, and only one call at a time is in
doubt, that is: numbered, perhaps sent, not yet promised.

::

    waiting ──begin──► in doubt ──accept──► open ──settle──► (gone)
       │                  │
       withdraw, drop     ├─ refuse: nothing of it was accepted, so its numbers go to the next call
       (no number yet)    └─ fence:  the hole stays, so nothing later can ever be executed

A call may need something before it can be sent, such as the results of an earlier one: it waits with a *preparation*, and
nothing behind it goes first. As it has no number yet, one whose preparation fails leaves no hole.

After a crash the call in doubt is sent again under its numbers, and open requests are asked for again: both are the same
request to the server. Clients only append to ``waiting``; everything else happens in the turn of whoever serves the ledger.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf
from typing import Any

from attrs import define, field

from tinkex_actors.actors.call_span import begin_call, end_when_settled
from tinkex_actors.actors.errors import ClientBusy, ClientFenced, OperationWithdrawn, fresh
from tinkex_actors.actors.operation import Operation, Value
from tinkex_actors.actors.pending import Slot
from tinkex_actors.actors.queue_state import QueueWatch
from tinkex_actors.tracing import Span, Tracing
from tinkex_actors.types.futures import Promise


def nobody() -> None:
    """Nobody serves the ledger at the moment: whoever comes next looks at it first."""


@define(eq=False)
class Entry:
    """One request: what it asks, where its fate is written, and its number once it has one."""

    # Requests of one ledger bring results of many types; each slot knows its own.
    operation: Operation[Any]
    slot: Slot[Any]
    number: int | None = None
    turn: int = 0
    """How many calls had given their numbers back when it took its own: others may have had it before."""
    sends: int = 0
    """How often somebody began to send it; a life that crashed may have."""

    def enter(self, owner: Mapping[str, str], queue: QueueWatch) -> None:
        """Write down in whose ledger it lies."""
        standing = self.operation.standing
        standing.owner, standing.operation, standing.tell_queue = owner, self.operation.name, queue.note

    def take(self, number: int, turn: int = 0) -> None:
        """Give it its number."""
        self.number = self.operation.standing.number = number
        self.turn = turn

    def key(self, prefix: str) -> str:
        """Return its idempotency key: every life makes the same one, and no other request has it."""
        return f"{prefix}-{self.number}" + (f"-{self.turn}" if self.turn else "")

    def accept(self, promise: Promise) -> None:
        """Write down what the server has promised."""
        self.operation.standing.request_id = promise.request_id
        self.slot.accept(promise)

    def settle(self, fate: Value[Any] | Exception) -> None:
        """Write down how it ended."""
        match fate:
            case Value(value):
                self.slot.succeed(value)
            case error:
                self.slot.fail(error)


@define(eq=False)
class Call:
    """What one call of the user sends: one request, or the slices of a batch in their order."""

    entries: Sequence[Entry]
    is_divisible: bool = False
    """Whether each request stands for itself: then all are sent at once. The slices of a batch wait for the first."""
    preparation: Callable[[], Awaitable[None]] | None = None
    """What has to be done before the requests can be made; may be begun again after a crash, and by one at a time."""
    outer: Span | None = None
    """What the call is a part of, where calls are traced."""
    is_last: bool = True
    """Whether *outer* ends with it."""
    is_traced: bool = True
    """Whether it may be traced, where calls are; a part of a call that is not traced is not."""

    def fail(self, error: Exception) -> None:
        """Settle every request that is not settled yet."""
        for entry in self.entries:
            entry.slot.fail(fresh(error))


@define(eq=False)
class Ledger:
    """The requests of one model."""

    name: str
    """For messages: which client this is."""
    key: str
    """What the idempotency keys of its requests begin with: derived from session and client, so never another's."""
    next_number: int = 0
    refusals: int = 0
    """How many calls had to give their numbers back."""
    most: float = inf
    """How many calls and promises may be unanswered before nothing more is taken in."""
    waiting: deque[Call] = field(factory=deque[Call])
    in_doubt: Call | None = None
    open: dict[int, Entry] = field(factory=dict[int, Entry])
    """Promised and not yet answered, by number."""
    made: set[str] = field(factory=set[str])
    """The claims of requests that are done."""
    end: Exception | None = None
    """Why nothing more is taken in, once that is so."""
    knock: Callable[[], None] = nobody
    """Tells whoever serves the ledger that something waits."""
    owner: dict[str, str] = field(factory=dict[str, str])
    """The ids of session, client and model, as far as they are known: for logs."""
    tracing: Tracing | None = None
    """Begins a span for each call, where calls are traced."""
    queue: QueueWatch = field(init=False)
    """What the server says of its queue."""

    def __attrs_post_init__(self) -> None:
        self.owner["client"] = self.name
        self.queue = QueueWatch(self.name, "training")

    @property
    def number_behind(self) -> int:
        """The number the next call would begin with, unless one before it is refused or withdrawn."""
        return self.next_number + sum(len(call.entries) for call in self.waiting)

    def enlist(self, call: Call) -> None:
        """Let *call* wait behind those before it. Cannot be interrupted: it is in the ledger or it is not.

        Raises:
            TinkerError: The ledger takes in nothing more; a fresh copy of the reason.
            ClientBusy: It takes in nothing now: there is as much as may be.
        """
        if self.end is not None:
            raise fresh(self.end)
        if (held := len(self.waiting) + len(self.open)) >= self.most:
            raise ClientBusy(
                f"{self.name}: {held} operations are not answered yet, the most it holds; await some of them"
            )
        self.knock()  # heard later, but refused at once from a foreign thread: then nothing was taken in
        for entry in call.entries:
            entry.enter(self.owner, self.queue)
        if self.tracing is not None and call.is_traced:
            self._trace(self.tracing, call)
        self.waiting.append(call)

    def withdraw(self, call: Call) -> bool:
        """Take *call* back if it still waits, and say whether it did."""
        if call not in self.waiting:
            return False
        self.drop(call, OperationWithdrawn(f"{call.entries[0].operation.name} was cancelled before it was sent"))
        return True

    @property
    def unprepared(self) -> Call | None:
        """The next call, if it has to be prepared first."""
        call = self.waiting[0] if self.waiting and self.in_doubt is None else None
        return call if call is not None and call.preparation is not None else None

    def release(self, call: Call) -> None:
        """*call* is prepared: it may be sent when its turn comes."""
        call.preparation = None

    def drop(self, call: Call, error: Exception) -> None:
        """Fail *call* if it still waits; what is behind it moves up."""
        if call in self.waiting:
            self.waiting.remove(call)
            call.fail(error)
            self.knock()

    def begin(self) -> Call | None:
        """Give the next call its numbers, or return the one that is already in doubt; ``None`` if nothing can be sent."""
        if self.in_doubt is None and self.waiting and self.waiting[0].preparation is None:
            call = self.in_doubt = self.waiting.popleft()
            for entry in call.entries:
                entry.take(self.next_number, self.refusals)
                self.next_number += 1
        return self.in_doubt

    def accept(self, promises: Mapping[int, Promise]) -> None:
        """Note the server's promises for requests of the call in doubt; once it has all, the call is open."""
        call = self._call_in_doubt()
        for entry in call.entries:
            if entry.number is not None and entry.number in promises:
                entry.accept(promises[entry.number])
                self.open[entry.number] = entry
        if all(entry.number in self.open for entry in call.entries):
            self.in_doubt = None

    def refuse(self, error: Exception) -> None:
        """The server has definitely not taken the call in doubt: fail it, and give its numbers to the next one.

        If it has taken a part, the numbers of that part are spent and the hole before or between them stays.
        """
        call = self._call_in_doubt()
        if any(entry.number in self.open for entry in call.entries):
            self.fence(error)
            return
        self.next_number -= len(call.entries)
        self.refusals += 1
        self.in_doubt = None
        call.fail(error)

    def fence(self, cause: Exception) -> None:
        """Whether the call in doubt was taken cannot be known: fail it and everything after it, now and later."""
        call = self._call_in_doubt()
        first = call.entries[0]
        end = ClientFenced(
            f"{self.name}: request {first.number} ({first.operation.name}) is neither done nor known to be refused, so "
            "nothing later can be executed; create a new training client from the last checkpoint"
        )
        end.__cause__ = cause
        call.fail(end)
        for entry in call.entries:
            if entry.number is not None:
                self.open.pop(entry.number, None)
        self._stop(end)

    def recall(self, entry: Entry, attempts: int) -> Value[Any] | None:
        """Say what *entry* has brought, if the server's conflict can only be with an earlier sending of the same request.

        Some servers know no repeats: a save whose answer was lost is refused when it is sent again, for its name is taken.
        It is, by itself, unless this model has saved under that name before.

        Args:
            entry: Of the call in doubt.
            attempts: How often it was sent until it was refused.
        """
        operation, is_repeat = entry.operation, entry.sends > 1 or attempts > 1
        if operation.done_before is None or not is_repeat or operation.claim in self.made:
            return None
        return Value(operation.done_before())

    def conclude(self, fate: Value[Any]) -> None:
        """The call in doubt, of one request, is known to be done: its number is spent, and no result will come."""
        (entry,) = self._call_in_doubt().entries
        self.in_doubt = None
        self._end(entry, fate)

    def settle(self, number: int, fate: Value[Any] | Exception) -> None:
        """Write down how the open request *number* ended. A failed result breaks nothing that comes after it."""
        entry = self.open.pop(number, None)
        if entry is not None:
            self._end(entry, fate)

    def close(self, error: Exception) -> None:
        """Fail everything that is not settled, and take in nothing more."""
        if self.in_doubt is not None:
            self.in_doubt.fail(error)
        for entry in self.open.values():
            entry.slot.fail(fresh(error))
        self.open.clear()
        self._stop(error)

    def _end(self, entry: Entry, fate: Value[Any] | Exception) -> None:
        if entry.operation.claim and isinstance(fate, Value):
            self.made.add(entry.operation.claim)
        entry.settle(fate)

    def _trace(self, tracing: Tracing, call: Call) -> None:
        standings = [entry.operation.standing for entry in call.entries]
        span = begin_call(tracing, self.owner, standings, outer=call.outer)
        if span is None:
            return
        spans = [span] if call.outer is None or not call.is_last else [span, call.outer]
        end_when_settled(spans, [entry.slot for entry in call.entries])

    def _stop(self, end: Exception) -> None:
        self.end = end
        self.in_doubt = None
        while self.waiting:
            self.waiting.popleft().fail(end)

    def _call_in_doubt(self) -> Call:
        if self.in_doubt is None:
            raise RuntimeError(f"{self.name}: no call is in doubt; call begin() first")
        return self.in_doubt

"""A sampling session's requests: plain data that outlives every life of the actor that works it off.

Samples have numbers too, so that a repeat is recognised, but no order: any number of them are open at once, and a gap
means nothing. A withdrawn sample is gone from ``open``; whoever works on it is knocked, and finds its number among the
withdrawn.
"""

from collections import OrderedDict
from collections.abc import Callable
from math import inf
from typing import Any

from attrs import define, field

from tinkex_actors.actors.call_span import begin_call, end_when_settled
from tinkex_actors.actors.errors import ClientBusy, OperationWithdrawn, fresh
from tinkex_actors.actors.ledger import Entry, nobody
from tinkex_actors.actors.operation import Value
from tinkex_actors.actors.queue_state import QueueWatch
from tinkex_actors.actors.stream_place import StreamPlace
from tinkex_actors.tracing import Tracing
from tinkex_actors.types.ids import SamplingSessionId

COPY_SPAN = 10**9
"""How many numbers a copy of a sampling client has; servers tell the copy by it."""


@define(eq=False)
class SampleLedger:
    """The requests of one sampling session."""

    name: str
    """For messages: which client this is."""
    key: str
    """What the idempotency keys of its requests begin with."""
    session_id: SamplingSessionId
    """Of which sampling session."""
    copy: int = 0
    """Which copy of the sampling client this is: each has numbers of its own, 10^9 of them."""
    next_number: int = field(default=0, init=False)
    most: float = inf
    """How many samples and streams may wait before nothing more is taken in."""
    waiting: OrderedDict[Entry | StreamPlace, None] = field(factory=OrderedDict["Entry | StreamPlace", None])
    """In line to be opened. Whoever leaves may stand anywhere in it, and a cancelled program leaves with all it has."""
    open: dict[int, Entry] = field(factory=dict[int, Entry])
    """Numbered and not yet answered; with a promise or, in doubt, without."""
    withdrawn: list[int] = field(factory=list[int])
    """Numbers that were open and are not wanted any more: to be emptied by whoever works on them."""
    streams: dict[int, StreamPlace] = field(factory=dict[int, StreamPlace])
    """Numbered and not yet closed. They are read by their users, and worked off by nobody."""
    answered: int = 0
    """How many samples have brought a result."""
    end: Exception | None = None
    """Why nothing more is taken in, once that is so."""
    knock: Callable[[], None] = nobody
    """Tells whoever serves the ledger to look at it."""
    owner: dict[str, str] = field(factory=dict[str, str])
    """The ids of session, client and sampling session: for logs."""
    tracing: Tracing | None = None
    """Begins a span for each sample, where calls are traced."""
    queue: QueueWatch = field(init=False)
    """What the server says of its queue."""

    def __attrs_post_init__(self) -> None:
        self.owner |= {"client": self.name, "sampling_session_id": self.session_id}
        self.queue = QueueWatch(self.name, "sampling")
        self.next_number = self.copy * COPY_SPAN

    @property
    def places_taken(self) -> int:
        """How many samples and streams are open."""
        return len(self.open) + len(self.streams)

    def enlist(self, entry: Entry | StreamPlace) -> None:
        """Let a sample wait, or a stream.

        Raises:
            TinkerError: The ledger takes in nothing more; a fresh copy of the reason.
            ClientBusy: It takes in nothing now: as many wait as may.
        """
        if self.end is not None:
            raise fresh(self.end)
        if len(self.waiting) >= self.most:
            raise ClientBusy(
                f"{self.name}: {len(self.waiting)} samples wait to be sent, the most it holds; await some of them before more"
            )
        self.knock()  # heard later, but refused at once from a foreign thread: then nothing was taken in
        entry.enter(self.owner, self.queue)
        if self.tracing is not None:
            self._trace(self.tracing, entry)
        self.waiting[entry] = None

    def leave(self, place: StreamPlace) -> None:
        """A stream is closed, or was given up in line: its place is free."""
        if place.standing.span is not None:
            place.standing.span.end(place.error)
        if place.number is not None:
            self.streams.pop(place.number, None)
        else:
            self.waiting.pop(place, None)
        self.knock()

    def begin(self) -> int:
        """Open what waits first, and return its new number. A stream is told, and goes on by itself."""
        first, _ = self.waiting.popitem(last=False)
        if isinstance(first, Entry):
            return self._open(first)
        number = self._take_number()
        self.streams[number] = first
        first.admit(number)
        return number

    def renumber(self, number: int) -> int | None:
        """Make a new request of an open sample whose promise is lost; ``None`` if it is no longer open."""
        entry = self.open.pop(number, None)
        if entry is None:
            return None
        entry.slot.promise = entry.operation.standing.request_id = None
        return self._open(entry)

    def withdraw(self, entry: Entry) -> bool:
        """Take a sample back unless it is settled, and say whether it was."""
        if entry.slot.is_settled:
            return False
        if entry in self.waiting:
            del self.waiting[entry]
        elif entry.number is not None:
            del self.open[entry.number]
            self.withdrawn.append(entry.number)
        entry.slot.fail(OperationWithdrawn(f"{entry.operation.name} was cancelled"))
        self.knock()
        return True

    # Each slot knows the type of its own value.
    def settle(self, number: int, fate: Value[Any] | Exception) -> None:
        """Write down how the open sample *number* ended."""
        entry = self.open.pop(number, None)
        if entry is not None:
            self.answered += isinstance(fate, Value)
            entry.settle(fate)

    def abandon(self, entry: Entry, error: Exception) -> None:
        """Fail an open sample for want of an answer, and let whoever works on it know."""
        if entry.number is not None and self.open.pop(entry.number, None) is not None:
            self.withdrawn.append(entry.number)
            entry.slot.fail(error)
            self.knock()

    def close(self, error: Exception) -> None:
        """Fail everything that is not settled, and take in nothing more."""
        self.end = error
        for one in (*self.open.values(), *self.streams.values(), *self.waiting):
            (one.slot if isinstance(one, Entry) else one).fail(fresh(error))
        self.open.clear()
        self.streams.clear()
        self.waiting.clear()

    def _trace(self, tracing: Tracing, entry: Entry | StreamPlace) -> None:
        if isinstance(entry, StreamPlace):
            begin_call(tracing, self.owner, [entry.standing])  # ended when it leaves
        elif (span := begin_call(tracing, self.owner, [entry.operation.standing])) is not None:
            end_when_settled([span], [entry.slot])

    def _open(self, entry: Entry) -> int:
        number = self._take_number()
        entry.take(number)
        self.open[number] = entry
        return number

    def _take_number(self) -> int:
        self.next_number += 1
        return self.next_number - 1

"""Says why it waits: every pending operation with its reason, on demand and, when it takes long, in the log.

The layers and the poller write down where a request stands, and this reads it. What waits for long is told once for each
client, operation and reason, with how many wait and how long the oldest does, and again each time that has doubled. A
sample that waits while nothing comes at all is given up in the end: see `progress`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf

import trio
from attrs import define, field, frozen

from supervisors import Name
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.actors.ledger import Entry, Ledger
from tinkex_actors.actors.progress import ProgressWatch, give_up
from tinkex_actors.actors.sample_ledger import SampleLedger
from tinkex_actors.actors.stream_place import StreamPlace
from tinkex_actors.log import get_log
from tinkex_actors.settings import Figures
from tinkex_actors.types.futures import QueueState
from tinkex_actors.types.ids import RequestId

_log = get_log()
_DRAWN = 10
Ledgers = Mapping[str, Ledger | SampleLedger]


@frozen(kw_only=True)
class Wait:
    """One operation that is not answered yet. Times are in seconds; ``str`` of it is a line for people."""

    client: str
    """Whose it is, such as ``"trainer-0"``."""
    operation: str
    """The protocol's name."""
    number: int | None
    """Its sequence number, once it has one."""
    request_id: RequestId | None
    """The server's promise, once there is one."""
    age: float
    """Since it was asked for, to the nearest second."""
    waits_for: str
    """What holds it up."""
    attempts: int
    """How often it was sent, or asked after."""
    next_try_in: float | None
    """When it goes on, where that is known."""
    last_error: str | None
    """What came of the last attempt that failed."""
    queue_state: QueueState
    """The server's queue, as it was last named."""
    queue_state_reason: str | None

    def __str__(self) -> str:
        number = "" if self.number is None else f" {self.number}"
        parts = [f"{self.client} {self.operation}{number}: for {self.age:.0f} s, waits for {self.waits_for}"]
        if self.attempts:
            parts.append(f"attempt {self.attempts}")
        if self.next_try_in is not None:
            parts.append(f"next in {self.next_try_in:.1f} s")
        if self.queue_state is not QueueState.UNKNOWN:
            reason = f" ({self.queue_state_reason})" if self.queue_state_reason else ""
            parts.append(f"the server's queue is {self.queue_state.value}{reason}")
        if self.last_error:
            parts.append(f"last error: {self.last_error}")
        return "; ".join(parts)


def list_waits(ledgers: Ledgers, now: float) -> tuple[Wait, ...]:
    """Describe all that waits, client by client, in the order it will be done."""
    return tuple(_describe(ledger.name, one, now) for ledger in ledgers.values() for one in list_pending(ledger))


def list_pending(ledger: Ledger | SampleLedger) -> Iterator[Entry | StreamPlace]:
    """Go through what of *ledger* somebody may wait for: whose fate is not known, and whose next token is asked for."""
    for one in _list_open(ledger):
        if not one.slot.is_settled if isinstance(one, Entry) else one.is_waiting:
            yield one


def _list_open(ledger: Ledger | SampleLedger) -> Iterable[Entry | StreamPlace]:
    """Go through what *ledger* has taken in and not answered yet."""
    yield from ledger.open.values()
    if isinstance(ledger, SampleLedger):
        yield from ledger.streams.values()
        yield from ledger.waiting
        return
    calls = ([ledger.in_doubt] if ledger.in_doubt is not None else []) + list(ledger.waiting)
    for call in calls:
        # A slice of the call in doubt that was promised is open already.
        yield from (entry for entry in call.entries if entry.number is None or entry.number not in ledger.open)


def _describe(client: str, one: Entry | StreamPlace, now: float) -> Wait:
    work = one.operation if isinstance(one, Entry) else one
    standing, promise = work.standing, one.slot.promise if isinstance(one, Entry) else None
    if standing.since is None:
        standing.since = now
    return Wait(
        client=client,
        operation=work.name,
        number=one.number,
        request_id=None if promise is None else promise.request_id,
        age=now - standing.since,
        waits_for=standing.waits_for,
        attempts=standing.attempts,
        next_try_in=None if standing.until is None else max(0.0, standing.until - now),
        last_error=standing.last_error,
        queue_state=standing.queue_state,
        queue_state_reason=standing.queue_state_reason,
    )


def draw_waits(ledgers: Ledgers, client: str) -> str:
    """Draw what of *client* waits, a line each, of many the first; for notebooks, also when nothing runs any more."""
    try:
        waits = list_waits({name: ledger for name, ledger in ledgers.items() if name == client}, trio.current_time())
    except RuntimeError:  # outside of trio there is no time, and nobody who waits
        return ""
    more = [f"… {len(waits) - _DRAWN} more"] if len(waits) > _DRAWN else []
    return "\n".join([*(str(wait) for wait in waits[:_DRAWN]), *more])


@define
class WaitLog:
    """Decides which waits are told, and when again: pure."""

    first: float
    """Seconds from which a wait is long."""
    _next: dict[tuple[str, str], float] = field(factory=dict[tuple[str, str], float])

    def choose(self, waits: Iterable[Wait]) -> list[Sequence[Wait]]:
        """Pick the groups, oldest wait first, that are to be told now; a group that is gone may be told anew."""
        groups = defaultdict[tuple[str, str], list[Wait]](list)
        for wait in waits:
            if wait.age >= self.first:
                groups[wait.client, wait.operation].append(wait)
        self._next = {key: at for key, at in self._next.items() if key in groups}
        told = list[Sequence[Wait]]()
        for key, group in groups.items():
            group.sort(key=lambda wait: -wait.age)
            if group[0].age >= self._next.get(key, 0.0):
                self._next[key] = 2 * group[0].age
                told.append(group)
        return told


class Waits(Crashable):
    """Looks at what waits, every now and then."""

    def __init__(self, ledgers: Ledgers, figures: Figures, gives_up: Callable[[], bool]) -> None:
        """Watch *ledgers*, which others may change at any time.

        Args:
            ledgers: By name.
            figures: How often to look, and what is long.
            gives_up: Whether the server wants stuck samples to be given up.
        """
        self._ledgers = ledgers
        self._figures = figures
        self._gives_up = gives_up
        self._log = WaitLog(figures.wait_log_first)
        self._progress = defaultdict[str, ProgressWatch](ProgressWatch)

    async def on_start(self) -> None:
        """Begin to look."""
        self.send_every(self._figures.wait_check, Waits.look)

    async def look(self) -> None:
        """Tell what has waited for long, and give up what has waited for too long."""
        self._tell(list_waits(self._ledgers, trio.current_time()))
        if self._figures.progress_timeout < inf and self._gives_up():
            self._end_stuck(self._figures.progress_timeout)

    def _end_stuck(self, timeout: float) -> None:
        now = trio.current_time()
        for name, ledger in list(self._ledgers.items()):
            if isinstance(ledger, SampleLedger):
                for one in self._progress[name].find_stuck(ledger, now, timeout):
                    give_up(ledger, one, timeout)

    def _tell(self, waits: Iterable[Wait]) -> None:
        for group in self._log.choose(waits):
            _log.warning(
                f"{group[0].operation} waits for {group[0].waits_for}",
                client=group[0].client,
                seconds=round(group[0].age),
                waiting=len(group),
                attempts=group[0].attempts,
                next_try_in=group[0].next_try_in,
                last_error=group[0].last_error,
                queue_state=group[0].queue_state.value,
                queue_state_reason=group[0].queue_state_reason,
            )


WAITS = Name("waits", Waits)

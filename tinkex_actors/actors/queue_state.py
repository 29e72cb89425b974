"""Why the server lets a client wait: its queue's state, told to observers and, at most once a minute, to the log.

The server names the state while an operation is asked after. A change, of state or of reason, is told to every observer of
the client; an observer that fails is logged and disturbs nobody. A pause is also logged, with the server's reason or, if it
gives none, with what the state usually means.
"""

from collections.abc import Callable
from math import inf
from typing import Literal

from attrs import define, field, frozen

from tinkex_actors.log import get_log
from tinkex_actors.types.futures import PAUSED, QueueState

_log = get_log()
Kind = Literal["training", "sampling"]

_USUAL_REASONS: dict[tuple[Kind, QueueState], str] = {
    ("sampling", QueueState.PAUSED_RATE_LIMIT): "the limit of sampler weights in use at once is reached",
    ("training", QueueState.PAUSED_RATE_LIMIT): "the limit of training clients at work at once is reached",
    ("sampling", QueueState.PAUSED_CAPACITY): "the service is short of capacity",
    ("training", QueueState.PAUSED_CAPACITY): "the service is short of capacity",
}


@frozen
class QueueChange:
    """A client's queue has another state."""

    client: str
    """Such as ``"trainer-0"``."""
    kind: Kind
    state: QueueState
    reason: str
    """In the server's words if it gave any; empty where there is nothing to explain."""


QueueObserver = Callable[[QueueChange], None]
"""Is told of changes, in the program's loop; it must not block."""


@define(eq=False)
class QueueWatch:
    """One client's queue: plain data that outlives every life of its actor."""

    client: str
    kind: Kind
    log_interval: float = 60.0
    """Seconds between two warnings."""
    state: QueueState = QueueState.UNKNOWN
    reason: str = ""
    observers: list[QueueObserver] = field(factory=list[QueueObserver])
    _told_at: float = -inf

    def observe(self, observer: QueueObserver) -> Callable[[], None]:
        """Tell *observer* of every change from now on; call what is returned to end that, once or often."""
        self.observers.append(observer)

        def leave() -> None:
            if observer in self.observers:
                self.observers.remove(observer)

        return leave

    def note(self, state: QueueState, reason: str | None, now: float) -> None:
        """The server has named the state."""
        words = reason or _USUAL_REASONS.get((self.kind, state), "")
        if (state, words) == (self.state, self.reason):
            return
        self.state, self.reason = state, words
        change = QueueChange(self.client, self.kind, state, words)
        for observer in tuple(self.observers):
            self._tell(observer, change)
        is_paused = state in PAUSED
        if is_paused and now - self._told_at >= self.log_interval:
            self._told_at = now
            _log.warning(f"{self.kind} is paused", client=self.client, state=state.value, reason=words)

    def _tell(self, observer: QueueObserver, change: QueueChange) -> None:
        try:
            observer(change)
        except Exception:  # noqa: BLE001 - somebody else's code, and nobody to raise it to: a crash would take the poller
            _log.exception("an observer of the queue has failed", client=self.client)

"""Where a request stands: whose it is, what holds it up, since when it may go on, and what went wrong before.

Plain data that travels with a request. Whoever makes it wait writes here first, so that a program that hangs can always be
asked why; log records of the request are named by it. Nothing decides by it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from attrs import define, field

from tinkex_actors.tracing import Span
from tinkex_actors.transport.responses import Responses, current_responses
from tinkex_actors.types.futures import QueueState
from tinkex_actors.types.ids import RequestId

_NOBODYS: Final[Mapping[str, str]] = MappingProxyType({})


@define(eq=False)
class Standing:
    """One request's standing. Times are on trio's clock."""

    owner: Mapping[str, str] = _NOBODYS
    """Whose it is: the ids of its session, client and model, shared by all their requests."""
    operation: str = ""
    """The protocol's name of what was asked for."""
    number: int | None = None
    """Its sequence number, once it has one."""
    request_id: RequestId | None = None
    """The server's promise, once there is one."""
    span: Span | None = None
    """The user's call that it is a part of, where that is traced."""
    since: float | None = None
    """Since when it waits, once somebody has looked."""
    waits_for: str = "its turn"
    """What it waits for, in a few words."""
    until: float | None = None
    """When it goes on, where that is known."""
    attempts: int = 0
    """How often it was sent; once it is promised, how often it was asked after."""
    last_error: str | None = None
    """What came of the last attempt that failed."""

    responses: Responses | None = field(factory=current_responses)
    """Where its answers are recorded, if somebody wants them raw."""
    queue_state: QueueState = QueueState.UNKNOWN
    """What the server calls the state of its queue."""
    queue_state_reason: str | None = None
    tell_queue: Callable[[QueueState, str | None, float], None] | None = None
    """Told whenever the server names the state, with the time."""

    def ids(self) -> Mapping[str, object]:
        """Name it for a log, as far as it is known."""
        known = {"operation": self.operation or None, "number": self.number, "request_id": self.request_id}
        return {**self.owner, **{name: value for name, value in known.items() if value is not None}}

    def wait(self, waits_for: str, until: float | None = None) -> None:
        """It waits for this now."""
        self.waits_for = waits_for
        self.until = until

    def name_queue(self, state: QueueState, reason: str | None, now: float) -> None:
        """The server has named the state of its queue."""
        if self.span is not None and state is not self.queue_state:
            self.span.note("queue state", {"tinkex.queue_state": state.value})
        self.queue_state, self.queue_state_reason = state, reason
        if self.tell_queue is not None:
            self.tell_queue(state, reason, now)

"""Where a request stands: what holds it up, since when it may go on, and what went wrong before.

Plain data that travels with a request. Whoever makes it wait writes here first, so that a program that hangs can always be
asked why. Nothing decides by it.
"""

from collections.abc import Callable

from attrs import define

from tinkex_actors.types.futures import QueueState


@define(eq=False)
class Standing:
    """One request's standing. Times are on trio's clock."""

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

    queue_state: QueueState = QueueState.UNKNOWN
    """What the server calls the state of its queue."""
    queue_state_reason: str | None = None
    tell_queue: Callable[[QueueState, str | None, float], None] | None = None
    """Told whenever the server names the state, with the time."""

    def wait(self, waits_for: str, until: float | None = None) -> None:
        """It waits for this now."""
        self.waits_for = waits_for
        self.until = until

    def name_queue(self, state: QueueState, reason: str | None, now: float) -> None:
        """The server has named the state of its queue."""
        self.queue_state, self.queue_state_reason = state, reason
        if self.tell_queue is not None:
            self.tell_queue(state, reason, now)

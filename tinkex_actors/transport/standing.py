"""Where a request stands: what holds it up, since when it may go on, and what went wrong before.

Plain data that travels with a request. Whoever makes it wait writes here first, so that a program that hangs can always be
asked why. Nothing decides by it.
"""

from attrs import define


@define(eq=False)
class Standing:
    """One request's standing. Times are on trio's clock."""

    waits_for: str = "its turn"
    """What it waits for, in a few words."""
    until: float | None = None
    """When it goes on, where that is known."""
    attempts: int = 0
    """How often it was sent."""
    last_error: str | None = None
    """What came of the last attempt that failed."""

    def wait(self, waits_for: str, until: float | None = None) -> None:
        """It waits for this now."""
        self.waits_for = waits_for
        self.until = until

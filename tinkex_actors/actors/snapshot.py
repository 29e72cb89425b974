"""A client at one moment: its actors, its session, the way to its server, and what waits for what.

Taken without waiting for anybody, so that it can be asked of a program that hangs.
"""

from collections.abc import Iterator

from attrs import frozen

from supervisors import Tree
from tinkex_actors.actors.waits import Wait
from tinkex_actors.transport.breaker import State
from tinkex_actors.types.ids import SessionId

_LINES = 20


@frozen(kw_only=True)
class ClientSnapshot:
    """What a client is doing. Times are in seconds; ``str`` of it is a page for people."""

    tree: Tree
    """The actors, with their restarts."""
    session_id: SessionId | None
    """What the server calls the session; ``None`` while there is none."""
    heard_ago: float | None
    """How long ago the server last heard a heartbeat, or the opening."""
    missed_beats: int
    """Heartbeats in a row that it has not answered."""
    breaker: State
    """Whether requests are held back because the server does not answer."""
    sampling_paused_for: float
    """How long samples wait because of a 429; 0 if they do not."""
    waits: tuple[Wait, ...]
    """All operations that are not answered yet."""
    telemetry_queued: int
    telemetry_dropped: int

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield str(self.tree)
        yield self._session_line()
        if self.breaker != "closed":
            yield f"the server does not answer: the breaker is {self.breaker}"
        if self.sampling_paused_for:
            yield f"sampling is paused for {self.sampling_paused_for:.1f} s"
        yield from (f"· {wait}" for wait in self.waits[:_LINES])
        if len(self.waits) > _LINES:
            yield f"· and {len(self.waits) - _LINES} more"

    def _session_line(self) -> str:
        if self.session_id is None:
            return "no session"
        heard = "" if self.heard_ago is None else f", heard {self.heard_ago:.0f} s ago"
        missed = f", {self.missed_beats} heartbeats missed" if self.missed_beats else ""
        return f"session {self.session_id}{heard}{missed}"

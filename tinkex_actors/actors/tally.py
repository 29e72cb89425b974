"""What metrics know of the tree: crashes and restarts as they happen, and how many actors and messages there are.

Everything is counted by events, so that a tree of ten thousand actors costs nothing while nothing happens.
"""

from supervisors import (
    ChildCrashed,
    ChildKilled,
    ChildStarted,
    ChildStopped,
    Event,
    MessageDropped,
    RestartScheduled,
)
from tinkex_actors.metrics import Metrics


class Tally:
    """An observer that counts. Paths are labels; a tree with more children than a metric has room for shares one."""

    def __init__(self, metrics: Metrics) -> None:
        self._alive = set[str]()
        gauge = metrics.gauge
        gauge("tinkex_actors_alive", "Actors and supervisors with a life.").of().read = lambda: float(len(self._alive))
        labels = ("path",)
        self._starts = metrics.counter("tinkex_actor_starts_total", "Lives begun.").of()
        self._crashes = metrics.counter("tinkex_actor_crashes_total", "Lives that crashed.", labels=labels)
        self._restarts = metrics.counter("tinkex_actor_restarts_total", "Restarts decided.", labels=labels)
        self._dropped = metrics.counter(
            "tinkex_messages_dropped_total", "Messages lost to full mailboxes.", labels=labels
        )

    def notify(self, event: Event, /) -> None:
        """Count one event."""
        match event:
            case ChildStarted():
                self._starts.add()
                self._alive.add(event.path)
            case ChildCrashed():
                self._crashes.of(event.path).add()
                self._alive.discard(event.path)
            case ChildStopped() | ChildKilled():
                self._alive.discard(event.path)
            case RestartScheduled():
                self._restarts.of(event.path).add()
            case MessageDropped():
                self._dropped.of(event.path).add()
            case _:
                pass

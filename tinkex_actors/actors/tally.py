"""What metrics know of the tree: crashes and restarts as they happen, and how many actors and messages there are.

The counts are made by events; the gauges are read from the tree when somebody looks, so they cost nothing in between.
"""

from collections.abc import Callable

from supervisors import ChildCrashed, ChildStarted, Event, MessageDropped, RestartScheduled, Tree
from tinkex_actors.metrics import Metrics


class Tally:
    """An observer that counts. Paths are labels; a tree with more children than a metric has room for shares one."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        labels = ("path",)
        self._starts = metrics.counter("tinkex_actor_starts_total", "Lives begun.", labels=labels)
        self._crashes = metrics.counter("tinkex_actor_crashes_total", "Lives that crashed.", labels=labels)
        self._restarts = metrics.counter("tinkex_actor_restarts_total", "Restarts decided.", labels=labels)
        self._dropped = metrics.counter(
            "tinkex_messages_dropped_total", "Messages lost to full mailboxes.", labels=labels
        )

    def notify(self, event: Event, /) -> None:
        """Count one event."""
        match event:
            case ChildStarted():
                self._starts.of(event.path).add()
            case ChildCrashed():
                self._crashes.of(event.path).add()
            case RestartScheduled():
                self._restarts.of(event.path).add()
            case MessageDropped():
                self._dropped.of(event.path).add()
            case _:
                pass

    def watch(self, look: Callable[[], Tree], has_session: Callable[[], bool]) -> None:
        """Let gauges read the tree that *look* returns."""
        gauge = self._metrics.gauge
        gauge("tinkex_actors_alive", "Actors with a life.").of().read = lambda: float(_alive(look()))
        gauge("tinkex_messages_queued", "Messages that wait in mailboxes.").of().read = lambda: float(_queued(look()))
        gauge("tinkex_active_sessions", "Sessions open.").of().read = lambda: float(has_session())


def _alive(tree: Tree) -> int:
    is_actor = tree.kind != "supervisor" and tree.status == "running"
    return is_actor + sum(_alive(child) for child in tree.children)


def _queued(tree: Tree) -> int:
    return tree.queued + sum(_queued(child) for child in tree.children)

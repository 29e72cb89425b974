"""Crashes of the server's actors, written to the log with their tracebacks: a restart must not hide a bug."""

from attrs import field, frozen
from structlog.typing import FilteringBoundLogger

from supervisors import ChildCrashed, Event, SupervisorGaveUp
from tinkex_actors.log import get_log


@frozen(eq=False)
class CrashLog:
    """Watches a supervision tree."""

    _log: FilteringBoundLogger = field(factory=lambda: get_log("tinkex_actors.local"))

    def notify(self, event: Event, /) -> None:
        """Write down what failed; everything else is none of its business."""
        match event:
            case ChildCrashed():
                self._log.error("actor crashed", path=event.path, life=event.life, exc_info=event.exit.error)
            case SupervisorGaveUp():
                self._log.error("supervisor gave up", path=event.path, exc_info=event.error)
            case _:
                pass

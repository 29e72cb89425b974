"""Crashes of the server's actors, written to the log with their tracebacks: a restart must not hide a bug."""

import structlog
from attrs import field, frozen

from supervisors import ChildCrashed, Event, SupervisorGaveUp


def _logger() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tinkex_actors.local")
    return log


@frozen(eq=False)
class CrashLog:
    """Watches a supervision tree."""

    _log: structlog.typing.FilteringBoundLogger = field(factory=_logger)

    def notify(self, event: Event, /) -> None:
        """Write down what failed; everything else is none of its business."""
        match event:
            case ChildCrashed():
                self._log.error("actor crashed", path=event.path, life=event.life, exc_info=event.exit.error)
            case SupervisorGaveUp():
                self._log.error("supervisor gave up", path=event.path, exc_info=event.error)
            case _:
                pass

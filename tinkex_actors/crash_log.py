"""One error record for each crash in a tree: where, which life, in which operation, and what is done about it.

A clean end makes none, nor does a first start that fails: its error is raised where the start was asked for. What the
supervisor decides it tells right after the crash, in the same step of the event loop; the record is written when that step
is over, so that there is one and not two.
"""

from collections.abc import Callable, Mapping
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from supervisors import ChildCrashed, ChildStarted, ChildStopped, Event, RestartScheduled, SupervisorGaveUp
from tinkex_actors.log import get_log

CRASHED: Final = "actor crashed"
"""What a record of a crash says."""


class CrashLog:
    """An observer that writes crashes down."""

    def __init__(
        self,
        context: Callable[[], Mapping[str, str]] = dict,
        *,
        ordered: type[Exception] | tuple[type[Exception], ...] = (),
        log: FilteringBoundLogger | None = None,
    ) -> None:
        """Make the observer.

        Args:
            context: Tells the ids that every record carries, such as the session's.
            ordered: Crashes that somebody asked for: no mystery, and told without their tracebacks.
            log: Where to; the library's own by default.
        """
        self._context = context
        self._ordered = ordered
        self._log = log or get_log()
        self._crashed: ChildCrashed | None = None
        self._decision = ""
        self._up: set[str] = set()
        """Children that have started."""

    def notify(self, event: Event, /) -> None:
        """Note a crash, and the decision that follows it."""
        match event:
            case ChildStarted():
                self._up.add(event.path)
            case ChildStopped():
                self._up.discard(event.path)
            case ChildCrashed() if event.life > 1 or event.path in self._up:
                self._write()  # two in one step: the first is decided
                self._crashed, self._decision = event, "stays down"
                trio.lowlevel.current_trio_token().run_sync_soon(self._write)
            case RestartScheduled() if self._is_about(event.path):
                self._decision = f"restart {event.restarts}" + (f" in {event.delay:g} s" if event.delay else "")
            case SupervisorGaveUp() if self._is_about(event.path):
                self._decision = f"{event.path} gives up"
            case _:
                pass

    def _is_about(self, path: str) -> bool:
        return self._crashed is not None and (self._crashed.path == path or self._crashed.path.startswith(f"{path}/"))

    def _write(self) -> None:
        crashed, self._crashed = self._crashed, None
        if crashed is None:
            return
        error = crashed.exit.error
        fields = {
            "path": crashed.path,
            "life": crashed.life,
            "operation": crashed.operation,
            "decision": self._decision,
        }
        told: dict[str, object] = (
            {"error": str(crashed.exit)} if isinstance(error, self._ordered) else {"exc_info": error}
        )
        self._log.error(CRASHED, **fields, **told, **self._context())

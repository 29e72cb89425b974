"""Where log records go when a command runs: to stderr, so that stdout stays the command's own.

For people on a terminal, a line each, in colour unless NO_COLOR is set; for programs, a JSON object a line, with the time
in UTC, the level, whatever ids are bound, and a traceback as text. Records of other libraries, which come by way of
:mod:`logging`, go the same way. No secret is in either: see `redaction`.
"""

import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from tinkex_actors.log import add_ids
from tinkex_actors.redaction import redact_fields

_NAME = "tinkex"


def log_to_stderr(level: int = logging.INFO, *, is_told: Callable[[EventDict], bool] | None = None) -> None:
    """Send what this process logs to stderr: ours from *level* on, other libraries' warnings. For commands, which own it.

    Args:
        level: The least of our own.
        is_told: Says of a record that the command itself tells it on its terminal; there it is then not written again.
    """
    is_terminal = sys.stderr.isatty()
    first: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_ids,
        structlog.processors.add_log_level,
        _time(is_terminal=is_terminal),
    ]
    last: list[Processor] = [structlog.processors.format_exc_info, redact_event, _renderer(is_terminal=is_terminal)]
    structlog.configure(
        processors=[_passing_by(is_told), *first, *last] if is_told is not None and is_terminal else [*first, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _route_standard_library(first, last)


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take secrets out of a record: a structlog processor, to stand behind whatever formats exceptions."""
    return redact_fields(event)


def _route_standard_library(first: list[Processor], last: list[Processor]) -> None:
    """Have :mod:`logging` write its warnings as ours are written."""
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name(_NAME)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*first, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    for old in [one for one in root.handlers if one.get_name() == _NAME]:
        root.removeHandler(old)
    root.addHandler(handler)


def _passing_by(is_told: Callable[[EventDict], bool]) -> Processor:
    def pass_by(_logger: Any, _method: str, event: EventDict) -> EventDict:
        """Drop what the command tells by itself."""
        if is_told(event):
            raise structlog.DropEvent
        return event

    return pass_by


def _time(*, is_terminal: bool) -> structlog.processors.TimeStamper:
    if is_terminal:
        return structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
    return structlog.processors.TimeStamper(fmt="iso", utc=True)


def _renderer(*, is_terminal: bool) -> Any:
    if not is_terminal:
        return structlog.processors.JSONRenderer(default=str)
    return structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR"))

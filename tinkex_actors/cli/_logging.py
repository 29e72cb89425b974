"""Where log records go when a command runs: to stderr, so that stdout stays the command's own.

For people on a terminal, a line each, in colour unless NO_COLOR is set; for programs, a JSON object a line, with the time
in UTC, the level, whatever ids are bound, and a traceback as text. No secret is in either: see `redaction`.
"""

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from tinkex_actors.redaction import redact_fields


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send what libraries of this process log from *level* on to stderr. For commands, which own their process."""
    is_terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _time(is_terminal=is_terminal),
            structlog.processors.format_exc_info,
            redact_event,
            _renderer(is_terminal=is_terminal),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take secrets out of a record: a structlog processor, to stand behind whatever formats exceptions."""
    return redact_fields(event)


def _time(*, is_terminal: bool) -> structlog.processors.TimeStamper:
    if is_terminal:
        return structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
    return structlog.processors.TimeStamper(fmt="iso", utc=True)


def _renderer(*, is_terminal: bool) -> Any:
    if not is_terminal:
        return structlog.processors.JSONRenderer(default=str)
    return structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR"))

"""Where log records go when a command runs: to stderr, in colour on a terminal, so that stdout stays the command's own."""

import logging
import os
import sys

import structlog


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send what libraries of this process log from *level* on to stderr. For commands, which own their process."""
    is_coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=is_coloured),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )

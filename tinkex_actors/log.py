"""What the library says about itself, said politely.

A program that has configured structlog gets events with their fields, as it wants them. In any other program structlog
would print every debug line to its stdout; there the events go to :mod:`logging` instead: warnings on stderr, and
nothing else unless the program asks for it.
"""

import logging
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger


def get_log(name: str = "tinkex_actors") -> FilteringBoundLogger:
    """Return the logger *name*. Which way its events go is decided when they come."""
    # structlog types what it wraps, and what comes of that, as Any.
    log: FilteringBoundLogger = structlog.wrap_logger(
        logging.getLogger(name), processors=[_hand_over], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    return log


def _hand_over(plain: logging.Logger, method: str, event: EventDict) -> Any:
    """Pass one event on, and end its way through this logger."""
    text = str(event.pop("event"))
    if structlog.is_configured():
        getattr(structlog.get_logger(plain.name), method)(text, **event)
    else:
        _say_plainly(plain, method, text, event)
    raise structlog.DropEvent


def _say_plainly(plain: logging.Logger, method: str, text: str, fields: EventDict) -> None:
    exc_info = fields.pop("exc_info", None)
    told = " ".join([text, *(f"{name}={value!r}" for name, value in fields.items())])
    plain.log(getattr(logging, method.upper()), "%s", told, exc_info=exc_info)

"""What the library says about itself, said politely, and with the ids of what it is about.

A program that has configured structlog gets events with their fields, as it wants them. In any other program structlog
would print every debug line to its stdout; there the events go to :mod:`logging` instead: warnings on stderr, and
nothing else unless the program asks for it. Either way no secret is among them.

Every event carries what its task works on (see :mod:`tinkex_actors.activity`): ``session_id``, ``client``, ``operation``,
``model_id``, ``number``, ``request_id``, as far as they are known when it is written. `add_ids` is the same for the events
of others, a user's own in a custom loss for example: a processor, to stand behind ``merge_contextvars``.
"""

import logging
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from tinkex_actors.activity import current_ids
from tinkex_actors.redaction import redact_fields, redact_record, redact_text


def get_log(name: str = "tinkex_actors") -> FilteringBoundLogger:
    """Return the logger *name*. Which way its events go is decided when they come."""
    # structlog types what it wraps, and what comes of that, as Any.
    log: FilteringBoundLogger = structlog.wrap_logger(
        logging.getLogger(name), processors=[_hand_over], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    return log


def show_log(level: str) -> None:
    """Show what the library says from *level* on, on stderr: for ``TINKER_LOG``, which a user sets and no program.

    A program that has arranged its logging is left its ways: with structlog configured nothing changes, and where the
    standard library's loggers have handlers, the level is set and no handler added.
    """
    plain = logging.getLogger("tinkex_actors")
    plain.setLevel(level.upper())
    if not structlog.is_configured() and not plain.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("[%(asctime)s - %(name)s - %(levelname)s] %(message)s"))
        plain.addHandler(handler)


def add_ids(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Name in an event what its task works on; what the event says itself stays. A structlog processor."""
    for name, value in current_ids().items():
        event.setdefault(name, value)
    return event


def _hand_over(plain: logging.Logger, method: str, event: EventDict) -> Any:
    """Pass one event on, and end its way through this logger."""
    add_ids(plain, method, event)
    if structlog.is_configured():
        # An exception stays one: the program's own processors decide how it is shown.
        exc_info = {"exc_info": event.pop("exc_info")} if "exc_info" in event else {}
        text = redact_text(str(event.pop("event")))
        getattr(structlog.get_logger(plain.name), method)(text, **redact_fields(event), **exc_info)
    elif plain.isEnabledFor(level := getattr(logging, method.upper())):
        _say_plainly(plain, level, {**structlog.contextvars.get_contextvars(), **event})
    raise structlog.DropEvent


def _say_plainly(plain: logging.Logger, level: int, fields: EventDict) -> None:
    error, text = fields.pop("exc_info", None), str(fields.pop("event"))
    told = " ".join([text, *(f"{name}={value!r}" for name, value in redact_fields(fields).items())])
    exc_info = (type(error), error, error.__traceback__) if isinstance(error, BaseException) else None
    plain.handle(redact_record(plain.makeRecord(plain.name, level, __file__, 0, told, (), exc_info)))

"""What the reporter tells the service about itself: events in batches. Never a secret, never a request's body."""

from enum import StrEnum
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from tinkex_actors.types.ids import SessionId


class EventType(StrEnum):
    """The kinds of events."""

    SESSION_START = "SESSION_START"
    SESSION_END = "SESSION_END"
    UNHANDLED_EXCEPTION = "UNHANDLED_EXCEPTION"
    GENERIC_EVENT = "GENERIC_EVENT"


class Severity(StrEnum):
    """How bad it is."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


@frozen(kw_only=True)
class SessionStartEvent:
    """A session began."""

    event_id: str
    event_session_index: int
    """Place among the session's events, from 0."""
    timestamp: str
    """ISO 8601, UTC, with ``Z``."""
    severity: Severity = field(default=Severity.INFO, converter=Severity)
    event: Literal["SESSION_START"] = "SESSION_START"


@frozen(kw_only=True)
class SessionEndEvent:
    """A session ended."""

    event_id: str
    event_session_index: int
    timestamp: str
    duration: str
    """``h:mm:ss.ffffff``, as the service has always been sent it."""
    severity: Severity = field(default=Severity.INFO, converter=Severity)
    event: Literal["SESSION_END"] = "SESSION_END"


@frozen(kw_only=True)
class UnhandledExceptionEvent:
    """Something failed that is not the user's mistake."""

    event_id: str
    event_session_index: int
    timestamp: str
    error_type: str
    error_message: str
    traceback: str | None = None
    severity: Severity = field(default=Severity.ERROR, converter=Severity)
    event: Literal["UNHANDLED_EXCEPTION"] = "UNHANDLED_EXCEPTION"


@frozen(kw_only=True)
class GenericEvent:
    """Anything else: retries, user errors."""

    event_id: str
    event_session_index: int
    timestamp: str
    event_name: str
    """Of few different values."""
    event_data: dict[str, Any] = field(factory=dict[str, Any], hash=False)
    severity: Severity = field(default=Severity.INFO, converter=Severity)
    event: Literal["GENERIC_EVENT"] = "GENERIC_EVENT"


TelemetryEvent: TypeAlias = SessionStartEvent | SessionEndEvent | UnhandledExceptionEvent | GenericEvent


@frozen
class TelemetryBatch:
    """Events of one process, in order."""

    events: tuple[TelemetryEvent, ...]
    """At most 100."""
    platform: str
    sdk_version: str
    session_id: SessionId
    process_uuid: str


@frozen
class TelemetryResponse:
    """The service has the events."""

    status: Literal["accepted"]

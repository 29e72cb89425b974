"""When a request is sent again, and how long to wait before: pure, the clock and the dice are arguments.

Two schedules follow each other, as the service expects them: a number of quick retries for everything that is retried at
all, and beyond them a span of patience for submissions whose loss would cost a training run its order, with longer delays
and none that would end after the span. Statuses that
are worth another attempt are 408, 409, 429 and the 5xx; a 409 only within the quick retries, since a real conflict does
not pass with time. ``x-should-retry`` overrides the status; ``retry-after-ms`` and ``Retry-After`` override the delay, up
to a cap. A 400 without a body is a proxy's, not the service's, and counts as a lost connection.
"""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from attrs import frozen

from tinkex_actors.settings import Figures
from tinkex_actors.transport.seam import Answer, Persistence
from tinkex_actors.types.errors import APIConnectionError, CircuitOpen

_BAD_REQUEST = 400
_TIMEOUT = 408
_CONFLICT = 409
_RETRIED = frozenset({_TIMEOUT, _CONFLICT, 429})
_FIRST_SERVER_ERROR = 500


@frozen
class Again:
    """Send it again after *delay* seconds."""

    delay: float


@frozen
class Enough:
    """Hand over what came: trying again is not for this layer."""


@frozen(kw_only=True)
class Tries:
    """How far one request has come."""

    made: int
    """Attempts that have ended, at least 1."""
    elapsed: float
    """Seconds since the first began."""


def is_retryable(status: int) -> bool:
    """Tell whether a status may pass with time."""
    return status in _RETRIED or status >= _FIRST_SERVER_ERROR


def leaves_doubt(outcome: Answer | APIConnectionError) -> bool:
    """Tell whether a request that was sent may have been carried out although nobody said so."""
    if isinstance(outcome, Answer):
        return outcome.status == _TIMEOUT or outcome.status >= _FIRST_SERVER_ERROR
    return not isinstance(outcome, CircuitOpen)


def is_proxy_refusal(answer: Answer) -> bool:
    """Tell whether a 400 was given by something between us and the service: the service always says why."""
    return answer.status == _BAD_REQUEST and not answer.content


def backoff_delay(made: int, figures: Figures, chance: float) -> float:
    """Compute the delay after *made* attempts: doubling, capped, shortened by up to the jitter's share.

    Args:
        made: Attempts that have ended, at least 1.
        figures: Base, cap and jitter.
        chance: In ``[0, 1)``.
    """
    # 2.0**64 s is beyond every cap, and the exponent of a float ends at 1,023.
    full = min(figures.retry_delay_base * 2.0 ** min(made - 1, 64), figures.retry_delay_max)
    return full * (1.0 - figures.retry_jitter * chance)


def patience_delay(tries: Tries, figures: Figures, chance: float) -> float:
    """Compute the delay after the quick retries: 1, 2, 4 … s, capped, jittered, and not beyond the end of the patience."""
    full = min(2.0 ** min(tries.made - figures.max_retries - 1, 64), figures.patience_delay_max)
    return min(full * (1.0 - figures.retry_jitter * chance), max(0.0, figures.retry_patience - tries.elapsed))


def retry_after(headers: Mapping[str, str], now: datetime, *, longest: float) -> float | None:
    """Read how long the server asks us to wait, in seconds; ``None`` if it does not, or asks for more than *longest*."""
    for value, scale in ((headers.get("retry-after-ms"), 0.001), (headers.get("retry-after"), 1.0)):
        seconds = _number(value, scale)
        if seconds is not None and 0 < seconds <= longest:
            return seconds
    seconds = _until(headers.get("retry-after"), now)
    return seconds if seconds is not None and 0 < seconds <= longest else None


def decide_retry(
    answer: Answer | None,
    persistence: Persistence,
    tries: Tries,
    figures: Figures,
    *,
    now: datetime,
    chance: float,
    is_conflict_final: bool = False,
) -> Again | Enough:
    """Decide what follows an attempt.

    Args:
        answer: What came, or ``None`` for a lost connection or a timeout.
        persistence: How hard the route is tried.
        tries: How far this request has come.
        figures: The limits and delays.
        now: Read only to understand a ``Retry-After`` that is a date.
        chance: In ``[0, 1)``; decides the jitter.
        is_conflict_final: Whether the route takes a 409 for an answer.
    """
    if persistence is Persistence.ONCE or (answer is not None and not _is_worth_another(answer)):
        return Enough()
    if is_conflict_final and answer is not None and answer.status == _CONFLICT:
        return Enough()
    is_quick = tries.made <= figures.max_retries
    is_patient = persistence is Persistence.PATIENCE and tries.elapsed < figures.retry_patience
    if not is_quick and (not is_patient or (answer is not None and answer.status == _CONFLICT)):
        return Enough()
    asked = None if answer is None else retry_after(answer.headers, now, longest=figures.retry_after_max)
    if asked is not None:
        return Again(asked)
    return Again(backoff_delay(tries.made, figures, chance) if is_quick else patience_delay(tries, figures, chance))


def _is_worth_another(answer: Answer) -> bool:
    if answer.is_success:
        return False
    match answer.headers.get("x-should-retry"):
        case "true":
            return True
        case "false":
            return False
        case _:
            return is_retryable(answer.status) or is_proxy_refusal(answer)


def _number(value: str | None, scale: float) -> float | None:
    try:
        return None if value is None else float(value) * scale
    except ValueError:
        return None


def _until(value: str | None, now: datetime) -> float | None:
    """Read an HTTP date as seconds from *now*."""
    if value is None:
        return None
    try:
        return (parsedate_to_datetime(value) - now).total_seconds()
    except (TypeError, ValueError):  # no date at all, or one without a zone
        return None

"""Says why a session is not open yet: a server that does not answer is asked for a minute before that is an error."""

import trio

from tinkex_actors.log import get_log
from tinkex_actors.transport.standing import Standing

_log = get_log()


async def tell_long_opening(standing: Standing, first: float) -> None:
    """Log, until cancelled, what the opening waits for: after *first* seconds, and again whenever the time has doubled.

    Args:
        standing: Where the opening's requests stand.
        first: Seconds from which a wait is long.
    """
    began, seconds = trio.current_time(), first
    while True:
        await trio.sleep_until(began + seconds)
        until = standing.until
        _log.warning(
            "the session is not open yet",
            waits_for=standing.waits_for,
            seconds=round(seconds),
            attempts=standing.attempts,
            next_try_in=None if until is None else max(0.0, round(until - trio.current_time(), 1)),
            last_error=standing.last_error,
        )
        seconds *= 2

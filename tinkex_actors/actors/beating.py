"""The beats of one session: a request every few seconds, in whatever loop this runs.

A beat that fails is repeated at the next interval, never sooner, and beats that were missed, because one took long or the
machine slept, are not made up for: the next one falls on the old grid. Failures become warnings once the server has not
heard us for long. Only a 410 is the end.
"""

from collections.abc import Callable
from math import ceil

import trio
from attrs import define

from tinkex_actors.log import get_log
from tinkex_actors.settings import Figures
from tinkex_actors.transport.ask import tell
from tinkex_actors.transport.endpoints import HEARTBEAT
from tinkex_actors.transport.seam import Transport
from tinkex_actors.types.errors import APIStatusError, TinkerError
from tinkex_actors.types.ids import SessionId
from tinkex_actors.wire.requests import SessionHeartbeatRequest

_log = get_log()
_GONE = 410


@define(eq=False)
class Pulse:
    """How the server hears us: written by whoever beats, one word at a time, and read by anyone in any thread."""

    heard: int = 0
    """Beats that the server has answered."""
    missed: int = 0
    """Beats in a row that it has not."""
    last_error: str = ""
    """What became of the last missed one."""
    is_gone: bool = False
    """Whether the server says that the session is over."""


async def keep_beating(
    session_id: SessionId, transport: Transport, figures: Figures, pulse: Pulse, ring: Callable[[], None]
) -> None:
    """Beat until cancelled, or until the server says that the session is over.

    Args:
        session_id: Whose beats they are.
        transport: Carries them; of the loop this runs in.
        figures: The interval, and when silence is worth a warning.
        pulse: Where every outcome is noted.
        ring: Called after each.
    """
    last_heard = trio.current_time()
    due = last_heard + figures.heartbeat_interval
    while not pulse.is_gone:
        await trio.sleep_until(due)
        error = await _beat(session_id, transport, pulse)
        now = trio.current_time()
        if error is None:
            last_heard = now
        elif now - last_heard > figures.heartbeat_warning:
            seconds = round(now - last_heard)
            # Named here: a thread of its own has no context of ours.
            _log.warning(
                "the server has not heard our heartbeat", session_id=session_id, seconds=seconds, error=str(error)
            )
        due = next_beat(due, now, figures.heartbeat_interval)
        ring()


def next_beat(due: float, now: float, interval: float) -> float:
    """Find the first time on the grid of *due* and *interval* that is after *due* and not before *now*."""
    return due + interval * max(1, ceil((now - due) / interval))


async def _beat(session_id: SessionId, transport: Transport, pulse: Pulse) -> TinkerError | None:
    try:
        await tell(transport, HEARTBEAT, SessionHeartbeatRequest(session_id))
    except TinkerError as error:
        pulse.is_gone = isinstance(error, APIStatusError) and error.status_code == _GONE
        pulse.last_error = str(error)
        pulse.missed += 1
        return None if pulse.is_gone else error
    pulse.heard += 1
    pulse.missed = 0
    return None

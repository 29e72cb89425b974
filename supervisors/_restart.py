"""Exit + spec + history -> decision. Pure: time is an argument.

The table (OTP's, with one predicate for "clean", :attr:`Exit.is_clean`):

============  ===========  =======================
restart       clean exit   killed or crashed
============  ===========  =======================
permanent     restart      restart
transient     leave        restart
temporary     forget       forget
============  ===========  =======================

Every restart, and every retry of one that failed, is counted. When more than ``max_restarts`` fall into the last
``max_seconds`` (the boundary belongs to the window), the supervisor gives up.
"""

from collections import deque
from enum import Enum, auto
from typing import assert_never

from attrs import define, field

from supervisors._exit import Exit
from supervisors._policy import Restart


class Decision(Enum):
    """What the supervisor does about a child that ended."""

    RESTART = auto()
    """Begin a new life, and its siblings' as the strategy says."""

    LEAVE = auto()
    """Keep it listed, down."""

    FORGET = auto()
    """Take it off the list."""

    GIVE_UP = auto()
    """Stop all children and fail."""


@define
class RestartWindow:
    """Counts the restarts of one life of a supervisor. Holds at most ``max_restarts + 1`` times."""

    max_restarts: int
    max_seconds: float
    _times: deque[float] = field(factory=deque[float], init=False)

    def admits(self, now: float) -> bool:
        """Count one restart at *now*, and say whether the limit still holds."""
        self._times.append(now)
        while now - self._times[0] > self.max_seconds:
            self._times.popleft()
        return len(self._times) <= self.max_restarts


def wants_restart(exit_: Exit, restart: Restart) -> bool:
    """Whether the table asks for a new life."""
    match restart:
        case Restart.PERMANENT:
            return True
        case Restart.TRANSIENT:
            return not exit_.is_clean
        case Restart.TEMPORARY:
            return False
        case _:
            assert_never(restart)


def decide(exit_: Exit, restart: Restart, window: RestartWindow, now: float) -> Decision:
    """Decide about a child that ended by itself. Counts the restart when it asks for one.

    Args:
        exit_: How the life ended.
        restart: The child's policy.
        window: The supervisor's count; a restart is added to it.
        now: Seconds, on the clock of the window.
    """
    if wants_restart(exit_, restart):
        return Decision.RESTART if window.admits(now) else Decision.GIVE_UP
    return Decision.FORGET if restart is Restart.TEMPORARY else Decision.LEAVE

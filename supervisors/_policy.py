"""How a child is kept: when it is started again and with whom, how it is stopped, and the bounds of its mailbox.

Pure: no clock, no tasks. Every enum may be given as its string; every refusal names the field, the value and what is
allowed.
"""

from enum import Enum
from typing import Any, Final, Literal, TypeAlias

from attrs import Attribute, field, frozen

from supervisors._checks import check_int, check_seconds, is_number, to_enum
from supervisors._exit import describe


class Strategy(Enum):
    """Which siblings are replaced when a child has to be restarted."""

    ONE_FOR_ONE = "one_for_one"
    """Only the child itself."""

    ONE_FOR_ALL = "one_for_all"
    """All children: stopped in reverse order, then started in order."""

    REST_FOR_ONE = "rest_for_one"
    """The child and those started after it."""


class Restart(Enum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"
    """Always."""

    TRANSIENT = "transient"
    """After a failure; after a clean end it stays listed, down."""

    TEMPORARY = "temporary"
    """Never; it is forgotten."""


class AutoShutdown(Enum):
    """Whether significant children that end by themselves stop their supervisor."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class Overflow(Enum):
    """What a full bounded mailbox does with one more message."""

    WAIT = "wait"
    """Senders wait for room; ``cast_nowait`` raises :exc:`MailboxFull`."""

    RAISE = "raise"
    """Senders get :exc:`MailboxFull`."""

    DROP_NEWEST = "drop_newest"
    """The message being sent is dropped and counted; a dropped call raises :exc:`MailboxFull`."""

    DROP_OLDEST = "drop_oldest"
    """The oldest queued message makes room and is counted; if it was a call, its caller gets :exc:`MailboxFull`."""


class BrutalKill(Enum):
    """The type of :data:`BRUTAL_KILL`."""

    BRUTAL_KILL = "brutal_kill"


BRUTAL_KILL: Final = BrutalKill.BRUTAL_KILL
"""A ``shutdown`` that cancels the child at once: ``on_stop`` is not called, ``finally`` blocks still run."""

Shutdown: TypeAlias = float | BrutalKill
"""Seconds a child may take to stop before it is cancelled; ``math.inf`` waits; :data:`BRUTAL_KILL` does not."""


def _to_overflow(value: Overflow | str) -> Overflow:
    return to_enum(Overflow, "overflow", value)


@frozen
class Mailbox:
    """A bound for a mailbox. Orders to stop and other control traffic are exempt."""

    capacity: int
    """Messages that may wait, >= 1. The one being served does not count."""

    overflow: Overflow = field(default=Overflow.WAIT, converter=_to_overflow)
    """What happens to one more."""

    def __attrs_post_init__(self) -> None:
        check_int("capacity", self.capacity, least=1)


@frozen
class Backoff:
    """A pause before each restart of one child. Attempts still count against ``max_restarts``."""

    initial: float = field(default=0.1, validator=check_seconds)
    """Seconds before the first restart, > 0."""

    factor: float = 2.0
    """Growth per restart in a row; 1.0 keeps the pause constant."""

    maximum: float = field(default=30.0, validator=check_seconds)
    """The longest pause, seconds."""

    jitter: float = 0.0
    """Fraction of the pause, in [0, 1], that chance may add."""

    reset_after: float = field(default=60.0, validator=check_seconds)
    """A life of at least this many seconds begins the count anew."""

    def __attrs_post_init__(self) -> None:
        if not is_number(self.factor) or not self.factor >= 1:
            raise ValueError(f"factor must be >= 1, got {describe(self.factor)}")
        if not is_number(self.jitter) or not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter must be within [0, 1], got {describe(self.jitter)}")

        if self.initial > self.maximum:
            raise ValueError(f"initial must be <= maximum, got {self.initial:g} > {self.maximum:g}; give maximum, too")

    def pause(self, attempt: int, chance: float) -> float:
        """Seconds to wait before restart number *attempt* (from 1) in a row, with *chance* in [0, 1)."""
        base = min(self.maximum, self.initial * self.factor ** min(attempt - 1, 64))
        return base * (1 + self.jitter * chance)


def to_strategy(value: Strategy | str) -> Strategy:
    """Take a strategy by its string, too."""
    return to_enum(Strategy, "strategy", value)


def to_restart(value: Restart | str) -> Restart:
    """Take a restart type by its string, too."""
    return to_enum(Restart, "restart", value)


def to_auto_shutdown(value: AutoShutdown | str) -> AutoShutdown:
    """Take it by its string, too."""
    return to_enum(AutoShutdown, "auto_shutdown", value)


def to_shutdown(value: Shutdown | Literal["brutal_kill"]) -> Shutdown:
    """Take :data:`BRUTAL_KILL` by its string, too."""
    return BRUTAL_KILL if value == "brutal_kill" else value


def check_shutdown(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Refuse what is no time to stop in."""
    if value is not BRUTAL_KILL and not (is_number(value) and value >= 0):
        raise ValueError(f"{attribute.name} must be seconds >= 0, math.inf or BRUTAL_KILL, got {describe(value)}")


def check_backoff(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Refuse what is neither a :class:`Backoff` nor None."""
    if value is not None and not isinstance(value, Backoff):
        raise TypeError(f"{attribute.name} must be a Backoff or None, got {describe(value)}")


def check_mailbox(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Refuse what is neither a :class:`Mailbox` nor None."""
    if value is not None and not isinstance(value, Mailbox):
        raise TypeError(
            f"{attribute.name} must be a Mailbox or None, got {describe(value)}; a bound is Mailbox(capacity)"
        )

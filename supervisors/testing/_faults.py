"""What goes wrong in a simulation: single faults, and the chances by which a seed picks them.

A fault happens at a *message boundary*, and is named so that it stays the same when another fault is taken away: by
the child, and the number of the message among all that this child was given since it was first started, whatever its
lives; for a failing start, by the number of the life. A task of a ``TaskSupervisor`` is one message in each of its lives:
its whole work. Whether there is one is decided by the seed and that name alone,
not by what has happened before.
"""

from collections.abc import Iterable
from enum import Enum
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Protocol

from attrs import Attribute, field, frozen


class FaultKind(Enum):
    """What goes wrong."""

    CRASH_BEFORE = "crash before"
    """The operation raises :exc:`InjectedCrash` before its first line."""

    CRASH_AFTER = "crash after"
    """It raises that after its last line: what it did is done, and its answer is lost."""

    DELAY = "delay"
    """It begins some seconds late, holding the turn: callers with a timeout may be gone by then."""

    KILL = "kill"
    """Its life is cancelled without grace while it runs."""

    FAIL_START = "fail start"
    """A life fails instead of starting."""

    CANCEL = "cancel"
    """The whole program is cancelled, as by a signal: everything stops in order. That is no failure."""


class InjectedCrash(Exception):
    """Goes wrong on purpose. ``fault`` says which one it is."""

    def __init__(self, fault: "Fault") -> None:
        super().__init__(str(fault))
        self.fault = fault


def _check_number(_: object, attribute: "Attribute[Any]", value: int) -> None:
    if value < 1:
        raise ValueError(f"{attribute.name} must be >= 1, got {value!r}")


def _check_chance(_: object, attribute: "Attribute[Any]", value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{attribute.name} must be a chance within [0, 1], got {value!r}")


def _check_seconds(_: object, attribute: "Attribute[Any]", value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{attribute.name} must be seconds >= 0, got {value!r}")


def _to_kind(value: FaultKind | str) -> FaultKind:
    try:
        return FaultKind(value)
    except ValueError:
        allowed = ", ".join(repr(kind.value) for kind in FaultKind)
        raise ValueError(f"kind must be one of {allowed}, got {value!r}") from None


def _show_kind(kind: FaultKind) -> str:
    return repr(kind.value)


@frozen
class Fault:
    """One thing that goes wrong. Its ``repr`` is what to write to have it again."""

    path: str
    """Of which child: ``"root/session/poller"``."""

    number: int = field(validator=_check_number)
    """At which message of that child, from 1; for a failing start, in which life."""

    kind: FaultKind = field(converter=_to_kind, repr=_show_kind)

    seconds: float = field(default=0.0, validator=_check_seconds)
    """How long a delay is."""

    def __str__(self) -> str:
        at = "life" if self.kind is FaultKind.FAIL_START else "message"
        late = f" of {self.seconds:g} s" if self.kind is FaultKind.DELAY else ""
        return f"{self.kind.value}{late} at {at} {self.number} of {self.path}"


class Plan(Protocol):
    """Says whether something goes wrong at a point."""

    def at_message(self, path: str, number: int) -> Fault | None:
        """The fault at that message, if there is one."""

    def at_start(self, path: str, life: int) -> Fault | None:
        """The fault at the start of that life, if there is one."""


@frozen(kw_only=True)
class Faults:
    """How likely each kind of fault is, for each message or start. The kinds' chances must not exceed 1 together."""

    crash: float = field(default=0.0, validator=_check_chance)
    """Half of these before the operation, half after it."""
    kill: float = field(default=0.0, validator=_check_chance)
    delay: float = field(default=0.0, validator=_check_chance)
    max_delay: float = field(default=1.0, validator=_check_seconds)
    """The longest delay, seconds."""
    fail_start: float = field(default=0.0, validator=_check_chance)
    """For first starts, whose failure ``start_child`` raises."""
    fail_restart: float = field(default=0.0, validator=_check_chance)
    """For all later lives."""
    cancel: float = field(default=0.0, validator=_check_chance)
    paths: str = "*"
    """Only children whose path matches this pattern, as in ``fnmatch``."""
    most: int = 10
    """Faults in one run, at most: a run of nothing but faults shows little, and exceeds every restart limit."""

    def __attrs_post_init__(self) -> None:
        total = self.crash + self.kill + self.delay + self.cancel
        if total > 1:
            raise ValueError(f"crash, kill, delay and cancel must not exceed 1 together, got {total:g}")

    def plan(self, seed: int) -> Plan:
        """Pick faults by *seed*."""
        return _ByChance(self, seed)


@frozen
class _ByChance:
    faults: Faults
    seed: int

    def at_message(self, path: str, number: int) -> Fault | None:
        if not fnmatchcase(path, self.faults.paths):
            return None
        # A string seeds the same everywhere, unlike hash(), which differs from process to process.
        dice = Random(f"{self.seed} message {number} {path}")  # noqa: S311 - repeatable on purpose
        roll = dice.random()
        faults = self.faults
        for kind, chance in (
            (FaultKind.CRASH_BEFORE, faults.crash / 2),
            (FaultKind.CRASH_AFTER, faults.crash / 2),
            (FaultKind.KILL, faults.kill),
            (FaultKind.DELAY, faults.delay),
            (FaultKind.CANCEL, faults.cancel),
        ):
            if roll < chance:
                late = round(dice.uniform(0, faults.max_delay), 3) if kind is FaultKind.DELAY else 0.0
                return Fault(path, number, kind, late)
            roll -= chance
        return None

    def at_start(self, path: str, life: int) -> Fault | None:
        chance = self.faults.fail_start if life == 1 else self.faults.fail_restart
        dice = Random(f"{self.seed} start {life} {path}")  # noqa: S311 - repeatable on purpose
        if fnmatchcase(path, self.faults.paths) and dice.random() < chance:
            return Fault(path, life, FaultKind.FAIL_START)
        return None


class Listed:
    """The faults of a list, and no others."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._starts: dict[tuple[str, int], Fault] = {}
        self._messages: dict[tuple[str, int], Fault] = {}
        for fault in faults:
            points = self._starts if fault.kind is FaultKind.FAIL_START else self._messages
            points[fault.path, fault.number] = fault

    def at_message(self, path: str, number: int) -> Fault | None:
        """The fault at that message, if there is one."""
        return self._messages.get((path, number))

    def at_start(self, path: str, life: int) -> Fault | None:
        """The fault at the start of that life, if there is one."""
        return self._starts.get((path, life))

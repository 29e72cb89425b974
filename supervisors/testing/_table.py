"""The rows of the model's tables: what a child is to be, what it does, and how far it is."""

import math
from collections.abc import Iterator
from enum import Enum, auto
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field, frozen

from supervisors._exit import ExitKind
from supervisors._policy import AutoShutdown, Restart, Strategy

if TYPE_CHECKING:
    from supervisors.testing._model_team import TeamModel

ROOT = "root"
"""The name of the outermost supervisor."""


@frozen
class Plan:
    """What the next lives of a child do."""

    start_takes: float = 0.0
    """Seconds."""
    stop_takes: float = 0.0
    """Seconds ``on_stop`` takes; more than the child's budget, and it is killed."""
    failing_starts: int = 0
    """How many of the next starts fail."""
    declines: int = 0
    """How many of the starts after those decline."""
    stop_fails: bool = False
    """``on_stop`` raises."""


@frozen
class StartChild:
    """Start an actor that does as *plan* says."""

    child: str
    restart: Restart
    shutdown: float | None
    """Its budget, seconds; None is a brutal kill."""
    plan: Plan
    pause: float = 0.0
    """Seconds between a failure and the next life."""
    is_significant: bool = False
    under: str = ROOT


@frozen
class StartTeam:
    """Start a supervisor under the root, with the children it always begins with."""

    child: str
    restart: Restart = Restart.PERMANENT
    strategy: Strategy = Strategy.ONE_FOR_ONE
    max_restarts: int = 3
    max_seconds: float = 5.0
    children: tuple[StartChild, ...] = ()
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    is_dynamic: bool = False
    max_children: int | None = None

    @property
    def under(self) -> str:
        """Whose child it is: never more than one level down."""
        return ROOT

    @property
    def is_significant(self) -> bool:
        """Whether its end by itself may stop the root: not here."""
        return False


Listed: TypeAlias = StartChild | StartTeam
"""What a supervisor can have as a child."""


class Phase(Enum):
    """Where a child is in its current life."""

    DOWN = auto()
    STARTING = auto()
    RUNNING = auto()
    STOPPING = auto()


class Wish(Enum):
    """What the supervisor wants of the current life."""

    UP = auto()
    REPLACE = auto()
    DOWN = auto()


@define(eq=False)
class ModelChild:
    """One row of the table."""

    spec: Listed
    inner: "TeamModel | None" = None
    """If it is a supervisor."""
    phase: Phase = Phase.DOWN
    wish: Wish = Wish.UP
    life: int = 0
    restarts: int = 0
    until: float = math.inf
    """When the phase is over by itself."""
    end: ExitKind | None = None
    """How the life ends when the phase is over; None when it does not."""
    pause_until: float = math.inf
    """When the pause before its next life is over."""
    is_ready: bool = False
    """The current life, or the last one, has started."""
    has_declined: bool = False
    """Its last start ended so."""
    is_attended: bool = False
    """Somebody waits for this start, and is told if it fails."""
    is_removed: bool = False
    """It is off the list for good."""

    @property
    def id(self) -> str:
        """Its name, one in the whole tree."""
        return self.spec.child

    @property
    def restart(self) -> Restart:
        """Its restart policy."""
        return self.spec.restart

    @property
    def is_starting(self) -> bool:
        """It has a life that has neither started nor ended: a supervisor's may be stopping what it had started."""
        return self.phase is not Phase.DOWN and not self.is_ready


@frozen
class Order:
    """An order that is not answered yet."""

    number: int
    child: ModelChild
    is_first_start: bool = False
    wish_before: Wish = Wish.UP


@frozen
class Entry:
    """One line of the diary."""

    at: float
    team: str
    text: str


@define
class Page:
    """What all supervisors of one model share."""

    now: float = 0.0
    diary: list[Entry] = field(factory=list[Entry])
    """What the actors did."""
    plans: dict[str, Plan] = field(factory=dict[str, Plan])
    """Of the actors, by name; they outlive their rows."""
    answers: dict[int, str] = field(factory=dict[int, str])
    """To orders, by number: ``"ok"`` or the name of the error."""


_INSTANT = 1e-9


def read_diary(entries: list[Entry], unordered: frozenset[str]) -> tuple[str, ...]:
    """The texts in order, as far as there is one.

    Two supervisors do not wait for each other, nor do the children of a dynamic one in *unordered*: what falls on one
    instant is sorted by supervisor, and by text for those.
    """
    instants: list[list[Entry]] = []
    for entry in entries:
        if not instants or entry.at - instants[-1][-1].at > _INSTANT:
            instants.append([])
        instants[-1].append(entry)
    keyed = (sorted(i, key=lambda e: (e.team, e.text if e.team in unordered else "")) for i in instants)
    return tuple(entry.text for instant in keyed for entry in instant)


def list_odd_times() -> Iterator[float]:
    """Small times without end, seconds, of which no sum is another's: fractions of the roots of primes."""
    primes: list[int] = []
    number = 2
    while True:
        if all(number % prime for prime in primes):
            primes.append(number)
            yield math.sqrt(number) % 1 / 64
        number += 1

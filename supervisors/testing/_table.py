"""The rows of the model's table: what a child is to do, and how far it is."""

import math
from collections.abc import Iterator
from enum import Enum, auto

from attrs import define, frozen

from supervisors._exit import ExitKind
from supervisors._spec import Restart


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

    id: str
    restart: Restart
    shutdown: float | None
    """Seconds; None is a brutal kill."""
    plan: Plan
    pause: float = 0.0
    """Seconds between a failure and the next life."""
    is_significant: bool = False
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
    has_declined: bool = False
    """Its last start ended so."""
    is_attended: bool = False
    """Somebody waits for this start, and is told if it fails."""


@frozen
class Order:
    """An order that is not answered yet."""

    number: int
    child: ModelChild
    is_first_start: bool = False
    wish_before: Wish = Wish.UP


def list_odd_times() -> Iterator[float]:
    """Small times without end, seconds, of which no sum is another's: fractions of the roots of primes."""
    primes: list[int] = []
    number = 2
    while True:
        if all(number % prime for prime in primes):
            primes.append(number)
            yield math.sqrt(number) % 1 / 64
        number += 1

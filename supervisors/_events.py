"""What happened in a tree, as values, told to observers at once and in order."""

from typing import Protocol, TypeAlias

from attrs import field, frozen

from supervisors._exit import Exit, show


@frozen
class ChildStarted:
    """A life began: its ``on_start`` has returned."""

    at: float
    """When, on trio's clock."""
    path: str
    """Which child, from the root: ``"root/session/poller"``."""
    life: int
    """Number of the life, from 1."""


@frozen
class ChildStopped:
    """A life ended cleanly, by order, or because of an interrupt, which is no crash."""

    at: float
    path: str
    life: int
    exit: Exit


@frozen
class ChildCrashed:
    """A life failed, or its start did, or it was killed without an order of its supervisor."""

    at: float
    path: str
    life: int
    exit: Exit
    """With the error, and its traceback."""
    operation: str | None = None
    """Which operation raised; None for a start, a helper task, a clean-up or a kill."""


@frozen
class RestartScheduled:
    """The supervisor decided to begin a new life."""

    at: float
    path: str
    restarts: int
    """Restarts of this child so far, this one included."""
    delay: float
    """Seconds until the attempt (backoff)."""
    exit: Exit
    """Why."""


@frozen
class SupervisorGaveUp:
    """A supervisor exceeded its restart limit and stops its children."""

    at: float
    path: str
    error: Exception


@frozen
class ChildKilled:
    """A child did not stop within its ``shutdown`` and was cancelled."""

    at: float
    path: str
    life: int
    shutdown: float
    """The budget it exceeded, seconds; 0 for ``BRUTAL_KILL``."""


@frozen
class ChildStuck:
    """A cancelled child is still there: it shields itself, waits for a thread, or never reaches a checkpoint.

    Told again with growing pauses. The supervisor goes on waiting: what cannot be ended is not declared ended.
    """

    at: float
    path: str
    life: int
    seconds: float
    """Since it was cancelled."""
    stacks: tuple[tuple[str, ...], ...]
    """Where its tasks are, the main one first; each from the outermost frame."""


@frozen
class OperationSlow:
    """An operation runs for longer than a :class:`Watchdog` allows. Told again each time its age has doubled."""

    at: float
    path: str
    life: int
    operation: str
    seconds: float
    """How long it has been running, off turn included."""
    stacks: tuple[tuple[str, ...], ...]
    """Where the tasks of the actor are."""


@frozen
class CastFailed:
    """A cast ended in an expected error, or its arguments did not fit: nobody waits for the answer."""

    at: float
    path: str
    operation: str
    error: Exception = field(eq=False, repr=show)


@frozen
class MessageDropped:
    """A message was not delivered: the mailbox was full or the actor gone, and nobody waits for an answer."""

    at: float
    path: str
    operation: str


@frozen
class ObserverFailed:
    """An observer raised; it hears nothing more."""

    at: float
    observer: str
    error: Exception = field(eq=False, repr=show)


Event: TypeAlias = (
    ChildStarted
    | ChildStopped
    | ChildCrashed
    | RestartScheduled
    | ChildKilled
    | ChildStuck
    | OperationSlow
    | SupervisorGaveUp
    | CastFailed
    | MessageDropped
    | ObserverFailed
)
"""Everything an :class:`Observer` may be told."""


class Observer(Protocol):
    """Is told every event of a tree.

    ``notify`` runs where the event happens: it must return at once and not await. One that raises is dropped and
    reported to the others as :class:`ObserverFailed`.
    """

    def notify(self, event: Event, /) -> None:
        """Take note of *event*."""

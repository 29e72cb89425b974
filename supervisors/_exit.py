"""How one life ended: the record that decides about restarts, log levels and automatic shutdown.

Exactly one predicate, :attr:`Exit.is_clean`, separates "ended as agreed" from "failed". The restart table, the events
and the automatic shutdown all use it, so they cannot disagree.
"""

from enum import Enum

from attrs import field, frozen


class ExitKind(Enum):
    """Who or what ended a life."""

    NORMAL = "normal"
    """The work was finished: the actor stopped itself, or declined to start."""

    SHUTDOWN = "shutdown"
    """It was asked to stop, and did."""

    KILLED = "killed"
    """It was cancelled without grace, or after its grace ran out."""

    CRASHED = "crashed"
    """An exception escaped that is not one of its expected errors."""


_CLEAN = frozenset({ExitKind.NORMAL, ExitKind.SHUTDOWN})


def describe(thing: object, *, limit: int = 200) -> str:
    """Say what *thing* is in one line, even when its own ``repr`` or ``str`` raises.

    Args:
        thing: An exception, or any object of a user.
        limit: Characters at most.

    Returns:
        ``"ValueError: message"`` for an exception, else its ``repr``, cut to *limit*.
    """
    try:
        text = f"{type(thing).__name__}: {thing}" if isinstance(thing, BaseException) else repr(thing)
    except Exception as error:  # noqa: BLE001 - a user's broken repr must not hurt the supervisor that reports it
        text = f"<{type(thing).__name__}, whose text raises {type(error).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def show(thing: object) -> str:
    """The ``repr`` of *thing*, or what can be said of it when that raises."""
    try:
        return repr(thing)
    except Exception:  # noqa: BLE001 - records of what happened must be printable whatever happened
        return describe(thing)


@frozen
class Exit:
    """The end of one life. Kept by the ref, so whoever asks late still hears the true reason."""

    kind: ExitKind
    """Who or what ended the life."""

    error: BaseException | None = field(default=None, eq=False, repr=show)
    """What escaped, for a crash, or for a clean-up that failed."""

    reason: object = field(default=None, repr=show)
    """The payload given to ``stop(reason=...)``."""

    @property
    def is_clean(self) -> bool:
        """The life ended as agreed: not a failure, not logged as one, not restarted when transient."""
        return self.kind in _CLEAN

    def __str__(self) -> str:
        detail = (
            describe(self.error) if self.error is not None else describe(self.reason) if self.reason is not None else ""
        )
        return f"{self.kind.value}: {detail}" if detail else self.kind.value

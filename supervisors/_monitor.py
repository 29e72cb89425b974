"""Being told of another actor's end, as a message.

OTP's links are nesting here (a child cannot outlive its supervisor); its monitors are this. The message comes after
everything the dead life had sent, carries the true exit also when the life was over long before, and is not delivered
once the monitor is cancelled, even if it was queued already.
"""

from typing import TYPE_CHECKING, Any

from attrs import frozen

from supervisors._exit import Exit

if TYPE_CHECKING:
    from supervisors._life import Life
    from supervisors._ref import Ref
    from supervisors._reply import Request
    from supervisors._turn import ActorLife


@frozen
class Down:
    """A monitored life is over."""

    ref: "Ref[Any]"
    """Whose."""
    life: int
    """Which one."""
    exit: Exit
    """How it ended."""


class Monitor:
    """One wish to be told of one life's end. Made by :meth:`Actor.monitor`; every call makes a new one."""

    __slots__ = ("_owner", "_ref", "_request", "_watched")

    def __init__(self, owner: "ActorLife", ref: "Ref[Any]", request: "Request") -> None:
        self._owner = owner
        self._ref = ref
        self._request = request
        self._watched: Life | None = None

    def watch(self) -> None:
        """Wait for the end of the current life; tell of the last one when there is none."""
        cell = self._ref._cell  # noqa: SLF001 - the ref is this package's
        if cell.life is not None:
            self._watched = cell.life
            self._watched.at_end(self, self._on_end)
            self._owner.at_end(self, self._on_owner_end)
        elif cell.exit is not None:
            self._tell(Down(self._ref, cell.lives, cell.exit))

    def cancel(self) -> None:
        """Make sure that no message comes any more. May be called twice."""
        self._request.is_gone = True
        if self._watched is not None:
            self._watched.not_at_end(self)
            self._owner.not_at_end(self)
            self._watched = None

    def _on_end(self, life: "Life", exit_: Exit) -> None:
        self._watched = None
        self._owner.not_at_end(self)
        self._tell(Down(self._ref, life.number, exit_))

    def _on_owner_end(self, _: "Life", __: Exit) -> None:
        self.cancel()

    def _tell(self, down: Down) -> None:
        self._request.args = (down, *self._request.args)
        if self._owner.cell.server is self._owner:
            self._owner.cell.post_own(self._request)

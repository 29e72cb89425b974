"""What all supervisors of one tree share: names, observers, timers."""

from collections.abc import Awaitable, Callable, Iterable
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, Protocol

import trio

from supervisors._errors import AlreadyStarted
from supervisors._events import Event, Observer, ObserverFailed
from supervisors._exit import describe
from supervisors._timer import Timers

if TYPE_CHECKING:
    from supervisors._cell import Cell
    from supervisors._life import Life
    from supervisors._turn import ActorLife


class Interceptor(Observer, Protocol):
    """Observes every tree of a trio run, and stands between its actors and their mailboxes, and around its tasks."""

    def intercept(self, life: "ActorLife", performer: Any, /) -> Any:
        """Whose methods are to be the operations of *life*, instead of the performer's."""

    async def run(self, life: "Life", fn: Callable[[], Awaitable[object]], /) -> object:
        """Await ``fn()``, the whole work of a task's *life*, and return what it returns."""


INTERCEPTOR: Final[trio.lowlevel.RunVar[Interceptor | None]] = trio.lowlevel.RunVar("supervisors.interceptor", None)
"""Asked once when a tree opens: without one, nothing is looked up later."""


def list_observers(observers: Iterable[Observer]) -> list[Observer]:
    """The observers of a tree, once it is sure that they can be told.

    Raises:
        TypeError: One of them has no ``notify``; nothing was started.
    """
    if not isinstance(observers, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
        raise TypeError(f"observers must be a list of observers, got {describe(observers)}")
    listed = list(observers)
    for observer in listed:
        if isinstance(observer, type) or not callable(getattr(observer, "notify", None)):
            raise TypeError(f"an observer must be an object with a method notify(event), got {describe(observer)}")
    return listed


class Runtime:
    """The shared part of one tree. Lives as long as its root."""

    __slots__ = ("_observers", "interceptor", "names", "now", "thread", "timers")

    def __init__(self, observers: Iterable[Observer]) -> None:
        self.thread = get_ident()
        """The thread of the trio run this tree belongs to: while it is open, no other run can be in that thread."""
        self.now: Callable[[], float] = trio.lowlevel.current_clock().current_time
        """Trio's clock, at the price of one call."""
        self._observers = list_observers(observers)
        self.interceptor = INTERCEPTOR.get()
        if self.interceptor is not None:
            self._observers.append(self.interceptor)
        self.names: dict[str, Cell[Any]] = {}
        """Reserved while a child starts, known from its first start until it is forgotten."""
        self.timers = Timers()

    def check_home(self) -> None:
        """Refuse to be used from another thread or another trio run: waking tasks across runs corrupts both.

        Raises:
            RuntimeError: With what to do instead.
        """
        if get_ident() != self.thread:
            raise RuntimeError(
                "this tree belongs to another thread or trio run; use trio.from_thread.run(ref.call, ...) there, "
                "or trio.from_thread.run_sync for what does not wait"
            )

    @trio.lowlevel.enable_ki_protection
    def emit(self, event: Event) -> None:
        """Tell every observer. One that raises is dropped, and the others hear of that."""
        for observer in tuple(self._observers):
            try:
                observer.notify(event)
            except Exception as error:  # noqa: BLE001 - an observer's bug must not become the tree's
                if observer in self._observers:
                    self._observers.remove(observer)
                    self.emit(ObserverFailed(trio.current_time(), describe(observer), error))

    def reserve(self, name: str, cell: "Cell[Any]") -> None:
        """Take *name* for *cell*, or refuse at once when it belongs to another child."""
        owner = self.names.get(name)
        if owner is not None and owner is not cell:
            raise AlreadyStarted(owner.path, f"the name {name!r} belongs to {owner.path}", owner.ref)
        self.names[name] = cell

    def release(self, name: str, cell: "Cell[Any]") -> None:
        """Free *name* if it is still the cell's."""
        if self.names.get(name) is cell:
            del self.names[name]

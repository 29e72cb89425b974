"""What a user holds of an operation: awaitable any number of times, and independent of every actor's life.

A :class:`Slot` is where one request's fate is written: plain data that lies in a ledger, outlives crashes and is settled
exactly once. A :class:`Pending` reads one slot or several (a batch may travel as several requests). Cancelling a task
that awaits only stops the waiting, except for samples: when the last waiter leaves, the sample is withdrawn.

A failure that nobody ever awaited is told once, at warning, when the last handle to it is gone.
"""

import sys
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, Generic, TypeVar

import trio
from attrs import define

from tinkex_actors.actors.errors import OperationWithdrawn, fresh
from tinkex_actors.log import get_log
from tinkex_actors.types.futures import Promise
from tinkex_actors.types.ids import RequestId

T = TypeVar("T")

_log = get_log()


@define(eq=False)
class Audience:
    """Whether anybody listens to an operation, so that a failure nobody hears is told, once."""

    operation: str
    """The protocol's name, for the report."""
    has_listened: bool = False
    has_left: bool = False
    has_been_told: bool = False

    def leave(self) -> None:
        """The last handle is gone."""
        self.has_left = True

    def tell(self, error: Exception) -> None:
        """Report *error* if there is nobody else to hear it."""
        # Whoever withdrew it knows. At the interpreter's end there is nobody left to tell, and nothing to tell it with.
        if isinstance(error, OperationWithdrawn):
            return
        if self.has_left and not self.has_listened and not self.has_been_told and not sys.is_finalizing():
            self.has_been_told = True
            _log.warning("operation failed and nobody awaited it", operation=self.operation, error=str(error))


@define(eq=False)
class Slot(Generic[T]):
    """Where the fate of one request is written, once."""

    audience: Audience
    promise: Promise | None = None
    """The server's word, once it is given."""
    error: Exception | None = None
    """Why it failed, once it has."""
    on_settled: Callable[[Exception | None], None] | None = None
    """Told of the fate, in the step in which it is written."""
    is_settled: bool = False
    """Whether the fate is known."""
    _value: T | None = None
    # Most slots have one waiter for the fate and none for the promise: what nobody waits for is not made.
    _accepted: trio.Event | None = None
    _settled: trio.Event | None = None

    def accept(self, promise: Promise) -> None:
        """The server has taken the request. May be said again: a resend brings the same promise."""
        self.promise = promise
        if self._accepted is not None:
            self._accepted.set()

    def succeed(self, value: T) -> None:
        """Write down the result; what is already settled stays."""
        if not self.is_settled:
            self._value = value
            self._settle()
            if self.on_settled is not None:
                self.on_settled(None)

    def fail(self, error: Exception) -> None:
        """Write down the failure; what is already settled stays."""
        if not self.is_settled:
            self.error = error
            self._settle()
            self.audience.tell(error)
            if self.on_settled is not None:
                self.on_settled(error)

    def wait_settled(self) -> Awaitable[None]:
        """Wait for the fate, whatever it is. To be awaited at once."""
        if self.is_settled:
            return trio.lowlevel.checkpoint()  # noqa: ASYNC105 - awaited by whoever called
        if self._settled is None:
            self._settled = trio.Event()
        return self._settled.wait()

    async def wait_accepted(self) -> None:
        """Wait for the server's promise; raise if there will be none."""
        if self.is_settled or self.promise is not None:
            await trio.lowlevel.checkpoint()
        else:
            if self._accepted is None:
                self._accepted = trio.Event()
            await self._accepted.wait()
        if self.promise is None:
            self._raise_failure()

    async def wait(self) -> T:
        """Wait for the fate, and return or raise it; each waiter gets an exception of its own."""
        await self.wait_settled()
        return self.read()

    def read(self) -> T:
        """Return or raise the fate of a settled slot; everybody gets an exception of their own."""
        self._raise_failure()
        # Only None itself can be None here: a settled slot without an error has its value.
        return self._value  # type: ignore[return-value]

    def _settle(self) -> None:
        self.is_settled = True
        for event in (self._accepted, self._settled):
            if event is not None:
                event.set()

    def _raise_failure(self) -> None:
        if self.error is not None:
            raise fresh(self.error)


class Pending(Generic[T]):
    """An operation that was submitted. ``await`` it for its result, as often as you like."""

    # The slices of a batch bring values of another type than the whole: only `combine` knows both.
    def __init__(
        self,
        slots: Sequence[Slot[Any]],
        combine: Callable[[Sequence[Any]], T],
        *,
        withdraw: Callable[[], bool],
        is_left_to_run: bool = True,
    ) -> None:
        """Read *slots*.

        Args:
            slots: At least one, all with one audience.
            combine: Makes the result of the slots' values; called once, by the first who awaits.
            withdraw: Takes the operation back if that can still be done, and says whether it could.
            is_left_to_run: Whether it goes on when the last waiter is cancelled.
        """
        self._slots = slots
        self._combine = combine
        self._withdraw = withdraw
        self._is_left_to_run = is_left_to_run
        self._waiters = 0
        self._result: list[T] = []

    @property
    def operation(self) -> str:
        """The protocol's name of what was submitted."""
        return self._slots[0].audience.operation

    @property
    def request_ids(self) -> tuple[RequestId, ...]:
        """What the server calls its requests; those it has not promised yet are left out."""
        return tuple(slot.promise.request_id for slot in self._slots if slot.promise is not None)

    @property
    def is_done(self) -> bool:
        """Whether awaiting would return or raise at once."""
        return all(slot.is_settled for slot in self._slots)

    def __await__(self) -> Generator[Any, Any, T]:
        """Wait for the result.

        Raises:
            TinkerError: The operation failed; the same for everyone who awaits.
        """
        return self._wait().__await__()

    async def accepted(self) -> None:
        """Wait until the server has promised to do it.

        Raises:
            TinkerError: It never will.
        """
        for slot in self._slots:
            await slot.wait_accepted()

    async def wait_done(self) -> None:
        """Wait until awaiting would return or raise at once. Whoever only watches counts for nobody who awaits."""
        for slot in self._slots:
            await slot.wait_settled()

    def cancel(self) -> bool:
        """Withdraw the operation, and say whether that was possible.

        A training operation can be withdrawn until it is sent: afterwards its number is spent, and leaving it out would
        stop everything behind it. A sample can be withdrawn until it is answered; the server is told where it listens.
        """
        return self._withdraw()

    def forget(self) -> None:
        """Say that nobody will ask for the result: a failure is then no news."""
        self._slots[0].audience.has_listened = True

    async def _wait(self) -> T:
        is_cancelled = False
        self._come()
        try:
            values: list[Any] = []
            for slot in self._slots:
                await slot.wait_settled()
                values.append(slot.read())
        except trio.Cancelled:
            is_cancelled = True
            raise
        finally:
            self._go(is_cancelled=is_cancelled)
        if not self._result:
            self._result.append(self._combine(values))
        return self._result[0]

    def _come(self) -> None:
        self._waiters += 1
        self._slots[0].audience.has_listened = True

    def _go(self, *, is_cancelled: bool) -> None:
        self._waiters -= 1
        if is_cancelled and not self._waiters and not self._is_left_to_run:
            self._withdraw()

    def __repr__(self) -> str:
        state = "done" if self.is_done else "pending"
        return f"<{type(self).__name__} {self.operation} {state}>"

    def __del__(self) -> None:
        # A constructor that raised leaves no slots.
        for slot in getattr(self, "_slots", ()):
            slot.audience.leave()
            if slot.error is not None:
                slot.audience.tell(slot.error)

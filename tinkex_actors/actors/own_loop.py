"""A trio loop in a thread of its own, owned by a task of the loop that started it.

What runs there goes on while user code blocks the owner's loop; only code that keeps the interpreter's lock stops both.
The owner waits for the thread whatever happens: cancelling the owner cancels what runs there and then waits for its end, so
no thread outlives its task. The two sides share no lock and no queue: each wakes the other through its loop's token.
"""

import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from attrs import define, field, frozen
from trio.lowlevel import TrioToken, current_trio_token


@frozen(eq=False)
class Owner:
    """The other side, as seen from the thread."""

    token: TrioToken
    thread_id: int
    """Of the thread the owner's loop runs in."""

    def call_soon(self, fn: Callable[[], object]) -> None:
        """Have the owner's loop call *fn* once it turns; calls of an equal *fn* that wait already are one call.

        Nothing happens if that loop is over. *fn* must not raise.
        """
        with suppress(trio.RunFinishedError):
            self.token.run_sync_soon(fn, idempotent=True)


async def run_in_own_loop(main: Callable[[Owner], Awaitable[None]], *, thread_name: str) -> None:
    """Run ``main(owner)`` in a loop and a thread of its own, and wait for its end.

    What it raises is raised here. Cancelling cancels it, and returns when the thread is done with it.
    """
    owner = Owner(current_trio_token(), threading.get_ident())
    guest = _Guest(main, owner)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(guest.end_with_me)
        # A limiter of its own: the thread must not take one of the places that the program's own calls have.
        await trio.to_thread.run_sync(guest.run, thread_name=thread_name, limiter=trio.CapacityLimiter(1))
        nursery.cancel_scope.cancel()


@define(eq=False)
class _Guest:
    """What runs in the thread, and how it is told to end."""

    main: Callable[[Owner], Awaitable[None]]
    owner: Owner
    _scope: trio.CancelScope = field(factory=trio.CancelScope)
    _token: TrioToken | None = None
    _is_over: bool = False

    def run(self) -> None:
        trio.run(self._enter)

    async def _enter(self) -> None:
        with self._scope:
            # First the token, then the question: `end` does both in the other order, so one of the two always sees.
            self._token = current_trio_token()
            if not self._is_over:
                await self.main(self.owner)

    async def end_with_me(self) -> None:
        """Wait to be cancelled, and pass it on."""
        try:
            await trio.sleep_forever()
        finally:
            self._is_over = True
            if self._token is not None:
                with suppress(trio.RunFinishedError):
                    self._token.run_sync_soon(self._scope.cancel)

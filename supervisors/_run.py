"""The outermost call of a program: signals become an ordered stop."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar, TypeVarTuple, Unpack

import trio

Ts = TypeVarTuple("Ts")
R = TypeVar("R")


def run(main: Callable[[Unpack[Ts]], Awaitable[R]], /, *args: *Ts) -> R | None:
    """Run ``main(*args)``; SIGINT or SIGTERM cancels it, so that every ``open_supervisor`` in it stops in order.

    A second signal raises ``KeyboardInterrupt`` at once.

    Returns:
        What *main* returned, or None when a signal ended it.
    """
    return trio.run(_run, main, args)


async def _run(main: Callable[[Unpack[Ts]], Awaitable[R]], args: tuple[*Ts]) -> R | None:
    result: R | None = None
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_on_signal, signals, nursery.cancel_scope)
            result = await main(*args)
            nursery.cancel_scope.cancel()
    return result


async def _cancel_on_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        if scope.cancel_called:
            raise KeyboardInterrupt
        scope.cancel()
        with trio.CancelScope(shield=True):
            async for _ in signals:
                raise KeyboardInterrupt

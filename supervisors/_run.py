"""The outermost call of a program: signals become an ordered stop."""

import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple, Unpack

import trio

from supervisors._team import open_roots

Ts = TypeVarTuple("Ts")
R = TypeVar("R")


def run(main: Callable[[Unpack[Ts]], Awaitable[R]], /, *args: *Ts) -> R | None:
    """Run ``main(*args)`` in trio; SIGINT or SIGTERM cancels it, so that every ``open_supervisor`` in it stops in order.

    A second signal ends the order: every actor is cancelled at once, without ``on_stop``. A third one finds Python's
    own handlers again.

    Returns:
        What *main* returned, or None when a signal ended it.

    What *main* raises is raised as it is.
    """
    return trio.run(_run, main, args)


async def _run(main: Callable[[Unpack[Ts]], Awaitable[R]], args: tuple[*Ts]) -> R | None:
    result: R | None = None
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        body = trio.CancelScope()
        await nursery.start(_heed_signals, body)
        try:
            with body:
                result = await main(*args)
        except BaseException as error:  # noqa: BLE001 - raised again below, without the nursery's group around it
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return result


async def _heed_signals(body: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        await anext(signals)
        body.cancel()
        await anext(signals)
        for root in open_roots():
            root.kill()

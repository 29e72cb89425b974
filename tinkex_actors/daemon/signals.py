"""What signals mean to a daemon that owns its process.

SIGTERM and SIGINT drain: every run finishes its step, saves, closes its session as interrupted; then the process ends
with 75. A second one, or a drain that takes longer than the plan allows, ends the process where it stands: what must
survive is in the journal, so that is as safe as ``kill -9``. SIGHUP reads the plan again, SIGUSR1 writes the tree to the
log, SIGUSR2 saves a checkpoint of every run.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

import trio
from attrs import define

from tinkex_actors.daemon.daemon import Daemon
from tinkex_actors.daemon.exits import ExitCode
from tinkex_actors.log import get_log

_log = get_log()

_HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_AT_ONCE = {signal.SIGINT: ExitCode.KILLED_BY_SIGINT, signal.SIGTERM: ExitCode.KILLED_BY_SIGTERM}


async def _nothing() -> None:
    """Nobody is to be told."""


@define(eq=False)
class Signals:
    """Heeds the signals of one process for one daemon."""

    daemon: Daemon
    reload: Callable[[], Awaitable[None]] = _nothing
    on_drain: Callable[[], Awaitable[None]] = _nothing
    is_draining: bool = False

    async def heed(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Heed signals until cancelled."""
        async with trio.open_nursery() as nursery:
            with trio.open_signal_receiver(*_HEEDED) as signals:
                task_status.started()
                async for number in signals:
                    await self._obey(signal.Signals(number), nursery)

    async def _obey(self, number: signal.Signals, nursery: trio.Nursery) -> None:
        match number:
            case signal.SIGHUP:
                await self.reload()
            case signal.SIGUSR1:
                _log.info("the tree", tree=str(self.daemon.tree()))
            case signal.SIGUSR2:
                self.daemon.checkpoint()
            case _ if self.is_draining:
                leave(_AT_ONCE[number])
            case _:
                self.is_draining = True
                _log.info("draining: steps under way are finished and saved", signal=number.name)
                self.daemon.drain()
                await self.on_drain()
                nursery.start_soon(self._bound)

    async def _bound(self) -> None:
        seconds = self.daemon.plan.daemon.drain_seconds
        await trio.sleep(seconds)
        _log.warning("the drain took too long; what is under way is done again at the next start", seconds=seconds)
        leave(ExitCode.RESUMABLE)


def leave(code: ExitCode) -> NoReturn:
    """End the process where it stands."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

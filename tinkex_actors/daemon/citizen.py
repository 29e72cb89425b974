"""A daemon and its host: what is told to the service manager, and who may ask how things are."""

from collections import Counter
from functools import partial

import trio
from attrs import define

from tinkex_actors.daemon.daemon import Daemon
from tinkex_actors.daemon.health import is_alive, serve_health
from tinkex_actors.daemon.notify import Notifier

_STATUS_EVERY = 5.0
"""Seconds between two reports of the status."""


@define(eq=False)
class Citizen:
    """Keeps the host informed as long as `live` runs."""

    daemon: Daemon
    notifier: Notifier

    async def live(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell that the runs are begun, then how they do, until cancelled."""
        async with trio.open_nursery() as nursery:
            where = self.daemon.plan.daemon.health
            if where is not None:
                await nursery.start(partial(serve_health, self.daemon, where))
            await self.notifier.ready(self.describe())
            task_status.started()
            nursery.start_soon(self._report)
            if self.notifier.watchdog_seconds is not None:
                nursery.start_soon(self._feed, self.notifier.watchdog_seconds / 2)

    def describe(self) -> str:
        """Say it in a line: ``3 runs: 2 training, 1 waiting``."""
        states = Counter(str(site.progress.state) for site in self.daemon.runs.values())
        told = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
        return f"{len(self.daemon.runs)} run{'s' * (len(self.daemon.runs) != 1)}: {told}"

    async def _report(self) -> None:
        while True:
            await trio.sleep(_STATUS_EVERY)
            await self.notifier.status(self.describe())

    async def _feed(self, interval: float) -> None:
        """Feed the watchdog as long as all is well; a daemon that is stuck is then killed, and starts again."""
        while True:
            if await is_alive(self.daemon):
                await self.notifier.alive()
            await trio.sleep(interval)

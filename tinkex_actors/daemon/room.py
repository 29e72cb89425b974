"""One more model on a server that is full: wait in line instead of failing.

A server says so with 429. The runs of a process that heard it wait in one line, first come, first served; only the first
of them asks again, with growing pauses, until there is room or the run shall stop.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count

import trio

from tinkex_actors.clients import TrainingClient
from tinkex_actors.daemon.errors import LifeLost
from tinkex_actors.daemon.resuming import decide_pause
from tinkex_actors.daemon.site import RunSite, RunState
from tinkex_actors.log import get_log
from tinkex_actors.types import RateLimitError

_log = get_log()


async def make_when_there_is_room(site: RunSite, make: Callable[[], Awaitable[TrainingClient]]) -> TrainingClient:
    """Make a model, as soon as the server takes in one more.

    Raises:
        TinkerError: It fails for another reason.
        LifeLost: The run shall stop; there was no room.
    """
    if not site.line:
        try:
            return await make()
        except RateLimitError as full:
            _log.info("the server takes in no more models; waiting in line", run=site.name, why=str(full))
    site.line.append(site.name)
    try:
        model = await _ask_when_first(site, make)
    finally:
        site.line.remove(site.name)
    site.turn(RunState.STARTING)
    return model


async def _ask_when_first(site: RunSite, make: Callable[[], Awaitable[TrainingClient]]) -> TrainingClient:
    for times in count(1):
        site.turn(RunState.WAITING, waiting_for="room for one more model on the server")
        with trio.move_on_after(decide_pause(times, site.plan.recovery)):
            await site.stop_wanted.wait()
        if site.wants_stop:
            break
        if site.line[0] == site.name:
            with suppress(RateLimitError):
                return await make()
    raise LifeLost(f"run {site.name} stopped before the server had room for its model")

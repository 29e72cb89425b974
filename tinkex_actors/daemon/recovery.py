"""Attempt after attempt, until a run is done, shall stop, or has failed too often.

Only attempts in a row count: a step that was done, after whatever trouble, begins the count anew. What a person has to put
right (the plan, the data, the key, the disk) is not tried again. A bug in a loop is not caught here: it crashes the run's
actor, whose supervisor begins a new attempt within limits of its own.
"""

import trio
from structlog.contextvars import bound_contextvars

from tinkex_actors.daemon.attempt import attempt
from tinkex_actors.daemon.callbacks import Recovery, call_back
from tinkex_actors.daemon.errors import BudgetSpent, LifeLost, RunError, RunGaveUp
from tinkex_actors.daemon.resuming import decide_backoff
from tinkex_actors.daemon.site import Ending, RunSite, RunState
from tinkex_actors.log import get_log
from tinkex_actors.types import AuthenticationError, BillingError, PermissionDeniedError, TinkerError

_log = get_log()

_FINAL = (AuthenticationError, PermissionDeniedError, BillingError)
"""What trying again does not change."""


async def train_run(site: RunSite) -> None:
    """Train a run to its end, whatever happens; the end is noted in *site*. What is logged meanwhile names the run."""
    try:
        with bound_contextvars(run=site.name):
            site.end(Ending(state=await _attempt_until_end(site)))
    except BudgetSpent as spent:
        site.end(Ending(state=RunState.STOPPED, error=spent))
    except (RunError, TinkerError) as error:
        site.end(Ending(state=RunState.FAILED, error=error))


async def _attempt_until_end(site: RunSite) -> RunState:
    while True:
        try:
            return await attempt(site)
        except _FINAL:
            raise
        except (TinkerError, LifeLost) as error:
            if site.wants_stop and not site.has_begun:
                return RunState.STOPPED  # what the journal says of its last checkpoint stands
            await _pause(site, error)
        if site.wants_stop:
            return RunState.STOPPED


async def _pause(site: RunSite, error: Exception) -> None:
    """Wait before the next attempt.

    Raises:
        RunGaveUp: There is to be none.
    """
    progress, plan = site.progress, site.plan.recovery
    progress.failures += 1
    progress.last_failure = f"{type(error).__name__}: {error}"
    told = Recovery(run=site.name, life=progress.life, attempts=progress.failures, error=error)
    delay = decide_backoff(progress.failures, plan)
    if delay is None:
        await call_back(plan.on_gave_up, told, base=site.base, seconds=plan.callback_seconds)
        raise RunGaveUp(f"run {site.name} gave up after {progress.failures} failed attempts: {error}") from error
    _log.warning(
        "the run failed and is recovered", run=site.name, attempt=progress.failures, seconds=delay, error=str(error)
    )
    site.recovered_from = told
    site.turn(RunState.RECOVERING)
    with trio.move_on_after(delay):
        await site.stop_wanted.wait()

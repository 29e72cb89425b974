"""A plan that was changed while it runs: what may change takes effect at once, the rest at the next start, or never."""

from collections.abc import Mapping
from pathlib import Path

import trio

from tinkex_actors.daemon.daemon import Daemon
from tinkex_actors.daemon.errors import PlanError
from tinkex_actors.daemon.plan_file import read_plan
from tinkex_actors.log import get_log

_log = get_log()


async def reload_plan(daemon: Daemon, path: Path, environ: Mapping[str, str]) -> list[str]:
    """Read the plan again, and give each run what may change of it: checkpoints, recovery, pace, weight, budget.

    A plan with a fault changes nothing; neither does a run whose identity is another now.

    Returns:
        The runs that have what the file says.
    """
    try:
        plan = await trio.to_thread.run_sync(read_plan, path, environ)
    except PlanError as error:
        _log.warning("the plan was not reloaded", error=str(error))
        return []
    taken = list[str]()
    for name, site in daemon.runs.items():
        fresh = plan.runs.get(name)
        if fresh is None or fresh.identity() != site.plan.identity():
            _log.warning("a run keeps its old plan: what decides its result has changed, or it is gone", run=name)
            continue
        site.plan = fresh
        site.admission.enrol(name, fresh.weight)
        site.budgets[0].limit = fresh.max_tokens
        taken.append(name)
    _log.info("the plan was reloaded", runs=taken)
    return taken

"""Small plans over a server in this process: what tests of the daemon begin with."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from tinkex_actors.daemon.daemon import Daemon, open_daemon
from tinkex_actors.daemon.plan import CheckpointPlan, LoraPlan, Plan, RecoveryPlan, RunPlan, ServerPlan
from tinkex_actors.daemon.site import Ending, RunSite
from tinkex_actors.local.audit import AuditEntry
from tinkex_actors.local.faults import FaultPlan
from tinkex_actors.local.options import ServerOptions
from tinkex_actors.local.server import LocalServer, open_server
from tinkex_actors.settings import Figures, Settings

QUICK = Figures(
    retry_delay_base=0.02, retry_delay_max=0.1, poll_delay_base=0.02, poll_delay_max=0.1, poll_interval_min=0.0
)
RECOVERY = RecoveryPlan(backoff_seconds=0.01, backoff_max_seconds=0.05)


@frozen(eq=False)
class World:
    """A server, and a folder for runs."""

    server: LocalServer
    folder: Path
    faults: FaultPlan

    def plan(self, runs: Mapping[str, RunPlan], **changes: Any) -> Plan:
        """Make a plan of *runs*."""
        whole: dict[str, Any] = {
            "folder": self.folder / "runs",
            "server": ServerPlan(url=self.server.url, figures=QUICK),
        }
        return Plan(runs=runs, base=self.folder, **whole | changes)

    def run(self, **changes: Any) -> RunPlan:
        """Make a run of six small steps."""
        fields: dict[str, Any] = {
            "base_model": "tinkex/tiny",
            "data": self.folder / "data.jsonl",
            "steps": 6,
            "batch_size": 2,
            "learning_rate": 0.003,
            "lora": LoraPlan(rank=2),
            "checkpoints": CheckpointPlan(every_steps=2),
            "recovery": RECOVERY,
        }
        return RunPlan(**fields | changes)

    @asynccontextmanager
    async def daemon(self, plan: Plan, **options: Any) -> AsyncGenerator[Daemon]:
        """Open a daemon that uses the server."""
        async with open_daemon(plan, settings=Settings.local(self.server.url), **options) as daemon:
            yield daemon

    async def train(self, plan: Plan, **options: Any) -> Mapping[str, Ending]:
        """Train a plan to its end."""
        async with self.daemon(plan, **options) as daemon:
            with trio.fail_after(60):
                return await daemon.wait()

    def rows(self, run: str, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
        """Read a run's file."""
        return [json.loads(line) for line in (self.folder / "runs" / run / file).read_text().splitlines()]

    def deeds(self) -> list[AuditEntry]:
        """What the server has carried out."""
        return list(self.server.audit)


@asynccontextmanager
async def open_world(folder: Path, **options: Any) -> AsyncGenerator[World]:
    """Start a server, and write data beside it."""
    rows = [{"prompt": f"What is {n}?", "completion": f"It is {n}, of course."} for n in range(7)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    faults = FaultPlan()
    async with open_server(ServerOptions(notes_weights=True, faults=faults, **options)) as server:
        yield World(server, folder, faults)


def at_step(number: int, act: Callable[[RunSite], object], *, run: str | None = None) -> Callable[[RunSite], None]:
    """Make a listener that calls *act* with the site, once, when *run* (or any) has done *number* steps."""
    seen = list[str]()

    def tell(site: RunSite) -> None:
        if site.progress.steps_done == number and not seen and run in {None, site.name}:
            seen.append(site.name)
            act(site)

    return tell

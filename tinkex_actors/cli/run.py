"""``tinkex run``: train what a plan says, and carry on where it was left."""

import os
from collections.abc import Mapping
from pathlib import Path

import attrs
import click
import trio
from rich.console import Console

from supervisors import SupervisorsError
from tinkex_actors.cli._errors import describe_failure
from tinkex_actors.cli._logging import log_to_stderr
from tinkex_actors.cli._run_view import RunView
from tinkex_actors.daemon.citizen import Citizen
from tinkex_actors.daemon.daemon import Daemon, open_daemon
from tinkex_actors.daemon.errors import RunError, leaves
from tinkex_actors.daemon.exits import ExitCode, exit_code_of
from tinkex_actors.daemon.notify import Notifier
from tinkex_actors.daemon.page import missing_extra
from tinkex_actors.daemon.plan import ObserverPlan, Plan
from tinkex_actors.daemon.plan_checks import check_data
from tinkex_actors.daemon.plan_file import read_plan
from tinkex_actors.daemon.reloading import reload_plan
from tinkex_actors.daemon.signals import Signals
from tinkex_actors.daemon.site import Ending, RunState
from tinkex_actors.settings import Settings
from tinkex_actors.types import TinkerError

_ANY_PORT = 0


class _Run(click.Command):
    """Lets ``--observe`` go without its port: click would take the plan behind it for one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the port that is left out."""
        given = [f"--observe={_ANY_PORT}" if one == "--observe" and not _is_port(args, place) else one
                 for place, one in enumerate(args)]  # fmt: skip
        return super().parse_args(ctx, given)


def _is_port(args: list[str], place: int) -> bool:
    return place + 1 < len(args) and args[place + 1].lstrip("-").isdecimal()


@click.command("run", cls=_Run)
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--check", "is_check", is_flag=True, help="Check the plan completely, and start nothing.")
@click.option("--observe", "port", type=click.IntRange(0, 65535), metavar="[PORT]",
              help="Serve the observer's page on this machine, as the plan's [observer] table does; any free port if none is given.")  # fmt: skip
@click.option(
    "--allow-control", is_flag=True, help="Let who has the page's token pause, resume, restart and stop actors."
)
def command(*, plan: Path, is_check: bool, port: int | None, allow_control: bool) -> int:
    """Train what PLAN (a TOML file) says, and carry on where it was left.

    Starting is recovering: the same command begins a run, resumes it after a stop, and repairs it after a crash of
    this process, of the server, or of the machine. SIGTERM or Ctrl-C saves and stops (exit status 75); SIGUSR2 saves;
    SIGHUP reads the plan again.
    """
    log_to_stderr()
    try:
        found = _with_page(read_plan(plan, os.environ), port, allow_control=allow_control)
        check_data(found)
        if is_check:
            click.echo(f"{plan}: {len(found.runs)} run{'s' * (len(found.runs) != 1)}, no fault")
            return ExitCode.DONE
        settings = _settings(found)
        return trio.run(_run, found, settings)
    except* (RunError, TinkerError, SupervisorsError) as group:
        failure = next(leaves(group))
    click.echo(f"tinkex: {describe_failure(failure)}", err=True)
    return exit_code_of(failure)


def _with_page(plan: Plan, port: int | None, *, allow_control: bool) -> Plan:
    """Have the plan's page, or one of its own, as the command line says."""
    if port is None and not allow_control:
        return plan
    if port is None and plan.observer is None:
        raise click.UsageError("--allow-control goes with --observe, or with an [observer] table in the plan")
    if (missing := missing_extra()) is not None:
        raise click.UsageError(f"--observe needs {missing}; install tinkex-actors[observer]")
    told = plan.observer or ObserverPlan()
    return attrs.evolve(
        plan, observer=attrs.evolve(told, port=port or told.port, allow_control=allow_control or told.allow_control)
    )


def _settings(plan: Plan) -> Settings | None:
    """Read the key before anything starts; a server in this process needs none."""
    if plan.server.local:
        return None
    try:
        return Settings.from_environ(os.environ, base_url=plan.server.url)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


async def _run(plan: Plan, settings: Settings | None) -> int:
    with RunView(Console(highlight=False), plan) as view:
        async with open_daemon(plan, settings=settings, tell=view.tell) as daemon, trio.open_nursery() as nursery:
            if daemon.page is not None:
                view.say(f"observer: {daemon.page.url}")
            citizen = Citizen(daemon, Notifier.from_environ(os.environ))
            await nursery.start(_Host(daemon, citizen, plan).signals().heed)
            await nursery.start(citizen.live)
            endings = await daemon.wait()
            nursery.cancel_scope.cancel()
    return _report(endings)


@attrs.frozen
class _Host:
    """What signals do beyond the daemon: systemd hears of a drain, and the plan's file is read again."""

    daemon: Daemon
    citizen: Citizen
    plan: Plan

    def signals(self) -> Signals:
        return Signals(self.daemon, reload=self._reload, on_drain=self._drain)

    async def _drain(self) -> None:
        await self.citizen.notifier.stopping(self.plan.daemon.drain_seconds)

    async def _reload(self) -> None:
        await self.citizen.notifier.reloading()
        await reload_plan(self.daemon, self.plan.path, os.environ)
        await self.citizen.notifier.ready(self.citizen.describe())


def _report(endings: Mapping[str, Ending]) -> ExitCode:
    """Tell what went wrong, and choose the exit code: the first failure's, else whether everything is done."""
    errors = [ending.error for ending in endings.values() if ending.error is not None]
    for error in errors:
        click.echo(f"tinkex: {describe_failure(error)}", err=True)
    failed = [ending for ending in endings.values() if ending.state is RunState.FAILED]
    if failed:
        return ExitCode.FAILED if failed[0].error is None else exit_code_of(failed[0].error)
    return ExitCode.RESUMABLE if any(one.state is RunState.STOPPED for one in endings.values()) else ExitCode.DONE

"""``tinkex run``: train what a plan says, and carry on where it was left."""

import os
from pathlib import Path

import click

from tinkex_actors.cli._errors import describe_failure
from tinkex_actors.daemon.errors import RunError
from tinkex_actors.daemon.exits import ExitCode, exit_code_of
from tinkex_actors.daemon.plan_checks import check_data
from tinkex_actors.daemon.plan_file import read_plan


@click.command("run")
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--check", "is_check", is_flag=True, help="Check the plan completely, and start nothing.")
def command(*, plan: Path, is_check: bool) -> int:
    """Train what PLAN (a TOML file) says, and carry on where it was left.

    Starting is recovering: the same command begins a run, resumes it after a stop, and repairs it after a crash of
    this process, of the server, or of the machine.
    """
    try:
        found = read_plan(plan, os.environ)
        check_data(found)
    except RunError as error:
        click.echo(describe_failure(error), err=True)
        return exit_code_of(error)
    if is_check:
        click.echo(f"{plan}: {len(found.runs)} run{'s' * (len(found.runs) != 1)}, no fault")
    return ExitCode.DONE

"""``tinkex checkpoint save``: have a running daemon save now."""

from pathlib import Path

import click

from tinkex_actors.cli._errors import describe_failure
from tinkex_actors.daemon.asking import ask_to_save
from tinkex_actors.daemon.errors import RunFolderError


@click.command("save")
@click.argument("folders", metavar="RUN_FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(*, folders: tuple[Path, ...]) -> int:
    """Have the `tinkex run` that works in RUN_FOLDER save a checkpoint after the step it is in.

    Returns at once; checkpoints.jsonl in the folder tells when the server has it. SIGUSR2 does the same for every run
    of a process.
    """
    failed = False
    for folder in folders:
        try:
            click.echo(f"{folder}: process {ask_to_save(folder)} saves after the step it is in")
        except RunFolderError as failure:
            click.echo(f"tinkex: {describe_failure(failure)}", err=True)
            failed = True
    return int(failed)

"""``tinkex checkpoint delete``: by path, or by what they are; asked about once, done side by side, told one by one."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click
import trio
from attrs import frozen

from tinkex_actors.cli._asking import TINKER_PATH, asks_server
from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._output import Output, table
from tinkex_actors.clients import RestClient
from tinkex_actors.types import CheckpointType, ParsedCheckpointTinkerPath, TinkerError

_AT_ONCE = 32
_SHOWN = 20
_TYPES = {
    "weights": CheckpointType.TRAINING,
    "training": CheckpointType.TRAINING,
    "sampler_weights": CheckpointType.SAMPLER,
    "sampler": CheckpointType.SAMPLER,
    "external_weights": CheckpointType.EXTERNAL,
    "external": CheckpointType.EXTERNAL,
}


@frozen
class _Filter:
    """Which checkpoints of a run are meant."""

    kind: str | None
    before: datetime | None
    after: datetime | None

    @property
    def is_given(self) -> bool:
        return (self.kind, self.before, self.after) != (None, None, None)

    async def find(self, rest: RestClient, run_id: str) -> list[str]:
        """List the paths of those."""
        return [
            one.tinker_path
            for one in (await rest.list_checkpoints(run_id)).checkpoints
            if (self.kind is None or one.checkpoint_type is _TYPES[self.kind])
            and (self.before is None or one.time < self.before.replace(tzinfo=UTC))
            and (self.after is None or one.time >= self.after.replace(tzinfo=UTC))
        ]


@click.command("delete")
@asks_server
@click.argument("paths", nargs=-1, type=TINKER_PATH)
@click.option("--run-id", help="Instead of PATHS: all checkpoints of one training run.")
@click.option("--type", "kind", type=click.Choice(list(_TYPES)), help="Of those only this type.")
@click.option("--before", type=click.DateTime(), help="Of those only older ones; a date or time, UTC.")
@click.option("--after", type=click.DateTime(), help="Of those only newer ones; a date or time, UTC.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
async def command(  # noqa: PLR0913 - one parameter an option
    rest: RestClient,
    output: Output,
    *,
    paths: tuple[ParsedCheckpointTinkerPath, ...],
    run_id: str | None,
    kind: str | None,
    before: datetime | None,
    after: datetime | None,
    yes: bool,
    dry_run: bool,
) -> int:
    """Delete checkpoints for good: those at PATHS, or those of a training run.

    Asks once before anything is deleted. What cannot be deleted is told at the end, with status 1; the rest is deleted all
    the same.
    """
    which = _Filter(kind, before, after)
    if bool(paths) is (run_id is not None):
        raise click.UsageError("give PATHS or --run-id, one of the two")
    if which.is_given and run_id is None:
        raise click.UsageError("--type, --before and --after go with --run-id")
    named = list(dict.fromkeys(path.tinker_path for path in paths))
    targets = named if run_id is None else await which.find(rest, run_id)
    if dry_run:
        output.show({"would_delete": targets}, table(("Would be deleted",), [[path] for path in targets]))
        return 0
    if targets and not yes:
        _confirm(targets)
    return _tell(output, len(targets), await _delete(rest, output, targets))


def _confirm(targets: Sequence[str]) -> None:
    """Ask once; no is the answer of who cannot be asked.

    Raises:
        CommandFailed: It was declined, or there is nobody to ask.
    """
    for path in targets[:_SHOWN]:
        click.echo(path, err=True)
    if len(targets) > _SHOWN:
        click.echo(f"… and {len(targets) - _SHOWN} more", err=True)
    what = "this checkpoint" if len(targets) == 1 else f"these {len(targets)} checkpoints"
    try:
        is_wanted = click.confirm(f"Delete {what} for good?", err=True)
    except click.Abort as abort:
        if isinstance(abort.__context__, EOFError):
            raise CommandFailed("there is nobody to ask; pass --yes to delete, or --dry-run to look") from abort
        raise
    if not is_wanted:
        raise CommandFailed("nothing was deleted")


async def _delete(rest: RestClient, output: Output, targets: Sequence[str]) -> dict[str, str]:
    """Delete all of them, some at once; return why those that were not deleted were not."""
    failed = dict[str, str]()
    limiter = trio.CapacityLimiter(_AT_ONCE)
    with output.progress("deleting") as progress:
        bar = progress.add_task("", total=len(targets), visible=len(targets) > 1)

        async def delete(path: str) -> None:
            async with limiter:
                try:
                    await rest.delete_checkpoint_from_tinker_path(path)
                except TinkerError as error:
                    failed[path] = str(error)
            progress.update(bar, advance=1, refresh=True)

        async with trio.open_nursery() as nursery:
            for path in targets:
                nursery.start_soon(delete, path)
    return failed


def _tell(output: Output, asked: int, failed: dict[str, str]) -> int:
    deleted = asked - len(failed)
    document = {
        "deleted_count": deleted,
        "failed": [{"tinker_path": path, "error": error} for path, error in sorted(failed.items())],
    }
    output.done(document, f"deleted {deleted} of {asked}")
    if not output.is_json:
        for path, error in sorted(failed.items()):
            output.note(f"{path}: {error}")
    return 1 if failed else 0

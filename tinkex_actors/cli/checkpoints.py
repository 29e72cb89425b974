"""``tinkex checkpoint``: list, info, publish, unpublish, set-ttl, copy."""

from datetime import UTC, datetime

import click

from tinkex_actors.cli._asking import TINKER_PATH, asks_server
from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._output import Output, facts, table
from tinkex_actors.cli._words import say, say_size, say_time, say_yes
from tinkex_actors.clients import RestClient
from tinkex_actors.types import Checkpoint, ParsedCheckpointTinkerPath

path_argument = click.argument("path", type=TINKER_PATH)


@click.command("list")
@asks_server
@click.option("--run-id", help="Of one training run: all of them.")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many; 0 is all.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="How many to pass over.")
async def list_checkpoints(rest: RestClient, output: Output, *, run_id: str | None, limit: int, offset: int) -> None:
    """List checkpoints, the newest first: of one training run, or of all of yours."""
    if run_id is None:
        listed = rest.list_user_checkpoints(limit=limit or None, offset=offset, page_size=1000)
        found = await output.collect(listed, "checkpoints", limit or None)
    else:
        found = list((await rest.list_checkpoints(run_id)).checkpoints)
    document = {"checkpoints": found} if run_id is None else {"run_id": run_id, "checkpoints": found}
    now = datetime.now(UTC)
    columns = ("Checkpoint", "Type", "Size", "Public", "Created", "Expires", "Path")
    output.show(document, table(columns, [_row(one, now) for one in found]))


def _row(one: Checkpoint, now: datetime) -> tuple[str, ...]:
    return (
        one.checkpoint_id,
        one.checkpoint_type.value,
        say_size(one.size_bytes),
        say_yes(one.public),
        say_time(one.time, now),
        "never" if one.expires_at is None else say_time(one.expires_at, now),
        one.tinker_path,
    )


@click.command("info")
@asks_server
@path_argument
async def info(rest: RestClient, output: Output, *, path: ParsedCheckpointTinkerPath) -> None:
    """Show the checkpoint at PATH, a tinker://run/kind/name."""
    listed = (await rest.list_checkpoints(path.training_run_id)).checkpoints
    one = next((one for one in listed if one.tinker_path == path.tinker_path), None)
    if one is None:
        raise CommandFailed(f"there is no checkpoint {path.tinker_path}; see tinkex checkpoint list --run-id {path.training_run_id}")  # fmt: skip
    run = await rest.get_training_run(path.training_run_id)
    now = datetime.now(UTC)
    shown: dict[str, object] = {
        "Path": one.tinker_path,
        "Type": one.checkpoint_type.value,
        "Size": say_size(one.size_bytes),
        "Public": say_yes(one.public),
        "Created": say_time(one.time, now),
        "Expires": "never" if one.expires_at is None else say_time(one.expires_at, now),
        "Base model": run.base_model,
        "LoRA rank": say(run.lora_rank),
    }
    document = {"checkpoint": one, "base_model": run.base_model, "is_lora": run.is_lora, "lora_rank": run.lora_rank}
    output.show(document, facts(shown))


@click.command("publish")
@asks_server
@path_argument
async def publish(rest: RestClient, output: Output, *, path: ParsedCheckpointTinkerPath) -> None:
    """Let anybody load the checkpoint at PATH."""
    await rest.publish_checkpoint_from_tinker_path(path.tinker_path)
    _tell_public(output, path, is_public=True)


@click.command("unpublish")
@asks_server
@path_argument
async def unpublish(rest: RestClient, output: Output, *, path: ParsedCheckpointTinkerPath) -> None:
    """Let nobody else load the checkpoint at PATH."""
    await rest.unpublish_checkpoint_from_tinker_path(path.tinker_path)
    _tell_public(output, path, is_public=False)


def _tell_public(output: Output, path: ParsedCheckpointTinkerPath, *, is_public: bool) -> None:
    sentence = f"{path.tinker_path} is {'public' if is_public else 'private'}"
    output.done({"tinker_path": path.tinker_path, "public": is_public}, sentence)


@click.command("set-ttl")
@asks_server
@path_argument
@click.option("--ttl", type=click.IntRange(min=1), metavar="SECONDS", help="Delete it after so many seconds.")
@click.option("--remove", is_flag=True, help="Never delete it.")
async def set_ttl(
    rest: RestClient, output: Output, *, path: ParsedCheckpointTinkerPath, ttl: int | None, remove: bool
) -> None:
    """Have the checkpoint at PATH deleted after a time, or never."""
    if (ttl is None) is not remove:
        raise click.UsageError("give one of --ttl SECONDS and --remove")
    await rest.set_checkpoint_ttl_from_tinker_path(path.tinker_path, ttl)
    sentence = f"{path.tinker_path} is kept for ever" if ttl is None else f"{path.tinker_path} is deleted in {ttl} s"
    output.done({"tinker_path": path.tinker_path, "ttl_seconds": ttl}, sentence)


@click.command("copy")
@asks_server
@path_argument
@click.option("--project-id", show_default="TINKER_PROJECT_ID", help="Where to.")
@click.option("--ttl", type=click.IntRange(min=1), metavar="SECONDS", help="Delete the copy after so many seconds.")
async def copy(
    rest: RestClient, output: Output, *, path: ParsedCheckpointTinkerPath, project_id: str | None, ttl: int | None
) -> None:
    """Copy the checkpoint at PATH into a project, without copying its bytes; print the copy's path."""
    try:
        copied = await rest.copy_weights(path.tinker_path, project_id, ttl_seconds=ttl)
    except ValueError as fault:
        raise click.UsageError("give --project-id, or set TINKER_PROJECT_ID") from fault
    output.done({"source_path": path.tinker_path, "tinker_path": copied}, copied)

"""``tinkex checkpoint download``: a checkpoint's files, whole or not at all.

An export is fetched file by file. A training checkpoint is exported first, by a model made from it, and the export deleted
afterwards; servers of the older generation pack it into an archive instead, and sampler weights too.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import click
from attrs import evolve

from tinkex_actors.cli._asking import TINKER_PATH, asks_server
from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._fetch import Fetch
from tinkex_actors.cli._output import Output, facts
from tinkex_actors.cli._words import say_size
from tinkex_actors.clients import RestClient, open_tinker
from tinkex_actors.clients.download import find_files
from tinkex_actors.types import CheckpointType, NotSupportedByServer, ParsedCheckpointTinkerPath, TinkerError

_EXPORT = "download"
_EXPORT_SECONDS = 3600


@click.command("download")
@asks_server
@click.argument("path", type=TINKER_PATH)
@click.option("-o", "--output", "out", type=click.Path(path_type=Path, file_okay=False),
              show_default="named after PATH, here", help="The folder to write.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the folder if it is there.")
async def command(
    rest: RestClient, output: Output, *, path: ParsedCheckpointTinkerPath, out: Path | None, force: bool
) -> None:
    """Fetch the files of the checkpoint at PATH into a folder.

    The folder appears when everything is there. After a failure the same command goes on where it was left.
    """
    target = out or Path(path.tinker_path.removeprefix("tinker://").replace("/", "_"))
    if target.exists() and not force:
        raise CommandFailed(f"{target} is there already; name another with --output, or replace it with --force")
    async with open_downloadable(rest, path) as tinker_path:
        size, names = await Fetch(rest, output, target, partial(find_files, rest, tinker_path)).run()
    document = {
        "checkpoint_path": path.tinker_path,
        "destination": str(target),
        "file_size_bytes": size,
        "files": names,
    }
    output.show(
        document,
        facts({"Checkpoint": path.tinker_path, "Folder": target, "Files": ", ".join(names), "Size": say_size(size)}),
    )


@asynccontextmanager
async def open_downloadable(rest: RestClient, path: ParsedCheckpointTinkerPath) -> AsyncGenerator[str, None]:
    """Find, or make for the while, something that can be downloaded; yield its path."""
    if path.checkpoint_type is not CheckpointType.TRAINING:
        yield path.tinker_path
        return
    async with open_tinker(evolve(rest.settings, telemetry=False)) as tinker:
        exported = None
        try:
            trainer = await tinker.create_training_client_from_state(path.tinker_path)
            exported = (await trainer.save_weights_external(_EXPORT, ttl_seconds=_EXPORT_SECONDS)).path
        except NotSupportedByServer:
            pass  # an older server: it packs archives
        try:
            yield exported or path.tinker_path
        finally:
            if exported is not None:
                await _delete(rest, exported)


async def _delete(rest: RestClient, exported: str) -> None:
    try:
        await rest.delete_checkpoint_from_tinker_path(exported)
    except TinkerError:
        return  # it ends by itself within the hour

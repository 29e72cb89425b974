"""``tinkex session export-trace``: what a session did, as a trace for Perfetto."""

from pathlib import Path

import click
from rich.progress import DownloadColumn, TransferSpeedColumn

from tinkex_actors.cli._asking import asks_server
from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._output import Output, drawing_bytes, facts
from tinkex_actors.cli._words import say_size
from tinkex_actors.clients import RestClient
from tinkex_actors.clients.download import download_file


@click.command("export-trace")
@asks_server
@click.argument("session_id")
@click.option("-o", "--output", "out", type=click.Path(path_type=Path, dir_okay=False), show_default="SESSION_ID.pftrace",
              help="The file to write.")  # fmt: skip
@click.option("--url-only", is_flag=True, help="Print the link, good for about an hour, and fetch nothing.")
async def command(rest: RestClient, output: Output, *, session_id: str, out: Path | None, url_only: bool) -> None:
    """Have the trace of the session SESSION_ID built, wait for it, and fetch it."""
    url = await rest.export_session_trace(session_id)
    if url_only:
        output.done({"session_id": session_id, "url": url}, url)
        return
    target = out or Path(f"{session_id}.pftrace")
    try:
        with output.progress(target.name, DownloadColumn(), TransferSpeedColumn()) as progress:
            show = drawing_bytes(progress, progress.add_task("", total=None))
            size = await download_file(rest, url, target, progress=show)
    except OSError as fault:
        raise CommandFailed(f"cannot write {target}: {fault.strerror or fault}") from fault
    document = {"session_id": session_id, "destination": str(target), "file_size_bytes": size}
    output.show(document, facts({"Session": session_id, "File": target, "Size": say_size(size)}))

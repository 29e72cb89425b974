"""``tinkex observe``: where the page of a running process is; or a page of runs that nobody runs any more."""

import json
import signal
import webbrowser
from pathlib import Path

import click
import trio

from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.observer import ObserverSettings, OpenedObserver, Watch, open_observer
from tinkex_actors.observer.client import ask_state, find_observer
from tinkex_actors.observer.run_files import find_runs


@click.command("observe")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path())
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to serve; elsewhere a token is made.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="any free one")
@click.option("--open", "is_open", is_flag=True, help="Open the page in a browser.")
@click.option("--json", "is_json", is_flag=True, help="Print the state once, in JSON, and end.")
def command(*, folder: Path, host: str, port: int, is_open: bool, is_json: bool) -> None:
    """Show a running process, or runs that are over, in a browser.

    A process with an observer (tinkex run --observe, an [observer] table in its plan, open_observer in a program) says
    in FOLDER, its folder of runs, where its page is: that address is printed, with the token if it needs one. Where no
    process answers, the losses and checkpoints of the runs in FOLDER are served from their files, until Ctrl-C.

    Actors belong to their process, and so does the leave to give them orders: start it with
    tinkex run --observe --allow-control.
    """
    living = trio.run(find_observer, folder)
    if is_json:
        if living is None:
            raise CommandFailed(f"no process with an observer runs in {folder}")
        click.echo(json.dumps(trio.run(ask_state, living), indent=2))
    elif living is not None:
        _announce(living, is_open=is_open)
    elif not find_runs([folder]):
        raise CommandFailed(
            f"{folder} has no run and no process with an observer; name a run folder, or a folder of them"
        )
    else:
        trio.run(_serve, ObserverSettings(host=host, port=port, runs=(folder,)), is_open)


async def _serve(settings: ObserverSettings, is_open: bool) -> None:  # noqa: FBT001 - trio.run passes by place
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_observer(Watch(), settings) as page:
            _announce(page, is_open=is_open)
            async for _ in signals:
                return


def _announce(page: OpenedObserver, *, is_open: bool) -> None:
    click.echo(page.url)
    if is_open:
        webbrowser.open(page.url)

"""``tinkex top``: what the observer's page shows, in a terminal."""

import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import trio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._output import table
from tinkex_actors.observer import OpenedObserver
from tinkex_actors.observer.client import ObserverUnreachable, ask_state, find_observer

_STYLES = {"running": "green", "down": "red", "suspended": "yellow", "restarting": "yellow", "starting": "yellow"}
_WORDS = {"ChildStarted": "started", "ChildStopped": "stopped", "ChildCrashed": "crashed", "ChildKilled": "was killed",
          "RestartScheduled": "gets", "SupervisorGaveUp": "gave up"}  # fmt: skip
_TROUBLE = {"ChildCrashed", "ChildKilled", "SupervisorGaveUp"}
_EVENTS = 8
_WIDE = 200
_MILLISECONDS = 1000


@click.command("top")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path())
@click.option("--url", help="The observer's address with its token, instead of FOLDER.")
@click.option("--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds.")
@click.option("--once", is_flag=True, help="Show it once and end, as off a terminal.")
@click.option("--open", "opened", multiple=True, metavar="PATH", help="A large supervisor to show the children of.")
def command(*, folder: Path, url: str | None, interval: float, once: bool, opened: tuple[str, ...]) -> None:
    """Show the process that runs in FOLDER: its trees, runs, requests and last events; Ctrl-C ends it."""
    page = _parse(url) if url is not None else trio.run(find_observer, folder)
    if page is None:
        raise CommandFailed(f"no process with an observer runs in {folder}; name its folder, or its --url")
    console = Console(highlight=False)
    if once or not console.is_terminal:
        state = trio.run(_ask, page, opened)
        Console(highlight=False, width=None if console.is_terminal else _WIDE).print(draw(state))
        return
    trio.run(_watch, page, console, interval, opened)


def _parse(url: str) -> OpenedObserver:
    base, _, token = url.partition("#token=")
    return OpenedObserver(base.rstrip("/"), token)


async def _ask(page: OpenedObserver, opened: tuple[str, ...]) -> dict[str, Any]:
    try:
        return await ask_state(page, opened=list(opened))
    except ObserverUnreachable as error:
        raise CommandFailed(str(error)) from error


async def _watch(page: OpenedObserver, console: Console, interval: float, opened: tuple[str, ...]) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_redraw, page, console, interval, opened)
            async for _ in signals:
                nursery.cancel_scope.cancel()
                return


async def _redraw(page: OpenedObserver, console: Console, interval: float, opened: tuple[str, ...]) -> None:
    # Refreshed by hand: no thread draws behind the event loop's back.
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            try:
                shown = draw(await ask_state(page, opened=list(opened)))
            except ObserverUnreachable as error:
                shown = Text(f"{error}; asking again", style="red")
            live.update(shown, refresh=True)
            await trio.sleep(interval)


def draw(state: dict[str, Any]) -> RenderableType:
    """Draw the state that an observer tells: runs first, then who works for them, what it costs, and what happened."""
    parts: list[RenderableType] = [_draw_runs(state["runs"]), ""] if state["runs"] else []
    parts.append(_draw_trees(state["trees"]))
    parts += [part for one in state["sets"] if one["requests"] for part in ("", _draw_requests(one))]
    for waiting in state["waits"]:
        parts += ["", Text(f"{waiting['tree']}: {waiting['total']} waiting", style="bold")]
        parts += [Text(f"  {line}") for line in waiting["lines"]]
    parts += ["", *(_draw_event(one) for one in state["events"][-_EVENTS:])]
    return Group(*parts)


def _draw_event(event: dict[str, Any]) -> Text:
    clock = datetime.fromtimestamp(event["at"], UTC).astimezone().strftime("%H:%M:%S")
    style = "red" if event["kind"] in _TROUBLE else "dim"
    words = _WORDS.get(event["kind"], event["kind"])
    return Text(f"{clock}  {event['path']} {words} {event['text']}", style=style)


def _draw_trees(trees: list[dict[str, Any]]) -> RenderableType:
    drawn = table(("Actor", "State", "Does", "Queued", "Restarts"), [])
    for node, depth in _walk(trees, 0):
        below = node.get("below")
        states = "" if below is None else ", ".join(f"{number} {state}" for state, number in below["statuses"].items())
        drawn.add_row(
            Text("  " * depth + node["name"]),
            Text(node["status"], style=_STYLES.get(node["status"], "")),
            Text(states or node.get("operation") or ""),
            Text(f"{node['queued'] or ''}"),
            Text(f"{node['restarts'] or ''}", style="yellow"),
        )
    return drawn


def _walk(nodes: list[dict[str, Any]], depth: int) -> list[tuple[dict[str, Any], int]]:
    return [found for node in nodes for found in ((node, depth), *_walk(node.get("children", []), depth + 1))]


def _draw_runs(runs: list[dict[str, Any]]) -> RenderableType:
    rows = [
        (run["name"], run["state"] or "-", _progress(run), *(_say(run[f"last_{name}"]) for name in ("loss", "learning_rate", "tokens_per_second")))
        for run in runs
    ]  # fmt: skip
    return table(("Run", "State", "Step", "Loss", "Learning rate", "Tokens/s"), rows)


def _progress(run: dict[str, Any]) -> str:
    return f"{run['steps']:,}" + (f" of {run['of_steps']:,}" if isinstance(run["of_steps"], int) else "")


def _draw_requests(one: dict[str, Any]) -> RenderableType:
    rows = [
        (row["operation"], row["count"], _say(row["failures"]), *(_milliseconds(row[name]) for name in ("p50", "p95", "p99")))
        for row in one["requests"]
    ]  # fmt: skip
    return table((f"Requests of {one['name']}", "Sent", "Failed", "p50 ms", "p95 ms", "p99 ms"), rows)


def _milliseconds(seconds: float | None) -> str:
    return _say(None if seconds is None else seconds * _MILLISECONDS)


def _say(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"

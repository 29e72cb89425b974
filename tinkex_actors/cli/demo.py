"""``tinkex demo``: what the project does, in one minute, on this machine."""

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import click
import trio
from rich.console import Console
from structlog.typing import EventDict

from tinkex_actors.cli._demo_run import DemoOptions, run_demo
from tinkex_actors.cli._logging import log_to_stderr
from tinkex_actors.cli._screen import Screen
from tinkex_actors.clients import TinkerClient, open_tinker
from tinkex_actors.crash_log import CRASHED
from tinkex_actors.daemon.errors import RunError
from tinkex_actors.daemon.schedule import Schedule
from tinkex_actors.settings import Figures, Settings

_DATA = Path(__file__).parents[1] / "local" / "data" / "questions.jsonl"


@click.command("demo")
@click.option("--data", type=click.Path(path_type=Path), default=_DATA, show_default="a hundred questions that come along",
              help="A .jsonl file with 'messages', or 'prompt' and 'completion'; or a .txt file.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=100, show_default=True, help="Optimizer steps.")
@click.option("--batch-size", type=click.IntRange(min=1), default=20, show_default=True, help="Sequences in a step.")
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=0.01, show_default=True)
@click.option("--rank", type=click.IntRange(min=1), default=32, show_default=True, help="Of the low-rank adapter.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@click.option("--out", type=click.Path(path_type=Path), show_default="runs/demo-DATE-TIME", help="The run's folder.")
@click.option("--model", type=click.Path(path_type=Path), help="A Hugging Face directory (Qwen3, Llama) to train.",
              show_default="a tiny model that comes along")  # fmt: skip
@click.option("--base-url", help="A Tinker server to use; its key is TINKER_API_KEY.", show_default="an embedded one")
@click.option("--base-model", help="The base model's name on that server.")
def command(  # noqa: PLR0913 - one parameter an option
    *,
    data: Path,
    steps: int,
    batch_size: int,
    learning_rate: float,
    rank: int,
    seed: int,
    out: Path | None,
    model: Path | None,
    base_url: str | None,
    base_model: str | None,
) -> int:
    """Fine-tune a small model under supervision, crash it half-way, and watch it go on.

    Trains on the given data (or on a hundred questions that come along), crashes the trainer on purpose in the middle,
    saves a checkpoint, and shows answers from before and after. Everything runs on this machine unless --base-url names
    a server.
    """
    if base_url is not None and (model is not None or base_model is None):
        raise click.UsageError("--base-url needs --base-model NAME, and goes without --model")
    if base_url is None and base_model is not None:
        raise click.UsageError("--base-model goes with --base-url; for a directory use --model DIR")
    if find_spec("matplotlib") is None:
        # Told now, and not when the run is over and its loss is to be drawn.
        raise ModuleNotFoundError("the demo draws its loss", name="matplotlib")
    name = base_model or (model.resolve().name if model is not None else "tinkex/tiny")
    log_to_stderr(is_told=_is_told)
    console = Console(highlight=False)
    screen = Screen(console, steps=steps)
    options = DemoOptions(
        data=data,
        out=out or Path("runs") / f"demo-{datetime.now(UTC).astimezone():%Y%m%d-%H%M%S}",
        schedule=Schedule(steps=steps, batch_size=batch_size, learning_rate=learning_rate, seed=seed),
        base_model=name,
        server=base_url or "embedded",
        rank=rank,
    )
    return trio.run(run_demo, options, _client(screen, name, model, base_url), screen)


def _is_told(event: EventDict) -> bool:
    """The screen tells the crash that the demo orders; a crash by a bug is told with its traceback."""
    return event["event"] == CRASHED and "exc_info" not in event


def _client(
    screen: Screen, name: str, model: Path | None, base_url: str | None
) -> AbstractAsyncContextManager[TinkerClient]:
    if base_url is not None:
        try:
            # A person at a terminal wants to hear within seconds that nobody answers there.
            settings = Settings(base_url=base_url, figures=Figures(max_retries=2))
        except ValueError as fault:
            raise RunError(str(fault)) from fault
        return open_tinker(settings, observers=[screen])
    from tinkex_actors.local import ServerOptions  # noqa: PLC0415 - an extra, needed by this branch alone

    options = ServerOptions() if model is None else ServerOptions(models={name: model})
    return open_tinker(local=options, observers=[screen])

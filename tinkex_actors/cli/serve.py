"""``tinkex serve``: the embedded server as a process of its own."""

from pathlib import Path
from typing import TypedDict, Unpack

import click
import trio

from tinkex_actors.cli._logging import log_to_stderr
from tinkex_actors.local import TINY, FaultPlan, ServerOptions, WrittenOptions, serve, tiny_model_path


class _Given(TypedDict):
    """The options of the command line."""

    models: tuple[str, ...]
    host: str
    port: int
    data: Path | None
    seed: int
    api_keys: tuple[str, ...]
    faults: Path | None
    config: Path | None
    limits: tuple[str, ...]
    flags: tuple[str, ...]
    log_requests: bool


@click.command("serve")
@click.option("--model", "models", multiple=True, metavar="[NAME=]DIR", show_default="a tiny model that comes along",
              help="A Hugging Face directory (Qwen3, Llama), and the name clients ask for; may be given again.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; elsewhere needs --api-key.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="any free one")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Where state outlives the process.", show_default="memory"
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@click.option("--api-key", "api_keys", multiple=True, help="A key that is accepted (tml-...); may be given again.",
              show_default="any key that starts with tml-")  # fmt: skip
@click.option(
    "--faults", type=click.Path(path_type=Path), help="A TOML file of requests that shall go wrong, for tests."
)
@click.option("--config", type=click.Path(path_type=Path), help="A TOML file with the tables limits and flags.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE",
              help="How much clients may ask for, such as max_rank=64; may be given again.")  # fmt: skip
@click.option("--flag", "flags", multiple=True, metavar="NAME=VALUE",
              help="What clients are told to do, such as proto_compress_fwdbwd=true; may be given again.")  # fmt: skip
@click.option("--log-requests", is_flag=True, help="Log every request on stderr.")
def command(**given: Unpack[_Given]) -> None:
    """Run the embedded Tinker-compatible server.

    Prints one line with its address when it is ready. SIGTERM or Ctrl-C stops it: requests in flight are finished or
    answered. Any Tinker client can use it, the official SDK too: TINKER_BASE_URL=<the address> TINKER_API_KEY=tml-local.
    """
    try:
        options = _to_options(given)
    except ValueError as fault:
        raise click.UsageError(str(fault)) from fault
    log_to_stderr()
    trio.run(serve, options, click.echo)


def _to_options(given: _Given) -> ServerOptions:
    models, faults = given["models"], given["faults"]
    options = ServerOptions(
        models=dict(_parse_model(model) for model in models) or {TINY: tiny_model_path()},
        host=given["host"],
        port=given["port"],
        data=given["data"],
        seed=given["seed"],
        api_keys=given["api_keys"],
        logs_requests=given["log_requests"],
        faults=FaultPlan() if faults is None else FaultPlan.read(faults),
    )
    return WrittenOptions.read(given["config"], limits=given["limits"], flags=given["flags"]).apply(options)


def _parse_model(model: str) -> tuple[str, Path]:
    name, equals, folder = model.partition("=")
    if equals and not (name and folder):
        raise click.UsageError(f"--model must be DIR or NAME=DIR, got {model!r}")
    path = Path(folder if equals else name)
    return (name if equals else path.resolve().name), path

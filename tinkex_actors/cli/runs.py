"""``tinkex run list`` and ``tinkex run info``: training runs as the server knows them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import click

from tinkex_actors.cli._asking import asks_server
from tinkex_actors.cli._output import Output, facts, table
from tinkex_actors.cli._words import NOTHING, say, say_time, say_yes
from tinkex_actors.clients import RestClient
from tinkex_actors.types import AccessScope, TrainingRun

_DEFAULT = "id,model,lora,updated,status"


def _columns(now: datetime) -> Mapping[str, tuple[str, Callable[[TrainingRun], str]]]:
    """Say what each column is called, and what it shows of a run."""
    return {
        "id": ("Run", lambda run: run.training_run_id),
        "model": ("Base model", lambda run: run.base_model),
        "owner": ("Owner", lambda run: run.model_owner),
        "lora": ("LoRA", _lora),
        "updated": ("Last request", lambda run: say_time(run.last_request_time, now)),
        "status": ("Status", _status),
        "checkpoint": ("Last checkpoint", lambda run: NOTHING if run.last_checkpoint is None else run.last_checkpoint.checkpoint_id),
        "checkpoint_time": ("Saved", lambda run: NOTHING if run.last_checkpoint is None else say_time(run.last_checkpoint.time, now)),
    }  # fmt: skip


def _lora(run: TrainingRun) -> str:
    return f"rank {run.lora_rank}" if run.lora_rank else say_yes(run.is_lora)


def _status(run: TrainingRun) -> str:
    return "failed" if run.corrupted else "active"


def _split(_ctx: click.Context, _param: click.Parameter, value: str) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    known = _columns(datetime.now(UTC))
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        raise click.BadParameter(f"expected some of {', '.join(known)}, got {', '.join(wrong) or 'none'}")
    return names


scope_option = click.option(
    "--access-scope",
    type=click.Choice(["owned", "accessible"]),
    default="owned",
    show_default=True,
    help="Your own, or all that you may see.",
)


@click.command("list")
@asks_server
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many; 0 is all.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="How many to pass over.")
@click.option("-c", "--columns", default=_DEFAULT, show_default=True, callback=_split,
              help="What to show: id, model, owner, lora, updated, status, checkpoint, checkpoint_time.")  # fmt: skip
@click.option("--project-id", help="Of one project only.")
@scope_option
async def list_runs(
    rest: RestClient,
    output: Output,
    *,
    limit: int,
    offset: int,
    columns: list[str],
    project_id: str | None,
    access_scope: AccessScope,
) -> None:
    """List training runs, the newest first."""
    listed = rest.list_training_runs(
        limit=limit or None, offset=offset, access_scope=access_scope, project_id=project_id
    )
    runs = await output.collect(listed, "training runs", limit or None)
    known = _columns(datetime.now(UTC))
    rows = [[known[name][1](run) for name in columns] for run in runs]
    output.show({"runs": runs}, table([known[name][0] for name in columns], rows))


@click.command("info")
@asks_server
@click.argument("run_id")
@scope_option
async def info(rest: RestClient, output: Output, *, run_id: str, access_scope: AccessScope) -> None:
    """Show the training run RUN_ID."""
    run = await rest.get_training_run(run_id, access_scope=access_scope)
    now = datetime.now(UTC)
    shown: dict[str, object] = {
        "Run": run.training_run_id,
        "Base model": run.base_model,
        "Owner": say(run.model_owner),
        "LoRA": _lora(run),
        "Status": _status(run),
        "Last request": say_time(run.last_request_time, now),
    }
    for words, saved in (("checkpoint", run.last_checkpoint), ("sampler checkpoint", run.last_sampler_checkpoint)):
        if saved is not None:
            shown[f"Last {words}"] = f"{saved.tinker_path} ({say_time(saved.time, now)})"
    shown |= {f"Metadata {name}": value for name, value in (run.user_metadata or {}).items()}
    output.show(run, facts(shown))

"""``tinkex billing``: usage, checkpoint-storage, audit. For administrators; all of it is reading."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import cast

import click
from rich.table import Table

from tinkex_actors.cli._asking import asks_server
from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._output import Output, plain, table
from tinkex_actors.cli._words import say, say_size
from tinkex_actors.clients import RestClient
from tinkex_actors.types import AuditEventType, BillingUsageEvent

Row = Mapping[str, object]

_MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])
csv_option = click.option("--csv", "csv_file", metavar="FILE", help="Write the rows as CSV; - is stdout.")


@click.command("usage")
@asks_server
@click.argument("start", type=_MOMENT)
@click.argument("end", type=_MOMENT)
@csv_option
@click.option("--sessions-csv", metavar="FILE", help="Write the sessions' metadata as CSV; - is stdout.")
async def usage(
    rest: RestClient, output: Output, *, start: datetime, end: datetime, csv_file: str | None, sessions_csv: str | None
) -> None:
    """Show what was used from START to END, by the hour: full hours in UTC, at most 14 days."""
    if csv_file == sessions_csv == "-":
        raise click.UsageError("only one of --csv and --sessions-csv can be stdout")
    try:
        answer = await rest.admin.get_billing_usage(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
    except ValueError as fault:
        raise click.UsageError(str(fault)) from fault
    rows = [_flatten(event) for event in answer.data]
    sessions = [{"session_id": name, **(one.user_metadata or {})} for name, one in sorted(answer.sessions.items())]
    is_written = _write(csv_file, rows) | _write(sessions_csv, sessions)
    if not is_written:
        output.show(answer, _as_table(rows))


def _flatten(event: BillingUsageEvent) -> dict[str, object]:
    """Put what was used beside when and by whom; a cost that could be there and is not is null."""
    whole = cast("dict[str, object]", plain(event))
    details = cast("dict[str, object]", whole.pop("event_info"))
    return {"bucket_start": whole.pop("bucket_start"), "bucket_end": whole.pop("bucket_end"), **details, **whole}


@click.command("checkpoint-storage")
@asks_server
@click.option("--project-id", help="Of one project only.")
@csv_option
async def storage(rest: RestClient, output: Output, *, project_id: str | None, csv_file: str | None) -> None:
    """Show what is kept in checkpoints now, by project and owner."""
    answer = await rest.admin.get_current_checkpoint_storage_usage(project_id=project_id)
    rate = answer.effective_rate_usd_per_gigabyte_month
    rows: list[Row] = [{"effective_rate_usd_per_gigabyte_month": rate, **plain(one)} for one in answer.data]
    if _write(csv_file, rows):
        return
    shown = [
        (say(one.project_id), say(one.user_name or one.user_email), one.checkpoint_count, say_size(one.size_bytes),
         say(one.estimated_monthly_cost_usd))
        for one in answer.data
    ]  # fmt: skip
    document = {"rate": rate, "data": answer.data}
    output.show(document, table(("Project", "Owner", "Checkpoints", "Size", "USD a month"), shown))


@click.command("audit")
@asks_server
@click.option("--event-type", type=click.Choice(["all", "checkpoints", "projects", "teams", "organizations"]),
              default="all", show_default=True)  # fmt: skip
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), show_default="today", help="Which day, UTC.")
async def audit(rest: RestClient, output: Output, *, event_type: AuditEventType, day: date | None) -> None:
    """Show what was done in the organisation's name on a day."""
    entries = (await rest.admin.get_audit_log(event_type, day=day)).entries
    rows = [
        (f"{one.timestamp:%H:%M:%S}", one.event, " ".join(f"{name}={value}" for name, value in one.event_details.items()))
        for one in entries
    ]  # fmt: skip
    output.show({"entries": entries}, table(("Time", "Event", "Details"), rows))


def _as_table(rows: Sequence[Row]) -> Table:
    columns = _columns(rows) or ["Nothing was used."]
    return table(columns, [[say(row.get(name)) for name in columns] for row in rows])


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _write(file: str | None, rows: Sequence[Row]) -> bool:
    """Write *rows* where the user wants them; tell whether the user wants them anywhere."""
    if file is None:
        return False
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(rows), restval="")
    writer.writeheader()
    writer.writerows(rows)
    if file == "-":
        click.echo(text.getvalue(), nl=False)
        return True
    try:
        Path(file).write_text(text.getvalue())
    except OSError as fault:
        raise CommandFailed(f"cannot write {file}: {fault.strerror}") from fault
    return True

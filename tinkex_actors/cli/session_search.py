"""``tinkex session search``: sessions by name, project, metadata, owner or status."""

from collections.abc import Mapping
from datetime import UTC, datetime

import click

from tinkex_actors.cli._asking import asks_server
from tinkex_actors.cli._output import Output, table
from tinkex_actors.cli._words import say, say_size, say_time
from tinkex_actors.clients import RestClient
from tinkex_actors.types import SearchOwner, SessionStatusQuery, SessionSummary, StatusName

_STATUSES: Mapping[str, StatusName] = {
    "active": "active",
    "cancelled": "cancelled",
    "failed": "failed",
    "finished": "client_finished",
}


def _pairs(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    for value in values:
        if not value.partition("=")[1]:
            raise click.BadParameter(f"expected NAME=VALUE, got {value!r}")
    return {name: rest for name, _, rest in (value.partition("=") for value in values)}


@click.command("search")
@asks_server
@click.argument("words", default="")
@click.option("--project-id", "project_ids", multiple=True, help="In this project; given again, in one of them.")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", callback=_pairs,
              help="With this metadata; given again, with all of it.")  # fmt: skip
@click.option("--status", "statuses", multiple=True, type=click.Choice(list(_STATUSES)),
              help="In this state; given again, in one of them.")  # fmt: skip
@click.option("--accessible", is_flag=True, help="Also those of others that you may see.")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many; 0 is all.")
async def command(
    rest: RestClient,
    output: Output,
    *,
    words: str,
    project_ids: tuple[str, ...],
    metadata: dict[str, str],
    statuses: tuple[str, ...],
    accessible: bool,
    limit: int,
) -> None:
    """Search sessions: with WORDS in their name, and whatever else is given; the newest first."""
    search = rest.search_sessions(
        display_name=words or None,
        project_ids=project_ids or None,
        user_metadata=metadata,
        statuses=[SessionStatusQuery(_STATUSES[status]) for status in statuses] or None,
        owner=SearchOwner("accessible" if accessible else "own"),
    )
    found = list[SessionSummary]()
    async for one in search:
        found.append(one)
        if len(found) == limit:
            break
    now = datetime.now(UTC)
    columns = ("Session", "Name", "Status", "Created", "Checkpoints", "Stored", "Project")
    output.show({"sessions": found}, table(columns, [_row(one, now) for one in found]))


def _row(one: SessionSummary, now: datetime) -> tuple[object, ...]:
    return (
        one.session_id,
        say(one.display_name),
        say(None if one.status is None else one.status.type),
        say_time(one.created_at, now),
        one.checkpoints_count,
        say_size(one.checkpoint_storage_bytes),
        say(one.project_id),
    )

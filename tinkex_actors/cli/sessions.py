"""``tinkex session``: list, info, set-project."""

import click

from tinkex_actors.cli._asking import asks_server
from tinkex_actors.cli._output import Output, facts, table
from tinkex_actors.cli._words import NOTHING, say
from tinkex_actors.cli.runs import scope_option
from tinkex_actors.clients import RestClient
from tinkex_actors.types import AccessScope

session_argument = click.argument("session_id")


@click.command("list")
@asks_server
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many; 0 is all.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="How many to pass over.")
@scope_option
async def list_sessions(
    rest: RestClient, output: Output, *, limit: int, offset: int, access_scope: AccessScope
) -> None:
    """List the ids of sessions, the newest first."""
    listed = rest.list_sessions(limit=limit or None, offset=offset, access_scope=access_scope)
    found = await output.collect(listed, "sessions", limit or None)
    output.show({"sessions": found}, table(("Session",), [[one] for one in found]))


@click.command("info")
@asks_server
@session_argument
@scope_option
async def info(rest: RestClient, output: Output, *, session_id: str, access_scope: AccessScope) -> None:
    """Show the training runs and samplers of the session SESSION_ID."""
    found = await rest.get_session(session_id, access_scope=access_scope)
    shown: dict[str, object] = {
        "Session": session_id,
        "Name": say(found.display_name),
        "Training runs": "\n".join(found.training_run_ids) or NOTHING,
        "Samplers": "\n".join(found.sampler_ids) or NOTHING,
    }
    shown |= {f"Metadata {name}": value for name, value in (found.user_metadata or {}).items()}
    document = {
        "session_id": session_id,
        "training_run_ids": found.training_run_ids,
        "sampler_ids": found.sampler_ids,
        "user_metadata": found.user_metadata,
        "display_name": found.display_name,
    }
    output.show(document, facts(shown))


@click.command("set-project")
@asks_server
@session_argument
@click.argument("project_id")
async def set_project(rest: RestClient, output: Output, *, session_id: str, project_id: str) -> None:
    """Move the session SESSION_ID into the project PROJECT_ID. It cannot be taken out again."""
    await rest.assign_session_project(session_id, project_id)
    output.done({"session_id": session_id, "project_id": project_id}, f"{session_id} is in {project_id}")

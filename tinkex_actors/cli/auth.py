"""``tinkex auth``: login, logout, status, whoami."""

import socket

import click
import trio

from tinkex_actors.cli._asking import asks_server, json_option, output_of, server_options, settings_of
from tinkex_actors.cli._credentials import credentials_path, forget_key, read_stored, store_key
from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._output import Output, facts
from tinkex_actors.cli._words import say, say_yes
from tinkex_actors.clients import RestClient, open_rest_client
from tinkex_actors.settings import Settings
from tinkex_actors.types import APIStatusError, AuthenticationError, NotSupportedByServer, TinkerError

_CONSOLE = "https://tinker-console.thinkingmachines.ai/keys"


@click.command("login")
@server_options
@json_option
def login(*, base_url: str | None, api_key: str | None, timeout: float, is_json: bool) -> None:
    """Keep an API key on this machine, for commands that are given none.

    Asks for the key, has the server check it, and writes it to ~/.tinker/credentials.json, which only you can read.
    """
    output = output_of(is_json=is_json)
    if read_stored() is not None:
        raise CommandFailed(f"{credentials_path()} holds a key already; tinkex auth logout forgets it")
    key = api_key or _ask_for_key(output)
    settings = settings_of(base_url, key, timeout)
    name = trio.run(_check, settings)
    path = store_key(name, name, key)
    output.done({"name": name, "path": path}, f"the key {name!r} is kept in {path}")


def _ask_for_key(output: Output) -> str:
    output.note(f"make a key at {_CONSOLE}; a good name is tinkex-{socket.gethostname()}")
    key: str = click.prompt("API key", hide_input=True, err=True)
    return key.strip()


async def _check(settings: Settings) -> str:
    """Have the server look at the key; return its name there.

    Raises:
        CommandFailed: The server does not take it.
    """
    async with open_rest_client(settings) as rest:
        try:
            return (await rest.get_api_key()).name
        except AuthenticationError as refusal:
            raise CommandFailed(f"the server does not take this key: {refusal}") from refusal
        except NotSupportedByServer:
            await rest.get_server_capabilities()
            return "default"


@click.command("logout")
@server_options
@json_option
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten, and forget nothing.")
def logout(*, base_url: str | None, api_key: str | None, timeout: float, is_json: bool, dry_run: bool) -> None:
    """Forget the API key on this machine; one that a login made is deleted on the server too."""
    del api_key
    output = output_of(is_json=is_json)
    stored = read_stored()
    if stored is None:
        raise CommandFailed("there is no key to forget")
    if dry_run:
        would = {"would_forget": stored.name, "would_delete_on_server": stored.is_generated}
        also = " and deleted on the server" if stored.is_generated else ""
        output.done(would, f"the key {stored.name!r} would be forgotten{also}")
        return
    if stored.is_generated:
        trio.run(_delete, settings_of(base_url, stored.key, timeout))
    forget_key()
    document = {"name": stored.name, "deleted_on_server": stored.is_generated}
    output.done(document, f"the key {stored.name!r} is forgotten{' and deleted' if stored.is_generated else ''}")


async def _delete(settings: Settings) -> None:
    async with open_rest_client(settings) as rest:
        try:
            await rest.delete_api_key()
        except AuthenticationError:
            return  # the server has forgotten it before us


@click.command("status")
@server_options
@json_option
def status(*, base_url: str | None, api_key: str | None, timeout: float, is_json: bool) -> int:
    """Say whether there is a key, and whether the server takes it; status 1 when it does not."""
    output = output_of(is_json=is_json)
    try:
        settings = settings_of(base_url, api_key, timeout)
    except CommandFailed as fault:
        problem: str | None = str(fault)
        has_key = False
    else:
        problem, has_key = trio.run(_reach, settings), True
    shown = {"Credentials available": say_yes(has_key), "Tinker accessible": say_yes(problem is None)}
    if problem is not None:
        shown["Reason"] = problem
    document = {"credentials_available": has_key, "accessible": problem is None, "reason": problem}
    output.show(document, facts(shown))
    return 0 if problem is None else 1


async def _reach(settings: Settings) -> str | None:
    async with open_rest_client(settings) as rest:
        try:
            await rest.get_server_capabilities()
        except TinkerError as error:
            return str(error)
    return None


@click.command("whoami")
@asks_server
async def whoami(rest: RestClient, output: Output) -> None:
    """Say whom the key stands for: a token says so itself, of an API key the server is asked."""
    try:
        who = await rest.whoami()
    except ValueError:
        await _describe_key(rest, output)
        return
    shown = {"Email": say(who.email), "User": who.user_urn, "Organization": who.org_urn}
    output.show(who, facts(shown))


async def _describe_key(rest: RestClient, output: Output) -> None:
    try:
        key = await rest.get_api_key()
    except (NotSupportedByServer, APIStatusError) as refusal:
        raise CommandFailed(f"the server does not say whose key it is: {refusal}") from refusal
    output.show(key, facts({"Key": key.name, "Id": key.key_id, "Note": say(key.note)}))

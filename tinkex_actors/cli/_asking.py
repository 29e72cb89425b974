"""Commands that ask a server: which one, with what key, how patiently, and where the answer goes.

An ``async`` function becomes a command's callback: it is given a REST client and an `Output` before its own options, and
runs on trio. A person at a terminal wants to hear within seconds that nobody answers, so requests are repeated less often
than a long-lived client would.
"""

import os
from collections.abc import Awaitable, Callable
from functools import update_wrapper

import click
import trio
from attrs import evolve

from tinkex_actors.cli._credentials import read_stored_key
from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._output import Output
from tinkex_actors.clients import open_rest_client
from tinkex_actors.settings import Figures, Settings
from tinkex_actors.types import ParsedCheckpointTinkerPath

# Any, here and below: click calls with whatever options the function declares.
Command = Callable[..., Awaitable[int | None]]
Callback = Callable[..., int | None]

_RETRIES = 2
_PATIENCE = 3.0
"""Seconds that a person waits before hearing that nobody answers."""


class TinkerPathType(click.ParamType[ParsedCheckpointTinkerPath]):
    """A checkpoint's path on the command line."""

    name = "path"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> ParsedCheckpointTinkerPath:
        """Take the path apart, or refuse the command line."""
        if isinstance(value, ParsedCheckpointTinkerPath):
            return value
        try:
            return ParsedCheckpointTinkerPath.from_tinker_path(str(value))
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


TINKER_PATH = TinkerPathType()

json_option = click.option("--json", "is_json", is_flag=True, help="Answer in JSON.")


def server_options(function: Callback) -> Callback:
    """Give a command the options that say which server, and how patiently."""
    for option in (
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=30.0,
            show_default=True,
            help="Seconds that the server may stay silent.",
        ),
        click.option("--api-key", help="The key; others see it in the list of processes, and not the variable.",
                     show_default="TINKER_API_KEY, or the one kept by tinkex auth login"),
        click.option("--base-url", help="The server.", show_default="TINKER_BASE_URL, or the production service"),
    ):  # fmt: skip
        function = option(function)
    return function


def asks_server(command: Command) -> Callback:
    """Make *command* a click callback that is given a REST client and an `Output`."""

    def callback(
        *, base_url: str | None, api_key: str | None, timeout: float, is_json: bool, **options: object
    ) -> int | None:
        settings = settings_of(base_url, api_key, timeout)
        output = output_of(is_json=is_json)

        async def run() -> int | None:
            """Ask within one connection."""
            async with open_rest_client(settings) as rest:
                return await command(rest, output, **options)

        return trio.run(run)

    update_wrapper(callback, command)  # brings the options declared below this decorator
    return server_options(json_option(callback))


def output_of(*, is_json: bool) -> Output:
    """Choose between people and programs: ``--json`` here, or ``--format json`` before the command."""
    return Output(is_json=is_json or click.get_current_context().find_root().obj == "json")


def require_one(**options: object) -> None:
    """Refuse a command line that gives none of *options*, by the names of their parameters, or several.

    Raises:
        UsageError: It does.
    """
    if sum(value is not None for value in options.values()) != 1:
        names = " and ".join("--" + name.replace("_", "-") for name in options)
        raise click.UsageError(f"give one of {names}")


def settings_of(base_url: str | None, api_key: str | None, timeout: float) -> Settings:
    """Make the settings of a short-lived client.

    Raises:
        CommandFailed: There is no key, or no such address.
    """
    key = api_key or ("" if os.environ.get("TINKER_API_KEY") else read_stored_key() or "")
    patience = min(timeout, _PATIENCE)
    figures = Figures(max_retries=_RETRIES, request_timeout=timeout, retry_patience=patience)
    try:
        return evolve(Settings.from_environ(os.environ, api_key=key, base_url=base_url or ""), figures=figures)
    except ValueError as fault:
        raise CommandFailed(str(fault)) from fault

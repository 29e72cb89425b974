"""The command group, and what becomes of an error: one sentence and an exit status.

Exit status 0 done, 1 failed, 2 wrong command line, 130 interrupted. A traceback appears only with ``--debug``.
"""

import sys
from importlib import import_module

import click

COMMANDS = {
    "demo": ("tinkex_actors.cli.demo", "Fine-tune a small model under supervision, crash it half-way, and watch it go on."),
    "run": ("tinkex_actors.cli.run", "Train what a plan says, and carry on where it was left."),
    "serve": ("tinkex_actors.cli.serve", "Run the embedded Tinker-compatible server."),
}  # fmt: skip


class LazyGroup(click.Group):
    """A group whose commands are imported only when one is run or asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command without importing any."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their first sentences, from the table above."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tinkex-actors", message="tinkex %(version)s")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of a failure; stands anywhere.")
def tinkex() -> None:
    """Fine-tune and sample language models over the Tinker protocol, with every part supervised."""


def main(arguments: list[str] | None = None) -> None:
    """Run the ``tinkex`` command and leave with its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    try:
        status = tinkex.main([a for a in given if a != "--debug"], prog_name="tinkex", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as mistake:
        mistake.show()
        sys.exit(2 if isinstance(mistake, click.UsageError) else 1)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except Exception as error:
        if debug:
            raise
        from tinkex_actors.cli._errors import describe_failure  # noqa: PLC0415 - brings trio, which only failures need

        click.echo(f"tinkex: {describe_failure(error)}", err=True)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)

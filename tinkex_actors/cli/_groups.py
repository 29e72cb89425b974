"""Groups of commands that are imported only when they are run, and help that needs none of them imported.

A tree of `Leaf` and `Branch` says where each command lives and what it does in one sentence. Help is printed from the tree
alone, nested commands included: whoever reads the first page has seen them all.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import NamedTuple, cast

import click


class Leaf(NamedTuple):
    """A command: its module, its name there, and what it does."""

    module: str
    attribute: str
    help: str


class Branch(NamedTuple):
    """A group of commands."""

    help: str
    commands: "Mapping[str, Leaf | Branch]"
    otherwise: str | None = None
    """Which of them runs when the first argument names none: ``tinkex run plan.toml`` is ``tinkex run start plan.toml``."""


class LazyGroup(click.Group):
    """A group that imports a command when it is run or asked for help."""

    branch: Branch

    @classmethod
    def of(cls, name: str, branch: Branch) -> "LazyGroup":
        """Make the group of one branch."""
        group = cls(name, help=branch.help, context_settings={"help_option_names": ["-h", "--help"]})
        group.branch = branch
        return group

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command without importing any."""
        del ctx
        return list(self.branch.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        del ctx
        entry = self.branch.commands.get(cmd_name)
        return None if entry is None else _bring(cmd_name, entry)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the name of the command that needs none."""
        other = self.branch.otherwise
        if other is not None and args and args[0] not in {*self.branch.commands, *ctx.help_option_names}:
            args = [other, *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their sentences, those of groups below this one too."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, leaf.help) for name, leaf in leaves(self.branch)])


def leaves(branch: Branch, before: str = "") -> Iterator[tuple[str, Leaf]]:
    """Name every command at and below *branch* in full."""
    for name, entry in branch.commands.items():
        if isinstance(entry, Branch):
            yield from leaves(entry, f"{before}{name} ")
        else:
            yield f"{before}{name}", entry


def _bring(name: str, entry: Leaf | Branch) -> click.Command:
    if isinstance(entry, Branch):
        return LazyGroup.of(name, entry)
    return cast("click.Command", getattr(import_module(entry.module), entry.attribute))

"""Groups of commands that are imported only when they are run, and help that needs none of them imported.

A tree of `Leaf` and `Branch` says where each command lives, what it does in one sentence, and how it is called. Help is
printed from the tree alone, nested commands included: whoever reads the first page has seen them all.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple, cast

import click

_SHARED = frozenset({"base_url", "api_key", "timeout", "is_json"})


class Leaf(NamedTuple):
    """A command: its module, its name there, what it does, and the arguments of an example."""

    module: str
    attribute: str
    help: str
    example: str


class Branch(NamedTuple):
    """A group of commands."""

    help: str
    commands: "Mapping[str, Leaf | Branch]"
    otherwise: str | None = None
    """Which of them runs when the first argument names none: ``tinkex run plan.toml`` is ``tinkex run start plan.toml``."""


class LazyGroup(click.Group):
    """A group that imports a command when it is run or asked for help."""

    branch: Branch
    path: str = ""
    """The words before a command of it."""
    sections: Mapping[str, Sequence[str]] | None = None
    """What its commands are for: titles, and the names below each."""

    @classmethod
    def of(cls, name: str, branch: Branch) -> "LazyGroup":
        """Make the group of one branch."""
        group = cls(name, help=branch.help, context_settings={"help_option_names": ["-h", "--help"]})
        group.branch, group.path = branch, f"{name} "
        return group

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command without importing any."""
        del ctx
        return list(self.branch.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        del ctx
        entry = self.branch.commands.get(cmd_name)
        return None if entry is None else _bring(cmd_name, entry, self.path)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant, or say which one may be.

        Raises:
            UsageError: There is none.
        """
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(f"there is no command {args[0]!r}{self._suggest(args[0])}", ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the name of the command that needs none."""
        other = self.branch.otherwise
        if other is not None and args and args[0] not in {*self.branch.commands, *ctx.help_option_names}:
            args = [other, *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their sentences, those of groups below this one too."""
        del ctx
        sections = self.sections or {"Commands": list(self.branch.commands)}
        named = {name for names in sections.values() for name in names}
        for title, names in sections.items():
            with formatter.section(title):
                shown = [(name, leaf.help) for name, leaf in leaves(self.branch) if _place(name, named) in names]
                formatter.write_dl(shown)

    def _suggest(self, word: str) -> str:
        """Name the command whose name, or whose last word, is nearest."""
        spelled = {form: name for name, _ in leaves(self.branch) for form in (name.rpartition(" ")[2], name)}
        spelled |= {name: name for name in self.branch.commands}
        near = get_close_matches(word, spelled, n=1)
        return f"; did you mean tinkex {self.path}{spelled[near[0]]}?" if near else f"; see tinkex {self.path}--help"


def leaves(branch: Branch, before: str = "") -> Iterator[tuple[str, Leaf]]:
    """Name every command at and below *branch* in full."""
    for name, entry in branch.commands.items():
        if isinstance(entry, Branch):
            yield from leaves(entry, f"{before}{name} ")
        else:
            yield f"{before}{name}", entry


def _place(name: str, named: Collection[str]) -> str:
    """Say under which name a command is put into a section: its own, or else its group's."""
    return name if name in named else name.partition(" ")[0]


def _bring(name: str, entry: Leaf | Branch, path: str) -> click.Command:
    if isinstance(entry, Branch):
        return LazyGroup.of(name, entry)
    command = cast("click.Command", getattr(import_module(entry.module), entry.attribute))
    # What is the command's own first; what all share behind it.
    command.params.sort(key=lambda one: one.name in _SHARED)
    command.short_help = entry.help
    command.epilog = f"\b\nExample:\n  tinkex {path}{name} {entry.example}".rstrip()
    return command

"""Whoever comes from the official command finds every command and every option of it here, under the same name."""

from collections.abc import Iterator

import click
import pytest

# It ships no types for its command line.
from tinker.cli.__main__ import main_cli as official

from tinkex_actors.cli._main import tinkex

NOT_HERE: dict[tuple[str, str], str] = {}
"""What the official command has and this one has not, and why. There is nothing."""


def _commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _options(command: click.Command) -> dict[str, click.Option]:
    return {spelled: one for one in command.params if isinstance(one, click.Option) for spelled in one.opts}


OURS = dict(_commands(tinkex))
THEIRS = dict(_commands(official))


def test_there_is_something_to_compare_with() -> None:
    """A comparison with nothing would hold for ever."""
    assert len(THEIRS) > 15
    assert sum(len(_options(command)) for command in THEIRS.values()) > 25


@pytest.mark.parametrize("name", THEIRS)
def test_an_official_command_is_here_with_every_option(name: str) -> None:
    """The same words take the same values: a flag is a flag, what may be given again may be given again."""
    assert name in OURS
    ours = _options(OURS[name])
    for spelled, theirs in _options(THEIRS[name]).items():
        if (name, spelled) in NOT_HERE:
            continue
        assert spelled in ours, spelled
        assert (ours[spelled].is_flag, ours[spelled].multiple) == (theirs.is_flag, theirs.multiple), spelled


@pytest.mark.parametrize("name", THEIRS)
def test_an_official_command_takes_its_arguments_here(name: str) -> None:
    """As many, in the same places, and as optional."""

    def places(command: click.Command) -> list[tuple[int, bool]]:
        return [(one.nargs, one.required) for one in command.params if isinstance(one, click.Argument)]

    assert places(OURS[name]) == places(THEIRS[name])


def test_what_stands_before_a_command_is_here_too() -> None:
    """``tinker -f json run list`` is in people's scripts."""
    assert set(_options(official)) <= set(_options(tinkex))

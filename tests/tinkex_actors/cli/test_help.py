"""What a new user sees: every command on one page, by what it is for, with an example in each, and a hand for wrong words."""

import re
import shlex

import click
import pytest

from tests.tinkex_actors.cli.inside import tinkex
from tinkex_actors.cli import _main
from tinkex_actors.cli._groups import Leaf, leaves

LEAVES = dict(leaves(_main.tinkex.branch))


def _find(name: str) -> click.Command:
    found: click.Command = _main.tinkex
    for word in name.split():
        assert isinstance(found, click.Group)
        below = found.get_command(click.Context(found), word)
        assert below is not None
        found = below
    return found


def test_the_first_page_has_each_command_once_in_one_line() -> None:
    """On a terminal of eighty columns: a page that has to be read twice is read by nobody."""
    shown = tinkex("--help", environ={"COLUMNS": "80"}).out
    for name, leaf in LEAVES.items():
        assert len(re.findall(rf"^  {re.escape(name)}  +{re.escape(leaf.help)}$", shown, re.MULTILINE)) == 1, name


def test_the_first_page_says_what_commands_are_for() -> None:
    """Whoever looks for something knows the purpose before the name."""
    shown = tinkex("--help").out
    places = [shown.index(f"{title}:") for title in _main.SECTIONS]
    assert places == sorted(places)
    assert "Commands:" not in shown


@pytest.mark.parametrize(("name", "leaf"), LEAVES.items())
def test_each_command_has_an_example_that_its_own_options_take(name: str, leaf: Leaf) -> None:
    """An example that does not work is worse than none."""
    told = tinkex(*name.split(), "--help")
    line = f"tinkex {name} {leaf.example}".rstrip()
    assert f"  Example:\n    {line}\n" in told.out
    command = _find(name)
    # Resilient: what it names need not exist here.
    with command.make_context(name, shlex.split(leaf.example), resilient_parsing=True) as context:
        assert not context.args
    used = set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", f" {leaf.example}"))
    assert used <= {spelled for one in command.params for spelled in one.opts}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["smpl"], "did you mean tinkex sample?"),
        (["chkpoint"], "did you mean tinkex checkpoint?"),
        (["login"], "did you mean tinkex auth login?"),
        (["push-hf"], "did you mean tinkex checkpoint push-hf?"),
        (["checkpoint", "remove"], "see tinkex checkpoint --help"),
        (["checkpoint", "dwnload"], "did you mean tinkex checkpoint download?"),
        (["session", "lst"], "did you mean tinkex session list?"),
        (["qqqq"], "see tinkex --help"),
    ],
)
def test_a_command_that_does_not_exist_names_the_nearest(words: list[str], hint: str) -> None:
    """A slip of the finger, and the right word in the wrong place."""
    told = tinkex(*words)
    assert (told.status, told.out) == (2, "")
    assert f"there is no command {words[-1]!r}; {hint}" in told.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_help_and_completion_need_no_network_and_no_key(shell: str) -> None:
    """They are what somebody uses who has neither."""
    empty = {"TINKER_API_KEY": None, "TINKER_BASE_URL": "http://127.0.0.1:1"}
    assert tinkex("completion", shell, environ=empty).status == 0

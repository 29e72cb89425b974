"""Commands, plans and configurations on the pages are ones that the programs take."""

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.doc_pages import PAGES, ROOT, Block, blocks
from tinkex_actors.cli._groups import LazyGroup
from tinkex_actors.cli._main import tinkex
from tinkex_actors.daemon.exits import ExitCode
from tinkex_actors.daemon.plan_checks import check_data
from tinkex_actors.daemon.plan_file import read_plan
from tinkex_actors.local import ServerOptions, WrittenOptions

TEXTS = [(page.relative_to(ROOT).as_posix(), page.read_text(encoding="utf-8")) for page in PAGES]


def lines_with(command: str) -> Iterator[tuple[str, list[str]]]:
    """Find what stands behind *command* on the lines of consoles."""
    for block in blocks("console"):
        for line in block.text.splitlines():
            if line.startswith("$ "):
                for match in re.finditer(rf"(?:(?<=\s)|(?<=/bin/)|(?<=\()){command} ([a-z-][^)#]*)", line):
                    yield f"{block} {line}", shlex.split(match[1])


def words_with(command: str) -> Iterator[tuple[str, list[str]]]:
    """Find what stands behind *command* between backticks."""
    for page, text in TEXTS:
        for match in re.finditer(rf"`{command} ([^`]+)`", text):
            yield f"{page} {match[0]}", match[1].split()


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """Follow *words* into the command they name; what is left are its arguments.

    Raises:
        AssertionError: They name none.
    """
    command: click.Command = tinkex
    context = click.Context(tinkex)
    while isinstance(command, LazyGroup) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            assert command.branch.otherwise is not None, f"{words[0]} is no command"
            words = [command.branch.otherwise, *words]
        else:
            command, words = found, words[1:]
    return command, words


def test_command_lines_of_the_pages_are_ones_that_the_commands_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read to the end by the command itself, and not carried out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()  # some want to see their folder
    for where, words in lines_with("tinkex"):
        command, rest = find_command(words)
        assert not isinstance(command, click.Group), where
        command.make_context(where, rest)


def test_commands_named_on_the_pages_have_the_options_they_are_named_with() -> None:
    """In passing, without all they need."""
    for where, words in words_with("tinkex"):
        command, rest = find_command(words)
        options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        named = {word.partition("=")[0] for word in rest if word.startswith("-")} - {"--help", "--debug"}
        assert named <= options, where


def test_targets_and_modules_named_on_the_pages_are_there() -> None:
    """`make …` of the Makefile, `python -m …` of this tree."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for where, words in words_with("make"):
        assert words[0] in targets, where
    for where, words in words_with("python -m"):
        assert importlib.util.find_spec(words[0]) is not None, where


BEGINNING = """
[runs.sft]
base_model = "m"
data = "sft.jsonl"
steps = 1
"""
CODE = "def train(loop): ...\ndef tell_me(told): ...\ndef wake_me(told): ...\n"


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_plans_and_configurations_of_the_pages_can_be_read(block: Block, tmp_path: Path) -> None:
    """A plan completely, with the data and the code that it names; a part of one behind a beginning."""
    (tmp_path / "sft.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    (tmp_path / "observer.token").write_text("a-token-of-some-length-0123456789abcdef\n")
    for name in ("my_rl", "my_code"):
        (tmp_path / f"{name}.py").write_text(CODE)
    file = tmp_path / "page.toml"
    if tomllib.loads(block.text).keys() <= {"limits", "flags"}:
        file.write_text(block.text)
        WrittenOptions.read(file).apply(ServerOptions())
        return
    file.write_text(block.text if "base_model" in block.text else BEGINNING + block.text)
    check_data(read_plan(file, {"TINKER_API_KEY": "tml-x"}))


def test_the_unit_of_the_page_starts_a_command_and_knows_its_exit_codes() -> None:
    """A code that the unit does not know would be started again for ever, or never."""
    [unit] = blocks("ini")
    lines = dict(line.split("=", 1) for line in unit.text.splitlines() if "=" in line and not line.startswith("#"))
    command, rest = find_command(shlex.split(lines["ExecStart"])[1:])
    command.make_context("ExecStart", rest)
    never = {int(code) for code in lines["RestartPreventExitStatus"].split()}
    again = {ExitCode.RESUMABLE, ExitCode.SERVICE_GONE, ExitCode.KILLED_BY_SIGINT, ExitCode.KILLED_BY_SIGTERM}
    assert never == set(ExitCode) - again
    rows = re.findall(r"^\| ([\d, ]+) \|", unit.page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(ExitCode) <= {int(code) for row in rows for code in row.split(",")}

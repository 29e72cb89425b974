import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import requires
from pathlib import Path

import click
import pytest

from tests.tinkex_actors.cli import process
from tests.tinkex_actors.cli.inside import tinkex
from tinkex_actors.cli import _groups, _main, main
from tinkex_actors.cli._errors import OPTIONAL, describe_failure
from tinkex_actors.cli._groups import leaves
from tinkex_actors.cli._output import Output
from tinkex_actors.daemon.errors import DataError


@pytest.fixture
def fail_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make every command fail with the given error."""

    def install(error: BaseException) -> None:
        def fail() -> None:
            raise error

        def get_command(group: object, ctx: object, name: str) -> click.Command:
            del group, ctx
            return click.Command(name, callback=fail)

        monkeypatch.setattr(_groups.LazyGroup, "get_command", get_command)

    return install


def _exit_status(*arguments: str) -> object:
    with pytest.raises(SystemExit) as leaving:
        main(list(arguments))
    return leaving.value.code


def test_a_failure_is_one_sentence_on_stderr(
    fail_with: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A person's mistake deserves a sentence, not a traceback."""
    fail_with(DataError("data.jsonl, line 3: completion is empty"))

    assert _exit_status("fail") == 1
    assert capsys.readouterr() == ("", "tinkex: data.jsonl, line 3: completion is empty\n")


def test_debug_shows_the_traceback_wherever_it_stands(fail_with: Callable[[BaseException], None]) -> None:
    """People add it at the end of the line they have just run."""
    fail_with(DataError("x"))

    with pytest.raises(DataError):
        main(["fail", "--debug"])


def test_an_interrupt_leaves_with_130(fail_with: Callable[[BaseException], None]) -> None:
    """Shells and supervisors read 130 as Ctrl-C."""
    fail_with(KeyboardInterrupt())

    assert _exit_status("fail") == 130


@pytest.mark.parametrize("arguments", [["nope"], ["--nope"], ["serve", "--port", "x"]])
def test_a_wrong_command_line_leaves_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts tell a typing mistake from a failure."""
    assert _exit_status(*arguments) == 2
    assert "Usage: tinkex" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DataError("no data"), "no data"),
        (OSError(28, "No space left on device", "runs/x"), "No space left on device: runs/x"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (ExceptionGroup("outer", [ExceptionGroup("inner", [DataError("deep")])]), "deep"),
        (AssertionError(), "AssertionError"),
        (
            ModuleNotFoundError("No module named 'starlette'", name="starlette"),
            "this command needs starlette; pip install 'tinkex-actors[local]'",
        ),
    ],
)
def test_an_error_is_told_by_its_first_ordinary_cause(error: BaseException, sentence: str) -> None:
    """Groups are how trio carries errors, not what happened."""
    assert describe_failure(error) == sentence


def test_every_package_of_the_commands_extras_is_told_with_its_extra() -> None:
    """Whoever installed the core alone reads what to install, and no name of a module."""
    told = {package.replace("_", "-").lower() for package in OPTIONAL}
    for requirement in requires("tinkex-actors") or ():
        package, _, condition = requirement.partition(";")
        name = re.split(r"[<>=\[ ]", package)[0].lower()
        extra = re.search(r"extra == ['\"](\w+)['\"]", condition)
        if extra and extra[1] in set(OPTIONAL.values()) and name != "tinkex-actors":
            assert name in told


def test_help_names_every_command_without_importing_one(capsys: pytest.CaptureFixture[str]) -> None:
    """A new user finds all there is by --help alone."""
    assert _exit_status("--help") == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name, _ in leaves(_main.tinkex.branch))


@pytest.mark.parametrize("name", [name for name, _ in leaves(_main.tinkex.branch)])
def test_each_command_says_of_itself_what_the_list_says_and_helps(name: str) -> None:
    """The list is written down, so that it needs no command imported; it must not become a lie."""
    told = tinkex(*name.split(), "--help")

    assert told.status == 0
    assert told.out.startswith(f"Usage: tinkex {name} ")


def test_the_version_is_there_before_anything_is_imported(tmp_path: Path) -> None:
    """People and scripts wait for it: 150 ms is for click and nothing else. Counted, since a busy machine has no clock."""
    program = (
        "import sys; from tinkex_actors.cli import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: print(len(sys.modules), *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path, timeout=60
    )

    version, told = run.stdout.splitlines()
    count, *packages = told.split()
    assert version.startswith("tinkex ")
    assert not {"trio", "numpy", "httpx", "rich", "attrs", "attr", "structlog", "orjson", "supervisors"} & set(packages)
    assert int(count) < 300


@pytest.mark.parametrize(
    ("shell", "words", "answer"),
    [
        ("bash", "complete -o", "plain,delete\n"),
        ("zsh", "#compdef tinkex", "plain\ndelete\nDelete checkpoints for good.\n"),
        ("fish", "complete --no-files --command tinkex", "plain,delete\tDelete checkpoints for good.\n"),
    ],
)
def test_a_shell_is_told_how_to_complete(shell: str, words: str, answer: str, tmp_path: Path) -> None:
    """What is printed is for the shell to read, and asks this command for the words; each shell in its own way."""
    assert words in tinkex("completion", shell).out

    asked = {"COMP_WORDS": "tinkex checkpoint de", "COMP_CWORD": "de" if shell == "fish" else "2"}
    told = process.tinkex([], tmp_path, _TINKEX_COMPLETE=f"{shell}_complete", **asked)
    assert told.stdout == answer


def test_bash_itself_completes_with_what_it_was_told(tmp_path: Path) -> None:
    """The whole way: the shell reads the script, asks, and has the word."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "tinkex").write_text(f'#!/bin/sh\nexec {sys.executable} -m tinkex_actors.cli "$@"\n')
    (bin_folder / "tinkex").chmod(0o755)
    program = (
        'eval "$(tinkex completion bash)"; COMP_WORDS=(tinkex checkpoint down); COMP_CWORD=2; '
        '_tinkex_completion tinkex; echo "${COMPREPLY[@]}"'
    )
    environ = process.environment(PATH=f"{bin_folder}:{os.environ['PATH']}")
    told = subprocess.run(
        ["/bin/bash", "-c", program], capture_output=True, text=True, timeout=process.PATIENCE, env=environ, check=False
    )

    assert (told.stdout, told.stderr) == ("download\n", "")


def test_a_colour_is_for_a_terminal_and_not_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are coloured for people who want it."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = Output(is_json=False).console.color_system
    monkeypatch.delenv("FORCE_COLOR")
    monkeypatch.setenv("NO_COLOR", "1")

    assert coloured is not None
    assert Output(is_json=False).console.no_color


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {}])
def test_there_is_no_colour_off_a_terminal(variable: dict[str, str]) -> None:
    """Nor with NO_COLOR; escape codes in a file are noise."""
    assert "\x1b" not in tinkex("version", environ=variable).out

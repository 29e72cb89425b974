from collections.abc import Callable

import click
import pytest

from tinkex_actors.cli import _main, main
from tinkex_actors.cli._errors import describe_failure
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

        monkeypatch.setattr(_main.LazyGroup, "get_command", get_command)

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
            "this command needs starlette; install tinkex-actors[local]",
        ),
    ],
)
def test_an_error_is_told_by_its_first_ordinary_cause(error: BaseException, sentence: str) -> None:
    """Groups are how trio carries errors, not what happened."""
    assert describe_failure(error) == sentence


def test_help_names_every_command_without_importing_one(capsys: pytest.CaptureFixture[str]) -> None:
    """A new user finds all there is by --help alone."""
    assert _exit_status("--help") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in _main.COMMANDS)

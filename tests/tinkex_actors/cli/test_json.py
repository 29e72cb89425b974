"""``--json``: the shapes that programs rely on. Adding a field changes `json_shapes.json`; removing one breaks somebody."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

from tests.tinkex_actors.cli.inside import Stage
from tinkex_actors.cli._groups import leaves
from tinkex_actors.cli._main import tinkex as root

SHAPES: dict[str, Any] = json.loads(Path(__file__).with_name("json_shapes.json").read_text())
_MISSING = "tinker://nobody/weights/none"


def _arguments(stage: Stage, command: str, folder: Path) -> list[str]:
    session = stage.run_id.partition(":")[0]
    more = {
        "billing usage": ["2026-01-01", "2026-01-02"],
        "checkpoint copy": [stage.state, "--project-id", "p"],
        "checkpoint create": ["--base-model", "tinkex/tiny", "--rank", "2"],
        "checkpoint delete": [_MISSING, "--yes"],
        "checkpoint download": [stage.state, "--output", str(folder / "adapter")],
        "checkpoint info": [stage.state],
        "checkpoint publish": [stage.state],
        "checkpoint set-ttl": [stage.state, "--remove"],
        "checkpoint unpublish": [stage.state],
        "run info": [stage.run_id],
        "sample": ["--base-model", "tinkex/tiny", "-p", "The", "--max-tokens", "2"],
        "session info": [session],
        "session set-project": [session, "p"],
    }
    return [*command.split(), *more.get(command, [])]


def _is_absent(value: Any, shape: Any) -> bool:
    return value is None and str(shape).endswith("?")


def _kind(shape: Any) -> str:
    return shape.rstrip("?") if isinstance(shape, str) else type(shape).__name__


def _faults(value: Any, shape: Any, where: str = "$") -> list[str]:
    """Say where *value* is of another shape; an empty list of values has every shape."""
    if shape == "any" or _is_absent(value, shape):
        return []
    kind = _kind(shape)
    if type(value).__name__ != kind or (kind == "dict" and set(value) != set(shape)):
        return [f"{where}: {value!r}"]
    inner: list[tuple[Any, Any]] = []
    if kind == "list":
        inner = [(place, shape[0]) for place in range(len(value))]
    elif kind == "dict":
        inner = list(shape.items())
    return [fault for name, below in inner for fault in _faults(value[name], below, f"{where}.{name}")]


ELSEWHERE = {
    "auth login": "test_auth.py",
    "auth logout": "test_auth.py",
    "checkpoint push-hf": "test_push.py",
    "export": "test_plot.py",
    "observe": "test_top.py",
    "plot": "test_plot.py",
    "session export-trace": "test_trace.py",
}
"""Commands whose answers need something else than a server with a run on it, and where they are looked at."""


def test_each_command_that_answers_in_json_has_its_shape_held_somewhere() -> None:
    """A command that is added without one would be free to change under its users."""
    answering = set[str]()
    for name, _ in leaves(root.branch):
        command: click.Command | None = root
        for word in name.split():
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), word)
        assert command is not None
        if any("--json" in one.opts for one in command.params):
            answering.add(name)

    assert answering == set(SHAPES) | set(ELSEWHERE)
    here = Path(__file__).parent
    assert all(f'"{name.split()[-1]}"' in (here / file).read_text() for name, file in ELSEWHERE.items())


@pytest.mark.parametrize("command", sorted(SHAPES))
def test_the_answer_in_json_has_the_promised_shape(stage: Stage, command: str, tmp_path: Path) -> None:
    """Field for field; nothing but the document is on stdout."""
    told = stage.tinkex(*_arguments(stage, command, tmp_path), "--json")

    assert told.status == (1 if command == "checkpoint delete" else 0), told.err
    assert _faults(told.document, SHAPES[command]) == []


def test_the_official_spelling_before_the_command_is_the_same(stage: Stage) -> None:
    """``tinker -f json run list`` is what scripts of the official command say."""
    assert stage.tinkex("-f", "json", "run", "list").out == stage.tinkex("run", "list", "--json").out


def test_a_failure_in_json_leaves_stdout_empty(stage: Stage) -> None:
    """A program that parses stdout must not meet a sentence there."""
    told = stage.tinkex("run", "info", "nobody", "--json")

    assert (told.status, told.out) == (1, "")
    assert "nobody" in told.err

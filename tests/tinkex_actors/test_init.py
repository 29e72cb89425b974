"""The package's front: every name is there, and none costs anything before it is asked for."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tinkex_actors

HOMES = tinkex_actors._HOMES
NAMES = [(home, name) for home, names in HOMES.items() for name in names]


@pytest.mark.parametrize(("home", "name"), NAMES)
def test_every_name_is_its_homes_own(home: str, name: str) -> None:
    """The same object, so that ``isinstance`` and ``except`` hold wherever it was imported from."""
    assert getattr(tinkex_actors, name) is getattr(import_module(home), name)


def test_type_checkers_and_the_interpreter_see_the_same_names() -> None:
    """The imports that the one reads and the table that the other reads are written apart."""
    tree = ast.parse(Path(str(tinkex_actors.__file__)).read_text(encoding="utf-8"))
    seen = [
        (line.module, alias.asname or alias.name)
        for line in ast.walk(tree)
        if isinstance(line, ast.ImportFrom) and (line.module or "").startswith("tinkex_actors")
        for alias in line.names
    ]
    assert sorted(seen, key=str) == sorted(NAMES, key=str)
    assert sorted(tinkex_actors.__all__) == sorted(name for _, name in NAMES)
    assert set(tinkex_actors.__all__) <= set(dir(tinkex_actors))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As with any module; ``hasattr`` relies on it."""
    with pytest.raises(AttributeError, match="module 'tinkex_actors' has no attribute 'Nonsense'"):
        tinkex_actors.Nonsense  # type: ignore[attr-defined]  # noqa: B018 - the point


def brought_by(statement: str) -> set[str]:
    """Run *statement* in a fresh interpreter and return the packages it imported."""
    program = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(ended.stdout.split())


def test_the_command_line_waits_for_nothing_it_does_not_use() -> None:
    """``tinkex --version`` must answer at once."""
    heavy = {"trio", "httpx", "numpy", "attrs", "cattrs", "google", "orjson", "structlog", "rich", "supervisors"}
    assert brought_by("import tinkex_actors") & (heavy | {"click"}) == set()
    assert brought_by("import tinkex_actors.cli") & heavy == set()


def test_settings_need_no_runtime() -> None:
    """A program may read them before it decides what to run."""
    assert brought_by("from tinkex_actors import Settings; Settings") & {"trio", "httpx", "numpy", "cattrs"} == set()

"""Each exit code that is documented: what service managers decide by. Those of signals are those of real processes."""

import json
import re
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import field, frozen

from tests.tinkex_actors.cli import inside
from tests.tinkex_actors.cli.plans import lay_out
from tests.tinkex_actors.cli.process import read_line, running
from tinkex_actors.daemon import exits
from tinkex_actors.daemon.exits import ExitCode

LONG = ("steps = 3\nbatch_size = 2", "steps = 4000\nbatch_size = 4\npipeline = 50")
PRODUCTION = Path(__file__).parents[3] / "docs" / "guides" / "production.md"


@frozen(kw_only=True)
class Way:
    """One way in which a process ends."""

    name: str
    code: ExitCode
    change: tuple[str, str] | None = None
    """What is other in the plan."""
    sentence: str = ""
    """What stderr says."""
    key: str | None = None
    files: dict[str, str] = field(factory=dict[str, str])
    """Files beside the plan."""
    signals: tuple[signal.Signals, ...] = ()
    """Sent while it trains."""


FOREIGN = {"runs/sft/journal.sqlite3": "no database at all, but long enough for one" * 100}
BUGGY = {"tinkex_exits.py": "async def train(loop):\n    raise LookupError('a bug')\n"}
WAYS = (
    Way(name="done", code=ExitCode.DONE),
    Way(name="a bug", code=ExitCode.FAILED, files=BUGGY,
        change=('data = "data.jsonl"', 'loop = "tinkex_exits:train"'), sentence="LookupError: a bug"),
    Way(name="no key", code=ExitCode.USAGE, change=("local = true", ""), sentence="no API key"),
    Way(name="bad data", code=ExitCode.BAD_DATA, files={"data.jsonl": "{}\n"}, sentence="data.jsonl, line 1"),
    Way(name="no service", code=ExitCode.SERVICE_GONE, key="tml-x",
        change=("local = true", 'url = "http://127.0.0.1:9"\nfigures.max_retries = 0'), sentence="127.0.0.1:9"),
    Way(name="a file in the folder's place", code=ExitCode.CANNOT_CREATE,
        change=('folder = "runs"', 'folder = "data.jsonl"'), sentence="cannot write data.jsonl"),
    Way(name="a folder where none can be made", code=ExitCode.CANNOT_CREATE,
        change=('folder = "runs"', 'folder = "/proc/tinkex"'), sentence="cannot write /proc/tinkex"),
    Way(name="a foreign journal", code=ExitCode.CANNOT_WRITE, files=FOREIGN, sentence="name another folder"),
    Way(name="a bad plan", code=ExitCode.BAD_PLAN, change=("steps = 3", "steps = 0"),
        sentence="plan.toml, line 9: runs.sft.steps: must be >= 1, got 0"),
    Way(name="SIGTERM", code=ExitCode.RESUMABLE, change=LONG, signals=(signal.SIGTERM,)),
    Way(name="SIGINT twice", code=ExitCode.KILLED_BY_SIGINT, change=LONG, signals=(signal.SIGINT,) * 2),
    Way(name="SIGTERM twice", code=ExitCode.KILLED_BY_SIGTERM, change=LONG, signals=(signal.SIGTERM,) * 2),
)  # fmt: skip


def prepare(folder: Path, way: Way) -> None:
    """Write the plan and what lies beside it."""
    lay_out(folder, *([way.change] if way.change else []))
    for name, content in way.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def end(folder: Path, way: Way) -> tuple[int, str]:
    """Run the plan until the process has ended as *way* says; returns its code, and what it said."""
    if not way.signals:
        told = inside.tinkex_in(folder, "run", "plan.toml", **({} if way.key is None else {"TINKER_API_KEY": way.key}))
        return told.status, told.err
    with running(["run", "plan.toml"], folder) as process:
        for number, state in zip(way.signals, ("training", "draining"), strict=False):
            while (line := json.loads(read_line(process)))["state"] != state or line["step"] == 0:
                pass
            process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        return process.returncode, stderr


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_process_ends_with_the_code_and_one_sentence(tmp_path: Path, way: Way) -> None:
    """A supervisor of processes decides by the code, a person by the sentence; nobody reads a traceback."""
    prepare(tmp_path, way)

    code, stderr = end(tmp_path, way)

    assert code == way.code, stderr
    assert way.sentence in stderr
    assert "Traceback" not in stderr


@contextmanager
def server(folder: Path) -> Generator[str]:
    """A server that accepts one key."""
    with running(["serve", "--api-key", "tml-right"], folder) as process:
        yield read_line(process).strip()


def test_a_refused_key_is_77_and_not_tried_again(tmp_path: Path) -> None:
    """It takes a person; the key itself is never shown."""
    with server(tmp_path) as url:
        prepare(tmp_path, Way(name="", code=ExitCode.KEY_REFUSED, change=("local = true", f'url = "{url}"')))
        told = inside.tinkex_in(tmp_path, "run", "plan.toml", TINKER_API_KEY="tml-wrong")

    assert told.status == ExitCode.KEY_REFUSED, told.err
    assert "401" in told.err
    assert "tml-wrong" not in told.err


def test_every_code_is_documented_and_produced_here() -> None:
    """The table for operators, the module's own, the codes there are, and the processes above: all the same."""
    produced = {way.code for way in WAYS} | {ExitCode.KEY_REFUSED}
    page = PRODUCTION.read_text().partition("## Exit codes")[2].partition("\n## ")[0]

    assert produced == set(ExitCode)
    assert {int(code) for code in re.findall(r"^ *(\d+)  ", exits.__doc__ or "", re.MULTILINE)} == set(ExitCode)
    assert {int(code) for code in re.findall(r"\b(\d+)(?=[ ,\d]*\|)", page.replace("---:", ""))} >= set(ExitCode)

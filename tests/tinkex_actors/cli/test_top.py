"""``tinkex top``, over a real observer in a process of its own."""

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from rich.console import Console

from tests.tinkex_actors.cli.inside import Told, tinkex
from tests.tinkex_actors.cli.process import environment, read_line
from tinkex_actors.cli.top import draw

PICTURES = Path(__file__).parents[3] / "docs" / "pictures"

_PROGRAM = """
import sys, trio
from pathlib import Path
from supervisors import Actor, open_supervisor
from tinkex_actors.metrics import Metrics
from tinkex_actors.observer import ObserverSettings, Watch, open_observer

class Worker(Actor):
    async def crash(self):
        raise RuntimeError("on purpose")

async def main():
    watch, metrics = Watch(), Metrics()
    metrics.record_histogram("tinkex_request_duration_seconds", 0.25, operation="sample")
    folder = Path(sys.argv[1])
    async with open_supervisor("root", observers=[watch]) as root:
        worker = await root.start_child(Worker, name="worker")
        worker.cast_nowait(Worker.crash)
        await worker.ended(life=1)
        watch.add(root, metrics=metrics, waits=lambda: ["trainer-0 optim_step: for 3 s, waits for the server"])
        settings = ObserverSettings(allow_control=True, runs=(folder,), address_file=folder / "run" / "observer.json")
        async with open_observer(watch, settings) as page:
            print(page.url, flush=True)
            await trio.sleep_forever()

trio.run(main)
"""


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Path, str]]:
    """The folder of a running process, and its page's address."""
    folder = tmp_path_factory.mktemp("observed")
    (folder / "run").mkdir()
    (folder / "run" / "metrics.jsonl").write_text('{"step": 41, "train_mean_nll": 1.25}\n')
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        try:
            yield folder, read_line(process).strip()
        finally:
            process.kill()


def _shown(told: Told) -> str:
    assert told.status == 0, told.err
    return told.out


def test_the_process_is_found_by_its_folder_and_shown(observed: tuple[Path, str]) -> None:
    """Its tree, its run, its requests, what waits, and what happened; without colour off a terminal."""
    shown = _shown(tinkex("top", observed[0]))

    for words in (
        "worker",
        "running",
        "42",
        "1.25",
        "sample",
        "waits for the server",
        "crashed RuntimeError: on purpose",
    ):
        assert words in shown
    assert "\x1b" not in shown


def test_the_address_will_do_too_and_observe_prints_it(observed: tuple[Path, str]) -> None:
    """For a process on another machine; the token stands in it."""
    folder, url = observed

    assert "worker" in _shown(tinkex("top", "--url", url))
    assert _shown(tinkex("observe", folder)).strip() == url
    assert '"trees"' in _shown(tinkex("observe", folder, "--json"))


def test_nobody_and_a_wrong_token_are_told_apart(observed: tuple[Path, str], tmp_path: Path) -> None:
    """One sentence each."""
    nobody = tinkex("top", tmp_path)
    wrong = tinkex("top", "--url", observed[1].replace("token=", "token=x"))

    assert (nobody.status, wrong.status) == (1, 1)
    assert "no process with an observer" in nobody.err
    assert "401" in wrong.err


def test_the_documentations_picture_is_what_it_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a real process, as `make observer-browser` has kept what it said."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(draw(json.loads((PICTURES / "state.json").read_text())))

    # The fonts of its style would be fetched from elsewhere.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="tinkex top", unique_id="top"), flags=re.DOTALL)
    if "PICTURES" in os.environ:
        (PICTURES / "top.svg").write_text(svg)
    assert svg == (PICTURES / "top.svg").read_text()

"""``tinkex run`` as an operator meets it: processes, signals, exit codes."""

import json
import signal
from pathlib import Path

import pytest

from tests.tinkex_actors.cli import inside
from tests.tinkex_actors.cli.plans import lay_out
from tests.tinkex_actors.cli.process import read_line, running, tinkex

LONG = ("steps = 3", "steps = 4000")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a plan of three steps, and data."""
    lay_out(tmp_path)
    return tmp_path


def _lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_plan_is_trained_and_a_second_start_does_nothing(folder: Path) -> None:
    """JSON lines where there is no terminal, exit 0 both times."""
    first, second = tinkex(["run", "plan.toml"], folder), tinkex(["run", "plan.toml"], folder)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert _lines(first.stdout)[-1]["state"] == _lines(second.stdout)[-1]["state"] == "done"
    assert [line["step"] for line in _lines(first.stdout) if line["state"] == "training"][-1] == 3
    assert json.loads((folder / "runs" / "sft" / "config.json").read_text())["lora_rank"] == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves_with_75_and_the_next_start_goes_on(folder: Path, number: signal.Signals) -> None:
    """The same command, started again, is the resume."""
    lay_out(folder, ("steps = 3", 'steps = 40\ndecay = "constant"'))
    with running(["run", "plan.toml"], folder) as process:
        while json.loads(read_line(process))["step"] != 2:
            pass
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 75, stderr

    checkpoint = _lines((folder / "runs" / "sft" / "checkpoints.jsonl").read_text())[-1]
    steps = len((folder / "runs" / "sft" / "metrics.jsonl").read_text().splitlines())
    assert checkpoint["batch"] == steps < 40
    with running(["run", "plan.toml"], folder) as process:
        while (line := json.loads(read_line(process)))["state"] != "training":
            pass
        assert line["step"] == steps
        process.send_signal(number)
        process.communicate(timeout=60)


def test_a_check_reads_the_data_and_starts_nothing(folder: Path) -> None:
    """It finds a faulty row, and leaves no folder."""
    good = inside.tinkex_in(folder, "run", "plan.toml", "--check")
    (folder / "data.jsonl").write_text("{}\n")
    bad = inside.tinkex_in(folder, "run", "plan.toml", "--check")

    assert (good.status, good.out) == (0, "plan.toml: 1 run, no fault\n")
    assert (bad.status, "data.jsonl, line 1" in bad.err) == (65, True)
    assert not (folder / "runs").exists()


def test_a_checkpoint_is_saved_on_demand(folder: Path) -> None:
    """By a command beside the one that trains; where none trains, it says so."""
    lay_out(folder, LONG)
    with running(["run", "plan.toml"], folder) as process:
        while json.loads(read_line(process))["step"] != 1:
            pass
        asked = inside.tinkex_in(folder, "checkpoint", "save", "runs/sft")
        while json.loads(read_line(process))["checkpoint"] is None:
            pass
    alone = inside.tinkex_in(folder, "checkpoint", "save", "runs/sft", "elsewhere")

    assert asked.out == f"runs/sft: process {process.pid} saves after the step it is in\n"
    assert (asked.status, alone.status) == (0, 1)
    assert "no process works in runs/sft" in alone.err
    assert "elsewhere is no run folder" in alone.err


def test_a_second_daemon_on_a_folder_is_told_the_pid_of_the_first(folder: Path) -> None:
    """74, and the first goes on undisturbed."""
    lay_out(folder, LONG)
    with running(["run", "plan.toml"], folder) as process:
        read_line(process)
        second = inside.tinkex_in(folder, "run", "plan.toml")
        assert process.poll() is None

    assert second.status == 74
    assert f"in use by process {process.pid}" in second.err


@pytest.mark.parametrize("where", ["the plan", "--observe", "--observe 0"])
def test_a_run_is_seen_on_its_page_while_it_trains(folder: Path, where: str) -> None:
    """By the plan's table or by the command line; `tinkex top` finds it by the folder, the log says where it is."""
    is_planned = where == "the plan"
    lay_out(folder, LONG, ("[server]", "[observer]\n\n[server]" if is_planned else "[server]"))
    arguments = ["run", *([] if is_planned else where.split()), "plan.toml"]
    with running(arguments, folder) as process:
        while json.loads(read_line(process))["step"] != 2:
            pass
        shown = inside.tinkex("top", folder)
        served = json.loads((folder / "runs" / "observer.json").read_text())
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)

    assert shown.status == 0, shown.err
    for words in ("tinker-sft", "train-sft", "of 4,000", "forward_backward"):
        assert words in shown.out
    assert f'"url": "{served["base_url"]}"' in stderr
    assert not (folder / "runs" / "observer.json").exists()


def test_leave_to_act_needs_a_page(folder: Path) -> None:
    """An option that does nothing would look as if it had done something."""
    told = inside.tinkex("run", "--allow-control", folder / "plan.toml")

    assert told.status == 2
    assert "goes with --observe" in told.err

"""The demo as a person runs it: a process, real files, real signals."""

import json
import signal
from pathlib import Path

import pytest

from tests.tinkex_actors.cli import inside
from tests.tinkex_actors.cli.process import read_line, running, tinkex
from tinkex_actors.cli import demo


def _rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One short run: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    run = tinkex(["demo", "--steps", 12, "--batch-size", 8, "--rank", 8, "--out", "run"], folder)
    assert run.returncode == 0, run.stderr
    return folder / "run", run.stdout


def test_every_step_is_a_row_in_order_in_spite_of_the_crash(done: tuple[Path, str]) -> None:
    """The trainer crashes in step 7; a lost or doubled step would show here."""
    folder, _ = done

    rows = _rows(folder / "metrics.jsonl")

    assert [row["step"] for row in rows] == list(range(12))
    assert {"epoch", "progress", "learning_rate", "num_tokens", "num_loss_tokens", "time/step"} <= rows[0].keys()


def test_the_loss_falls(done: tuple[Path, str]) -> None:
    """A dozen steps are enough to see that the gradients are right."""
    folder, _ = done

    losses = [row["train_mean_nll"] for row in _rows(folder / "metrics.jsonl")]

    assert isinstance(losses[0], float)
    assert isinstance(losses[-1], float)
    assert losses[-1] < 0.75 * losses[0]


def test_the_crash_and_the_restart_are_told(done: tuple[Path, str]) -> None:
    """The point of the demo: it is seen to survive."""
    _, output = done

    for words in (
        "crashing the trainer on purpose",
        "crashed: ",
        "restarting: restart 1",
        "is back: life 2",
        "1 restart",
    ):
        assert words in output


def test_the_run_folder_has_all_that_tools_look_for(done: tuple[Path, str]) -> None:
    """The cookbook's readers find runs by these names."""
    folder, output = done

    (checkpoint,) = _rows(folder / "checkpoints.jsonl")
    assert (checkpoint["name"], checkpoint["batch"], checkpoint["final"]) == ("final", 12, True)
    assert str(checkpoint["state_path"]).endswith("/weights/final")
    assert json.loads((folder / "config.json").read_text())["lora_rank"] == 8
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert f"run folder: {folder.name}" in output


def test_answers_are_shown_from_before_and_after(done: tuple[Path, str]) -> None:
    """Numbers convince nobody alone."""
    _, output = done

    before, _, after = output.partition("after training")
    assert "before training" in before
    assert before.count("What is the capital of France?") == after.count("What is the capital of France?") == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.txt", "It was a fine day.\n\nEverybody went to the sea."),
        ("data.jsonl", '{"prompt": "a", "completion": "b"}'),
    ],
)
def test_a_users_own_file_is_trained_on(tmp_path: Path, name: str, content: str) -> None:
    """Plain text, and the older record form."""
    (tmp_path / name).write_text(content)

    told = inside.tinkex_in(tmp_path, "demo", "--data", name, "--steps", 2, "--rank", 4, "--out", "run")

    assert told.status == 0, told.err
    assert len(_rows(tmp_path / "run" / "metrics.jsonl")) == 2


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--data", "nowhere.jsonl"], 1, "cannot read nowhere.jsonl: No such file or directory"),
        (["--data", "empty.jsonl"], 1, "empty.jsonl has no examples"),
        (["--data", "broken.jsonl"], 1, "broken.jsonl, line 2: not JSON"),
        (["--data", "silent.jsonl"], 1, "silent.jsonl, line 1: completion is empty"),
        (["--model", "nowhere"], 1, "nowhere"),
        (["--out", "a-file/run"], 1, "cannot write a-file/run: Not a directory"),
        (["--base-url", "http://127.0.0.1:9", "--base-model", "x"], 1, "no API key"),
        (["--steps", "0"], 2, "--steps"),
        (["--steps", "many"], 2, "--steps"),
        (["--base-model", "x"], 2, "--base-model goes with --base-url"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_leaves_nothing_behind(
    tmp_path: Path, arguments: list[str], status: int, sentence: str
) -> None:
    """What a person gets wrong is told to a person: no traceback, no half-written folder."""
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "broken.jsonl").write_text('{"prompt": "a", "completion": "b"}\n{"prompt": \n')
    (tmp_path / "silent.jsonl").write_text('{"prompt": "a", "completion": ""}\n')
    (tmp_path / "a-file").write_text("")
    before = sorted(tmp_path.iterdir())

    told = inside.tinkex_in(tmp_path, "demo", "--steps", "2", *arguments)

    assert told.status == status, told.err
    assert sentence in told.err
    assert status == 2 or len(told.err.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("sk-something", "must begin with 'tml-'"), ("tml-anything", "127.0.0.1:9")],
)
def test_a_foreign_key_and_an_absent_server_are_told_apart(tmp_path: Path, key: str, sentence: str) -> None:
    """The key is refused before anything is sent; the server is named when it does not answer."""
    arguments = ["demo", "--base-url", "http://127.0.0.1:9", "--base-model", "x"]

    told = inside.tinkex_in(tmp_path, *arguments, TINKER_API_KEY=key)

    assert told.status == 1
    assert sentence in told.err
    assert key not in told.err


def test_an_interrupt_saves_a_checkpoint_and_leaves_with_130(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a run: what was trained is kept, and the process is gone within five seconds."""
    with running(["demo", "--steps", 1000, "--out", "run"], tmp_path) as process:
        while "step 11/" not in read_line(process):
            pass
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)

    assert process.returncode == 130
    (checkpoint,) = _rows(tmp_path / "run" / "checkpoints.jsonl")
    assert checkpoint["name"] == "interrupted"
    assert checkpoint["batch"] == len(_rows(tmp_path / "run" / "metrics.jsonl"))


def test_a_missing_plotter_is_told_before_the_first_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not when a hundred steps are done and only their picture is missing."""

    def find_nothing(name: str) -> None:
        assert name == "matplotlib"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "find_spec", find_nothing)

    told = inside.tinkex("demo")

    assert told.status == 1
    assert told.err == "tinkex: this command needs matplotlib; pip install 'tinkex-actors[demo]'\n"
    assert list(tmp_path.iterdir()) == []

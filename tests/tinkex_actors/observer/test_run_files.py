"""Run folders as others write them: growing, broken, foreign."""

import json
import os
from pathlib import Path

import pytest

from tinkex_actors.observer.run_files import RunFiles, Series, find_runs, thin


def _append(folder: Path, *rows: object) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def _points(run: RunFiles, name: str = "loss") -> list[tuple[int, float]]:
    curve = run.series(name)
    return list(zip(curve.steps, curve.values, strict=True))


def test_a_file_that_grows_is_read_on(tmp_path: Path) -> None:
    """Each line once."""
    run = RunFiles(tmp_path)
    _append(tmp_path, {"step": 0, "train_mean_nll": 2.0})
    run.refresh()
    _append(tmp_path, {"step": 1, "train_mean_nll": 1.0})
    run.refresh()

    assert _points(run) == [(0, 2.0), (1, 1.0)]


def test_half_a_line_waits_for_its_rest(tmp_path: Path) -> None:
    """The writer is in the middle of it."""
    run = RunFiles(tmp_path)
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 0, "loss": 2.0}\n{"step": 1, "lo')
    run.refresh()
    before = run.lines
    with file.open("a") as more:
        more.write('ss": 1.0}\n')
    run.refresh()

    assert (before, run.lines) == (1, 2)


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    """A run that was begun again in its folder."""
    run = RunFiles(tmp_path)
    _append(tmp_path, {"step": 0, "loss": 2.0}, {"step": 1, "loss": 1.5})
    run.refresh()
    (tmp_path / "new").write_text('{"step": 0, "loss": 9.0}\n')
    (tmp_path / "new").rename(tmp_path / "metrics.jsonl")
    run.refresh()

    assert _points(run) == [(0, 9.0)]


_GARBAGE = [
    b"\xff\xfe",
    b"null",
    b"[1]",
    b"",
    b"{",
    b"[" * 100_000,
    b'{"step": "x", "loss": 1}',
    b'{"step": 3, "loss": null}',
    b'{"step": 3, "loss": NaN}',
    b'{"step": 3, "loss": Infinity}',
    b'{"step": 3, "loss": "1"}',
    b'{"step": 3, "loss": true}',
    b'{"step": 3, "loss": ' + b"9" * 400 + b"}",
    b'{"step": ' + b"9" * 40 + b', "loss": 1}',
]


@pytest.mark.parametrize("line", _GARBAGE, ids=range(len(_GARBAGE)))
def test_garbage_is_passed_over(tmp_path: Path, line: bytes) -> None:
    """Somebody else writes these files; a page does not fail over them."""
    (tmp_path / "metrics.jsonl").write_bytes(line + b'\n{"step": 4, "loss": 1}\n')
    (tmp_path / "config.json").write_bytes(line)
    (tmp_path / "checkpoints.jsonl").write_bytes(line + b"\n")
    (tmp_path / "timing_spans.jsonl").write_bytes(line + b"\n")
    run = RunFiles(tmp_path)

    run.refresh()

    assert _points(run) == [(4, 1.0)]


def test_a_line_without_an_end_is_not_read_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gigabytes of zeros, as a disk leaves them after a power cut, cost one reading and no memory."""
    monkeypatch.setattr("tinkex_actors.observer.jsonl._PIECE", 1000)
    (tmp_path / "metrics.jsonl").write_bytes(bytes(50_000) + b'\n{"step": 4, "loss": 1}\n')
    run = RunFiles(tmp_path)

    run.refresh()

    assert _points(run) == [(4, 1.0)]


def test_a_step_that_was_done_again_is_told_once(tmp_path: Path) -> None:
    """A run that resumed from an older checkpoint: what came behind it is over."""
    _append(tmp_path, *({"step": step, "loss": 9.0} for step in range(4)), {"step": 2, "loss": 1.0})
    run = RunFiles(tmp_path)
    run.refresh()

    assert _points(run) == [(0, 9.0), (1, 9.0), (2, 1.0)]


def test_seconds_may_be_in_a_file_of_their_own_and_come_later(tmp_path: Path) -> None:
    """The daemon's metrics hold nothing that depends on the clock."""
    run = RunFiles(tmp_path)
    _append(tmp_path, {"step": 0, "num_tokens": 100}, {"step": 1, "num_tokens": 300})
    spans = [{"step": step, "spans": [{"name": "step", "duration": 2.0}]} for step in (0, 1)]
    (tmp_path / "timing_spans.jsonl").write_text(json.dumps(spans[0]) + "\n")
    run.refresh()
    with (tmp_path / "timing_spans.jsonl").open("a") as file:
        file.write(json.dumps(spans[1]) + "\n")
    run.refresh()

    assert _points(run, "tokens_per_second") == [(0, 50.0), (1, 150.0)]


def test_rates_and_any_column_are_curves_too(tmp_path: Path) -> None:
    """Tokens a second are made of two columns."""
    _append(tmp_path, {"step": 0, "num_tokens": 100, "time/step": 0.5, "learning_rate": 1e-4, "mine": 7})
    run = RunFiles(tmp_path)
    run.refresh()

    found = [_points(run, name) for name in ("tokens_per_second", "learning_rate", "mine", "nothing")]
    assert found == [[(0, 200.0)], [(0, 1e-4)], [(0, 7.0)], []]


def test_runs_are_found_in_a_folder_and_below_it(tmp_path: Path) -> None:
    """The one written last comes first; what is no run is not one."""
    for place, name in enumerate(("old", "new")):
        _append(tmp_path / name, {"step": 0})
        os.utime(tmp_path / name / "metrics.jsonl", (place, place))
    (tmp_path / "notes").mkdir()

    assert find_runs([tmp_path]) == [tmp_path / "new", tmp_path / "old"]
    assert find_runs([tmp_path / "old", tmp_path / "nowhere"]) == [tmp_path / "old"]


@pytest.mark.parametrize("length", [0, 1, 299, 300, 301, 10_000])
def test_a_long_curve_is_thinned_and_ends_where_it_ends(length: int) -> None:
    """The last loss is what people look at."""
    whole = Series(tuple(range(length)), tuple(map(float, range(length))))

    kept = thin(whole)

    assert len(kept.steps) <= 301
    assert tuple(kept.steps[-1:]) == whole.steps[-1:]
    assert list(kept.steps) == sorted(set(kept.steps))

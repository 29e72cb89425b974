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


def test_a_file_that_grows_is_read_on(tmp_path: Path) -> None:
    """Each line once."""
    run = RunFiles(tmp_path)
    _append(tmp_path, {"step": 0, "train_mean_nll": 2.0})
    run.refresh()
    _append(tmp_path, {"step": 1, "train_mean_nll": 1.0})
    run.refresh()

    assert run.series("loss") == Series((0, 1), (2.0, 1.0))


def test_half_a_line_waits_for_its_rest(tmp_path: Path) -> None:
    """The writer is in the middle of it."""
    run = RunFiles(tmp_path)
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 0, "loss": 2.0}\n{"step": 1, "lo')
    run.refresh()
    before = len(run.rows)
    with file.open("a") as more:
        more.write('ss": 1.0}\n')
    run.refresh()

    assert (before, len(run.rows)) == (1, 2)


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    """A run that was begun again in its folder."""
    run = RunFiles(tmp_path)
    _append(tmp_path, {"step": 0, "loss": 2.0}, {"step": 1, "loss": 1.5})
    run.refresh()
    (tmp_path / "new").write_text('{"step": 0, "loss": 9.0}\n')
    (tmp_path / "new").rename(tmp_path / "metrics.jsonl")
    run.refresh()

    assert run.series("loss").values == (9.0,)


def test_garbage_is_passed_over(tmp_path: Path) -> None:
    """Somebody else writes these files; a page does not fail over them."""
    (tmp_path / "metrics.jsonl").write_bytes(
        b'\xff\xfe\nnull\n[1]\n{"step": "x"}\n{"step": 3, "loss": null}\n{"step": 4, "loss": 1}\n'
    )
    (tmp_path / "config.json").write_text("[")
    run = RunFiles(tmp_path)

    run.refresh()

    assert run.series("loss") == Series((4,), (1.0,))
    assert run.config == {}


def test_rates_and_any_column_are_curves_too(tmp_path: Path) -> None:
    """Tokens a second are made of two columns."""
    _append(tmp_path, {"step": 0, "num_tokens": 100, "time/step": 0.5, "learning_rate": 1e-4, "mine": 7})
    run = RunFiles(tmp_path)
    run.refresh()

    assert run.series("tokens_per_second").values == (200.0,)
    assert run.series("learning_rate").values == (1e-4,)
    assert run.series("mine").values == (7.0,)


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
    assert kept.steps[-1:] == whole.steps[-1:]
    assert kept.steps == tuple(sorted(set(kept.steps)))

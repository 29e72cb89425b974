"""The commands that look things up, as people use them: tables, limits, and what is wrong said in a sentence."""

import pytest

from tests.tinkex_actors.cli.inside import Stage
from tinkex_actors.cli._output import Output
from tinkex_actors.clients.paging import Page, PagedList


def test_a_run_is_listed_with_what_it_is(stage: Stage) -> None:
    """Which run, of which model, how large, how it is."""
    told = stage.tinkex("run", "list")

    assert told.out.splitlines()[0].split("  ")[0] == "Run"
    assert stage.run_id in told.out
    assert "tinkex/tiny" in told.out
    assert "rank 4" in told.out


def test_columns_are_chosen_by_name(stage: Stage) -> None:
    """In the order given, and only those."""
    told = stage.tinkex("run", "list", "-c", "status,id")

    assert ["active", stage.run_id] in [line.split() for line in told.out.splitlines()]


def test_one_run_is_shown_with_its_metadata_and_checkpoints(stage: Stage) -> None:
    """What a person looks a run up for."""
    told = stage.tinkex("run", "info", stage.run_id)

    for words in ("blue", "/weights/second", "/sampler_weights/draw"):
        assert words in told.out


def test_checkpoints_are_listed_with_whole_paths(stage: Stage) -> None:
    """A path is copied into the next command: it is never cut where there is no terminal."""
    told = stage.tinkex("checkpoint", "list", environ={"COLUMNS": "40"})

    assert stage.state in told.out
    assert stage.sampler in told.out
    assert all(line == line.rstrip() for line in told.out.splitlines())


def test_one_checkpoint_is_shown_by_its_path(stage: Stage) -> None:
    """With what the server knows of its weights: the model, and the adapter's rank."""
    told = stage.tinkex("checkpoint", "info", stage.state, "--json").document

    assert told["checkpoint"]["tinker_path"] == stage.state
    assert (told["base_model"], told["lora_rank"]) == ("tinkex/tiny", 4)
    assert stage.state in stage.tinkex("checkpoint", "info", stage.state).out


def test_a_limit_is_kept_and_none_shows_all(stage: Stage) -> None:
    """0 is all, as in the official command."""
    assert len(stage.tinkex("checkpoint", "list", "--limit", 1, "--json").document["checkpoints"]) == 1
    assert len(stage.tinkex("checkpoint", "list", "--limit", 0, "--json").document["checkpoints"]) >= 3


@pytest.mark.tinkex("T144")
async def test_pages_are_read_to_the_end_and_the_bar_is_not_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """Pages of two and one are three rows; what tells of progress goes beside the answer."""

    async def last() -> Page[str]:
        return Page(("c",), 3)

    async def first() -> Page[str]:
        return Page(("a", "b"), 3, last)

    output = Output(is_json=True)
    found = await output.collect(PagedList(first), "runs")
    output.done({"runs": found}, "")

    assert found == ["a", "b", "c"]
    assert capsys.readouterr().out.split() == ["{", '"runs":', "[", '"a",', '"b",', '"c"', "]", "}"]


def test_models_are_found_by_a_part_of_their_name(stage: Stage) -> None:
    """In any case; none found is said with what to do."""
    assert "tinkex/tiny" in stage.tinkex("model", "list", "TINY").out

    told = stage.tinkex("model", "list", "huge")
    assert told.status == 1
    assert told.err == "tinkex: no model has 'huge' in its name; tinkex model list shows all 1\n"


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["run", "info", "nobody"], 1, "nobody"),
        (["run", "list", "-c", "colour"], 2, "got colour"),
        (["run", "list", "--limit", "-1"], 2, "--limit"),
        (["checkpoint", "info", "weights/a"], 2, "must begin with tinker://"),
        (["checkpoint", "info", "tinker://a/b"], 2, "must be tinker://run/kind/name"),
        (["session", "info", "nobody"], 1, "nobody"),
        (["session", "search", "--metadata", "team"], 2, "expected NAME=VALUE"),
        (["billing", "usage", "2026-01-01", "2026-02-01"], 2, "up to 14 days"),
        (["checkpoint", "copy", "tinker://r/weights/a"], 2, "--project-id"),
        (["run", "list", "--base-url", "nowhere"], 1, "base_url must be"),
        (["run", "list", "--api-key", "sk-1"], 1, "must begin with 'tml-'"),
        (["run", "list", "--base-url", "http://127.0.0.1:9", "--timeout", "0.1"], 1, "127.0.0.1:9"),
        (["nope"], 2, "nope"),
        (["session", "nope"], 2, "nope"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_a_sentence(stage: Stage, arguments: list[str], status: int, sentence: str) -> None:
    """Status 2 for the command line, 1 for everything that turns out later; never a traceback."""
    told = stage.tinkex(*arguments)

    assert (told.status, told.out) == (status, "")
    assert sentence in told.err
    assert "Traceback" not in told.err
    assert status == 2 or len(told.err.splitlines()) == 1


def test_sessions_are_found_and_shown(stage: Stage) -> None:
    """From the list to one of them."""
    session = stage.run_id.partition(":")[0]

    assert session in stage.tinkex("session", "list", "--limit", 0).out
    assert stage.run_id in stage.tinkex("session", "info", session).out
    assert session in stage.tinkex("session", "search", "--status", "finished", "--limit", 0).out


def test_storage_can_be_written_as_csv(stage: Stage) -> None:
    """For spreadsheets; the rate comes first."""
    told = stage.tinkex("billing", "checkpoint-storage", "--csv", "-")

    head, row = told.out.splitlines()[:2]
    assert head.startswith("effective_rate_usd_per_gigabyte_month,checkpoint_count,size_bytes")
    assert len(row.split(",")) == len(head.split(","))

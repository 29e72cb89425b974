"""Deleting, publishing and keeping checkpoints: what changes something is asked about, tried first, and told one by one."""

import pytest

from tests.tinkex_actors.cli.inside import Stage


@pytest.fixture
def own(stage: Stage) -> Stage:
    """A run whose checkpoints may be deleted."""
    return stage.furnish()


def _left(stage: Stage) -> set[str]:
    listed = stage.tinkex("checkpoint", "list", "--run-id", stage.run_id, "--json").document["checkpoints"]
    return {one["tinker_path"].rpartition("/")[2] for one in listed}


@pytest.mark.tinkex("T145")
def test_deleting_is_asked_about_once_and_no_leaves_everything(own: Stage) -> None:
    """The question names what would go; no, and nobody there to ask, delete nothing."""
    second = own.state.replace("first", "second")
    declined = own.tinkex("checkpoint", "delete", own.state, second, given="n\n")
    silent = own.tinkex("checkpoint", "delete", own.state)
    before = _left(own)
    agreed = own.tinkex("checkpoint", "delete", own.state, second, given="y\n")

    assert (declined.status, declined.err.count("[y/N]")) == (1, 1)
    assert own.state in declined.err
    assert "pass --yes" in silent.err
    assert before == {"first", "second", "draw"}
    assert (agreed.status, agreed.out, _left(own)) == (0, "deleted 2 of 2\n", {"draw"})


@pytest.mark.tinkex("T145")
def test_one_that_fails_is_told_and_the_rest_is_deleted(own: Stage) -> None:
    """With --yes nothing is asked; a malformed path stops everything before anything is done."""
    missing = own.state.replace("first", "never")
    refused = own.tinkex("checkpoint", "delete", "--yes", own.state, "oops")
    told = own.tinkex("checkpoint", "delete", "--yes", own.state, missing, "--json")

    assert refused.status == 2
    assert told.status == 1
    assert told.document["deleted_count"] == 1
    assert [one["tinker_path"] for one in told.document["failed"]] == [missing]
    assert _left(own) == {"second", "draw"}


def test_a_whole_run_is_deleted_by_type_and_tried_first(own: Stage) -> None:
    """--dry-run says what the same command without it would delete."""
    every = ["checkpoint", "delete", "--run-id", own.run_id, "--type", "training"]
    tried = own.tinkex(*every, "--dry-run", "--json")
    older = own.tinkex(*every, "--before", "2020-01-01", "--dry-run", "--json")
    done = own.tinkex(*every, "--yes")

    assert {path.rpartition("/")[2] for path in tried.document["would_delete"]} == {"first", "second"}
    assert older.document["would_delete"] == []
    assert (done.status, _left(own)) == (0, {"draw"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give PATHS or --run-id"),
        (["tinker://r/weights/a", "--run-id", "r"], "give PATHS or --run-id"),
        (["tinker://r/weights/a", "--type", "sampler"], "go with --run-id"),
    ],
)
def test_a_contradiction_is_refused_before_anything_is_asked(stage: Stage, arguments: list[str], words: str) -> None:
    """What is meant must be beyond doubt before something is deleted."""
    told = stage.tinkex("checkpoint", "delete", *arguments)

    assert told.status == 2
    assert words in told.err


@pytest.mark.tinkex("T146")
@pytest.mark.parametrize("options", [[], ["--ttl", "3600", "--remove"], ["--ttl", "0"]])
def test_a_time_to_live_is_one_thing_or_the_other(stage: Stage, options: list[str]) -> None:
    """Both, neither and no time at all are a wrong command line."""
    assert stage.tinkex("checkpoint", "set-ttl", stage.state, *options).status == 2


def test_publishing_and_a_time_to_live_show_in_the_list(own: Stage) -> None:
    """What was set is what is shown."""
    for change in (["publish"], ["set-ttl", "--ttl", "7200"]):
        assert own.tinkex("checkpoint", change[0], own.state, *change[1:]).status == 0
    shown = own.tinkex("checkpoint", "info", own.state).out

    assert "in 1 hour" in shown
    assert shown.split("Public")[1].split()[0] == "yes"

"""``tinkex checkpoint create``: something to begin from, without a program."""

import pytest

from tests.tinkex_actors.cli.inside import Stage


@pytest.mark.tinkex("F327")
def test_a_fresh_adapter_is_saved_and_can_be_looked_at(stage: Stage) -> None:
    """Its path is all that is on stdout: the next command's argument."""
    own = ("checkpoint", "create", "--base-model", "tinkex/tiny", "--rank", 2, "--seed", 1)
    told = stage.tinkex(*own, "--name", "begin")
    shown = stage.tinkex("checkpoint", "info", told.out.strip(), "--json").document

    assert (told.status, told.err) == (0, "")
    assert told.out.strip().endswith("/weights/begin")
    assert (shown["base_model"], shown["lora_rank"]) == ("tinkex/tiny", 2)


def test_a_checkpoint_is_begun_with_and_weights_to_sample_from_are_saved(stage: Stage) -> None:
    """A state that was kept becomes something that answers."""
    told = stage.tinkex("checkpoint", "create", "--model-path", stage.state, "--sampler", "--json")

    assert told.status == 0, told.err
    assert told.document["tinker_path"].endswith("/sampler_weights/saved")
    sampled = stage.tinkex("sample", "--model-path", told.document["tinker_path"], "-p", "The", "--max-tokens", 1)
    assert sampled.status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "give one of --base-model and --model-path"),
        (["--base-model", "m", "--model-path", "tinker://r/weights/a"], 2, "give one of"),
        (["--model-path", "nope"], 2, "tinker://"),
        (["--base-model", "nope"], 1, "nope"),
        (["--base-model", "tinkex/tiny", "--name", "a/b"], 1, "a/b"),
        (["--base-model", "tinkex/tiny", "--ttl", "60"], 2, "--ttl"),
    ],
)  # fmt: skip
def test_what_cannot_be_saved_is_one_sentence(stage: Stage, arguments: list[str], status: int, words: str) -> None:
    """The command line's fault, or the server's word."""
    told = stage.tinkex("checkpoint", "create", *arguments)

    assert (told.status, told.out) == (status, "")
    assert words in told.err

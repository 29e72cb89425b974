"""``tinkex sample``: text or tokens in, text or JSON out."""

import json
from pathlib import Path

import pytest

from tests.tinkex_actors.cli.inside import Stage

_MODEL = ("--base-model", "tinkex/tiny", "--seed", 7, "--max-tokens", 4)


@pytest.mark.tinkex("T147")
def test_a_prompt_is_continued_with_text(stage: Stage) -> None:
    """Nothing but the continuation is on stdout; the same seed gives the same one."""
    first = stage.tinkex("sample", *_MODEL, "--prompt", "The sea")

    assert (first.status, first.err) == (0, "")
    assert first.out.strip()
    assert stage.tinkex("sample", *_MODEL, "--prompt", "The sea").out == first.out


@pytest.mark.tinkex("T147")
@pytest.mark.parametrize("content", ["[7, 8]", '{"tokens": [7, 8]}'])
def test_tokens_from_a_file_are_used_as_they_are(stage: Stage, tmp_path: Path, content: str) -> None:
    """And the answer goes where it is wanted, in JSON."""
    (tmp_path / "prompt.json").write_text(content)
    out = tmp_path / "answer.json"

    told = stage.tinkex(
        "sample", *_MODEL, "--prompt-file", tmp_path / "prompt.json", "--output", out, "--json", "-n", 2
    )

    answer = json.loads(out.read_text())
    assert (told.status, told.out) == (0, "")
    assert answer["prompt_tokens"] == [7, 8]
    assert len(answer["sequences"]) == 2


def test_saved_weights_are_sampled_by_their_path(stage: Stage) -> None:
    """What a training run leaves behind."""
    told = stage.tinkex("sample", "--model-path", stage.sampler, "-p", "The", "--max-tokens", 2, "--json")

    assert told.status == 0, told.err
    assert told.document["base_model"] == "tinkex/tiny"


@pytest.mark.tinkex("T147")
@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--base-model", "m"], 2, "give one of --prompt"),
        (["--base-model", "m", "-p", "a", "--prompt-file", "b"], 2, "give one of --prompt"),
        (["-p", "a"], 2, "give one of --base-model"),
        (["--base-model", "m", "--prompt-file", "nowhere.txt"], 1, "cannot read nowhere.txt"),
        (["--base-model", "tinkex/tiny", "-p", ""], 1, "the prompt is empty"),
        (["--base-model", "nope", "-p", "a"], 1, "nope"),
        (["--model-path", "nope", "-p", "a"], 1, "must begin with 'tinker://'"),
        (["--base-model", "m", "-p", "a", "--top-p", "2"], 2, "--top-p"),
    ],
)  # fmt: skip
def test_what_cannot_be_sampled_is_told(stage: Stage, arguments: list[str], status: int, sentence: str) -> None:
    """One sentence, and the right status."""
    told = stage.tinkex("sample", *arguments)

    assert (told.status, told.out) == (status, "")
    assert sentence in told.err

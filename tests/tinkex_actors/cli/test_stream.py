"""``tinkex sample --stream``: tokens when they are drawn, and together what the same command without it says."""

import json

import pytest

from tests.tinkex_actors.cli.inside import Stage
from tinkex_actors.cli._sample_stream import Text
from tinkex_actors.clients import Tokenizer

_MODEL = ("--base-model", "tinkex/tiny", "--seed", 7, "--max-tokens", 8, "--prompt", "The sea")


def test_the_pieces_make_the_text(stage: Stage) -> None:
    """The same seed, in one piece or token by token."""
    whole, streamed = stage.tinkex("sample", *_MODEL), stage.tinkex("sample", *_MODEL, "--stream")

    assert (streamed.status, streamed.err) == (0, "")
    assert streamed.out == whole.out


def test_in_json_each_token_is_a_line(stage: Stage) -> None:
    """For a program that reads while it comes; the last line says why it was the last."""
    whole = stage.tinkex("sample", *_MODEL, "--json").document["sequences"][0]
    lines = [json.loads(line) for line in stage.tinkex("sample", *_MODEL, "--stream", "--json").out.splitlines()]

    assert [one["token"] for one in lines] == whole["tokens"]
    assert "".join(one["text"] for one in lines) == whole["text"]
    assert [one["stop_reason"] for one in lines] == [None] * (len(lines) - 1) + [whole["stop_reason"]]
    assert {frozenset(one) for one in lines} == {frozenset({"token", "text", "logprob", "stop_reason"})}


@pytest.mark.parametrize("more", [["--num-samples", 2], ["--output", "x"]])
def test_a_stream_is_of_one_sample_and_to_the_terminal(stage: Stage, more: list[object]) -> None:
    """Two at once would be one unreadable text."""
    told = stage.tinkex("sample", *_MODEL, "--stream", *more)

    assert (told.status, told.out) == (2, "")
    assert "--stream" in told.err


def test_a_character_of_several_tokens_is_written_when_it_is_whole() -> None:
    """Half of it would be a replacement character on the screen for good."""
    tokenizer = Tokenizer.load("tinkex/tiny")
    tokens = tokenizer.encode("a € b")
    text = Text(tokenizer)
    pieces = [text.add(token, is_last=place == len(tokens) - 1) for place, token in enumerate(tokens)]

    assert "".join(piece or "" for piece in pieces) == tokenizer.decode(tokens)
    assert not any("\N{REPLACEMENT CHARACTER}" in (piece or "") for piece in pieces)

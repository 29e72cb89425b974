"""The self-made part of the pretraining text."""

import json
from importlib.resources import files
from itertools import islice

from benchmarks.pretrain.sentences import generate_chats, generate_stories


def test_the_same_seed_makes_the_same_text() -> None:
    """The run can be repeated."""
    assert list(islice(generate_chats(7), 200)) == list(islice(generate_chats(7), 200))
    assert list(islice(generate_stories(7), 50)) == list(islice(generate_stories(7), 50))
    assert next(generate_stories(7)) != next(generate_stories(8))


def test_no_question_of_the_demo_is_learnt_beforehand() -> None:
    """What the demo shows after its training must come from its training."""
    lines = files("tinkex_actors.local").joinpath("data/questions.jsonl").read_text(encoding="utf-8").splitlines()
    demo = {json.loads(line)["messages"][0]["content"] for line in lines}
    assert demo.isdisjoint(chat.question for chat in islice(generate_chats(2), 20_000))


def test_the_right_article_stands_before_a_vowel() -> None:
    """The model learns what it reads."""
    text = " ".join(f"{chat.question} {chat.answer}" for chat in islice(generate_chats(3), 5_000)).lower()
    assert " an apple" in text
    assert " a apple" not in text
    assert " an owl" in text

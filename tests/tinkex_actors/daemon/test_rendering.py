import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.daemon.datasets import Conversation, Message, Passage
from tinkex_actors.daemon.errors import DataError
from tinkex_actors.daemon.rendering import Rendered, prompt_text, render_examples


class Characters:
    """A codec whose tokens are code points: what is learned can be read off."""

    def encode(self, text: str, /) -> list[int]:
        return [ord(character) for character in text]


def _learned_text(rendered: Rendered) -> str:
    return "".join(chr(token) for token in rendered.tokens[rendered.learned])


CHAT = Conversation((Message("user", "2+2?"), Message("assistant", "four"), Message("user", "sure?")))


def test_only_the_assistants_words_and_their_end_are_learned() -> None:
    """A model that learned the questions too would learn to ask them."""
    (rendered,) = render_examples([CHAT], Characters(), max_length=200)

    assert _learned_text(rendered) == "four<|im_end|>"


def test_a_prompt_ends_where_the_rendered_answer_begins() -> None:
    """Otherwise sampling would start from a text that training never showed."""
    (rendered,) = render_examples([CHAT], Characters(), max_length=200)
    prompt = prompt_text(CHAT.messages[:1])

    text = "".join(chr(token) for token in rendered.tokens)
    assert text.startswith(prompt + "four")


def test_inputs_targets_and_weights_are_shifted_by_one() -> None:
    """Position i predicts token i + 1; the weights stand at the targets."""
    datum = Rendered(np.array([5, 6, 7]), np.array([False, False, True])).as_datum()

    assert datum.model_input.to_ints() == [5, 6]
    assert datum.loss_fn_inputs["target_tokens"].tolist() == [6, 7]
    assert datum.loss_fn_inputs["weights"].tolist() == [0.0, 1.0]


@given(text=st.text(min_size=1, max_size=80), max_length=st.integers(1, 30))
def test_every_token_of_a_passage_but_the_first_is_learned_exactly_once(text: str, max_length: int) -> None:
    """Cutting a long passage must neither lose nor repeat a token."""
    pieces = render_examples([Passage(text)], Characters(), max_length=max_length)

    targets = [int(token) for piece in pieces for token in piece.tokens[1:]]
    assert targets == Characters().encode(text + "<|endoftext|>")[1:]
    assert max(len(piece.tokens) for piece in pieces) <= max_length + 1


def test_a_chat_that_does_not_fit_is_refused_by_its_number() -> None:
    """Half an answer must not be taught in silence."""
    with pytest.raises(DataError, match="example 2 has 102 tokens, the most is 60"):
        render_examples([Conversation((Message("assistant", "ok"),)), CHAT], Characters(), max_length=59)

"""From examples to token sequences, in the chat form that Qwen models use (ChatML).

Position *i* of a model input predicts the token after it, so a rendered sequence of n + 1 tokens becomes n inputs and
n targets. Weights are 1 where the model should learn: the assistant's words and the mark that ends its turn, or every
token of a passage.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import attrs
import numpy as np
import numpy.typing as npt

from tinkex_actors.daemon.datasets import Conversation, Example, Message, Passage
from tinkex_actors.daemon.errors import DataError
from tinkex_actors.types import Datum, ModelInput

END_OF_TURN = "<|im_end|>"
END_OF_TEXT = "<|endoftext|>"


class Codec(Protocol):
    """Text to tokens and back."""

    def encode(self, text: str, /) -> list[int]:
        """Return the tokens of *text*; names of special tokens become those tokens."""
        ...


@attrs.frozen
class Rendered:
    """An example as tokens: what is read, and which of it is learned."""

    tokens: npt.NDArray[np.int64]
    """Shape (n + 1,)."""
    learned: npt.NDArray[np.bool_]
    """Shape (n + 1,); the first is never learned, since nothing predicts it."""

    @property
    def num_learned(self) -> int:
        """How many tokens have weight 1."""
        return int(self.learned[1:].sum())

    def as_datum(self) -> Datum:
        """Shift into inputs, targets and weights of length n."""
        return Datum(
            ModelInput.from_ints(self.tokens[:-1].tolist()),
            {"target_tokens": self.tokens[1:], "weights": self.learned[1:].astype(np.float32)},
        )


def prompt_text(messages: Sequence[Message]) -> str:
    """Write a chat up to the point where the assistant speaks."""
    return "".join(_turn(message) for message in messages) + _opening("assistant")


def render_examples(examples: Sequence[Example], codec: Codec, *, max_length: int) -> list[Rendered]:
    """Tokenize every example.

    Args:
        examples: What was read.
        codec: The model's tokenizer.
        max_length: Most inputs a sequence may have. A longer passage is cut into several; a longer chat is refused,
            since cutting it would teach half an answer.

    Raises:
        DataError: A chat is longer than *max_length*, or nothing is left to learn.
    """
    rendered = [piece for number, e in enumerate(examples, 1) for piece in _render(e, codec, max_length, number)]
    if not any(piece.num_learned for piece in rendered):
        raise DataError("the examples are too short: no token follows another, so there is nothing to learn")
    return [piece for piece in rendered if piece.num_learned]


def _render(example: Example, codec: Codec, max_length: int, number: int) -> Iterator[Rendered]:
    match example:
        case Passage():
            yield from _cut(np.array(codec.encode(example.text + END_OF_TEXT), np.int64), max_length)
        case Conversation():
            chat = _render_chat(example, codec)
            if len(chat.tokens) > max_length + 1:
                raise DataError(
                    f"example {number} has {len(chat.tokens)} tokens, the most is {max_length + 1}; "
                    "shorten it, or take a model with a longer context"
                )
            yield chat


def _cut(tokens: npt.NDArray[np.int64], max_length: int) -> Iterator[Rendered]:
    """Cut into pieces that share one token, so that each token but the first is learned exactly once."""
    for start in range(0, max(len(tokens) - 1, 1), max_length):
        piece = tokens[start : start + max_length + 1]
        yield Rendered(piece, np.ones(len(piece), np.bool_))


def _render_chat(chat: Conversation, codec: Codec) -> Rendered:
    tokens: list[int] = []
    learned: list[bool] = []
    for message in chat.messages:
        is_learned = message.role == "assistant"
        # Encoded apart, so that the boundary of what is learned falls between two tokens.
        parts = ((_opening(message.role), False), (message.content + END_OF_TURN, is_learned), ("\n", False))
        for text, learn in parts:
            encoded = codec.encode(text)
            tokens += encoded
            learned += [learn] * len(encoded)
    return Rendered(np.array(tokens, np.int64), np.array(learned, np.bool_))


def _turn(message: Message) -> str:
    return f"{_opening(message.role)}{message.content}{END_OF_TURN}\n"


def _opening(role: str) -> str:
    return f"<|im_start|>{role}\n"

"""The same questions, put to a model before and after it is trained."""

from collections.abc import Sequence

import attrs

from tinkex_actors.clients import SamplingClient, Tokenizer
from tinkex_actors.daemon.datasets import Conversation, Example, Message, Passage
from tinkex_actors.daemon.rendering import END_OF_TEXT, END_OF_TURN, prompt_text
from tinkex_actors.types import ModelInput, SamplingParams

_SHOWN = 3
_OPENING_LENGTH = 40
_ANSWER_TOKENS = 64


@attrs.frozen
class Question:
    """What is asked: as a person reads it, and as the model does."""

    shown: str
    prompt: str


@attrs.frozen
class Answer:
    """What a model made of a question."""

    question: str
    text: str


@attrs.frozen
class Questions:
    """A few openings from the training data, spread over it."""

    questions: Sequence[Question]
    tokenizer: Tokenizer

    @classmethod
    def choose(cls, examples: Sequence[Example], tokenizer: Tokenizer) -> "Questions":
        """Take the first, the middle and the last example."""
        places = sorted({round(i * (len(examples) - 1) / (_SHOWN - 1)) for i in range(_SHOWN)})
        return cls([_opening(examples[place]) for place in places], tokenizer)

    async def ask(self, sampler: SamplingClient) -> list[Answer]:
        """Sample greedily, all questions at once.

        Raises:
            TinkerError: The server cannot sample.
        """
        marks = (self.tokenizer.token_to_id(mark) for mark in (END_OF_TURN, END_OF_TEXT))
        stop = [mark for mark in marks if mark is not None]
        params = SamplingParams(max_tokens=_ANSWER_TOKENS, temperature=0.0, stop=stop)
        pending = [
            sampler.sample(ModelInput.from_ints(self.tokenizer.encode(question.prompt)), sampling_params=params)
            for question in self.questions
        ]
        texts = [self._text((await answer).sequences[0].tokens) for answer in pending]
        return [Answer(q.shown, text) for q, text in zip(self.questions, texts, strict=True)]

    def _text(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(list(tokens), skip_special_tokens=True)


def _opening(example: Example) -> Question:
    match example:
        case Passage(text):
            opening = text[:_OPENING_LENGTH]
            return Question(opening, opening)
        case Conversation(messages):
            return _up_to_the_answer(messages)


def _up_to_the_answer(messages: Sequence[Message]) -> Question:
    place = next(i for i, message in enumerate(messages) if message.role == "assistant")
    shown = messages[place - 1].content if place else "(the assistant speaks first)"
    return Question(shown, prompt_text(messages[:place]))

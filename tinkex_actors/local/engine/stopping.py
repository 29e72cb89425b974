"""When a sample ends: at a token, or at a text once decoded."""

from collections.abc import Sequence
from typing import Self

from attrs import frozen

from tinkex_actors.local.engine.base_model import BaseModel
from tinkex_actors.local.engine.errors import EngineInputError


@frozen(eq=False)
class StopRule:
    """The tokens and texts that end a sample."""

    tokens: frozenset[int]
    texts: tuple[str, ...]
    _base: BaseModel
    _window: int
    """How many last tokens may hold the whole of a text: each stands for one byte at least, save special ones."""

    @classmethod
    def of(cls, base: BaseModel, tokens: tuple[int, ...] | None, texts: tuple[str, ...]) -> Self:
        """Make the rule of one request; None means the model's end-of-sequence tokens.

        Raises:
            EngineInputError: A text is empty, or there are texts and the model has no tokenizer.
        """
        if "" in texts:
            raise EngineInputError("expected stop texts of at least one character, got an empty one")
        if texts and base.tokenizer is None:
            raise EngineInputError(f"expected a model with a tokenizer.json for stop texts, {base.name} has none")
        window = max((len(text.encode()) for text in texts), default=0) + 16
        return cls(frozenset(base.config.eos_token_ids if tokens is None else tokens), texts, base, window)

    def is_met(self, tokens: Sequence[int]) -> bool:
        """Say whether the last of a sample's tokens ends it."""
        if tokens[-1] in self.tokens:
            return True
        if not self.texts or self._base.tokenizer is None:
            return False
        tail = self._base.tokenizer.decode(list(tokens[-self._window :]), skip_special_tokens=False)
        return any(text in tail for text in self.texts)

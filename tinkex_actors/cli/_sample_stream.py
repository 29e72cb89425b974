"""Tokens on the terminal as they are drawn: as text, or as a JSON object a line."""

import sys
from collections.abc import Sequence

import orjson
from attrs import define, field

from tinkex_actors.clients import SamplingClient, Tokenizer
from tinkex_actors.types import ModelInput, SamplingParams

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


async def write_stream(
    sampler: SamplingClient,
    prompt: Sequence[int],
    params: SamplingParams,
    tokenizer: Tokenizer | None,
    *,
    is_json: bool,
) -> None:
    """Draw one continuation, and write each token to stdout when it comes.

    Raises:
        TinkerError: The server refuses, does not answer, or breaks off.
    """
    text = Text(tokenizer)
    async with sampler.sample_stream(ModelInput.from_ints(list(prompt)), 1, params) as stream:
        async for token in stream:
            more = text.add(token.token, is_last=token.stop_reason is not None)
            if is_json:
                told = {"token": token.token, "text": more, "logprob": token.logprob, "stop_reason": token.stop_reason}
                _write(orjson.dumps(told).decode() + "\n")
            else:
                _write(f"{token.token} " if more is None else more)
    if not is_json:
        _write("\n")


@define
class Text:
    """Tokens that become text: a character of several tokens is written when the last of them is there."""

    tokenizer: Tokenizer | None
    tokens: list[int] = field(factory=list[int])
    told: int = 0

    def add(self, token: int, *, is_last: bool) -> str | None:
        """Return what *token* adds; nothing yet in the middle of a character, and ``None`` without a tokenizer."""
        if self.tokenizer is None:
            return None
        self.tokens.append(token)
        whole = self.tokenizer.decode(self.tokens)
        if whole.endswith(_UNFINISHED) and not is_last:
            return ""
        more, self.told = whole[self.told :], len(whole)
        return more


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()

"""Sampling: what is asked for and what comes back.

Answers hold numpy arrays (``…_np``); the list views of the same names without the suffix are made at first use.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeAlias, cast

import numpy as np
from attrs import field, frozen

from tinkex_actors.types._checks import INT32_MAX, integer, number, optional
from tinkex_actors.types.ids import SequenceId
from tinkex_actors.types.tensors import BY_ELEMENTS, FloatArray, TensorData, TokenArray, brief, brief_list

EMPTY_LOGPROB = -99999.0
"""What an empty cell of a top-k table holds, together with token 0."""

Stop: TypeAlias = str | Sequence[str] | Sequence[int]
"""What a user may say to end a sequence."""
StopRule: TypeAlias = str | tuple[str, ...] | tuple[int, ...] | None
"""The same, frozen."""


class StopReason(StrEnum):
    """Why a sequence ended: a stop token or text, or its length."""

    LENGTH = "length"
    STOP = "stop"


class SamplingClientKind(StrEnum):
    """Whether a sampler's weights stay as they are or follow the training."""

    SNAPSHOT = "snapshot"
    INFLIGHT = "inflight"


def _to_stop(stop: Stop | None) -> StopRule:
    # What is something else, or a mixture, fails in the validator; until then it has no better type.
    given: Any = stop
    rule: StopRule = tuple(given) if _is_list(given) else given
    return rule


def _is_list(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | Mapping)


def _check_stop(_: Any, __: Any, stop: object) -> None:
    if stop is None or isinstance(stop, str):
        return
    kinds = {type(item) for item in cast("tuple[object, ...]", stop)} if isinstance(stop, tuple) else {object}
    if not (kinds <= {str} or kinds <= {int}):
        raise TypeError(f"stop must be text, a list of texts or a list of token ids, got {stop!r}")


@frozen
class SamplingParams:
    """How to sample."""

    max_tokens: int | None = field(default=None, validator=optional(integer(minimum=1, maximum=INT32_MAX)))
    """At most this many tokens; ``None`` leaves it to the server."""
    seed: int | None = field(default=None, validator=optional(integer()))
    """Makes the draw repeatable."""
    stop: StopRule = field(default=None, converter=_to_stop, validator=_check_stop)
    """Texts or token ids that end a sequence. ``None``: the model's own end; empty: nothing but the length."""
    temperature: float = field(default=1.0, validator=number(minimum=0.0))
    """0 is greedy."""
    top_k: int = field(default=-1, validator=integer(minimum=-1, maximum=INT32_MAX))
    """Draw among the k likeliest; -1 among all."""
    top_p: float = field(default=1.0, validator=number(minimum=0.0, maximum=1.0))
    """Draw among the likeliest that hold this much probability together."""


@frozen
class TopkLogprobs:
    """The likeliest tokens at each position.

    Raises:
        ValueError: The two matrices differ in shape.
    """

    token_ids: TokenArray = field(eq=BY_ELEMENTS, hash=False, repr=brief)
    """int32, shape ``(length, k)``; 0 in empty cells."""
    logprobs: FloatArray = field(eq=BY_ELEMENTS, hash=False, repr=brief)
    """float32, shape ``(length, k)``, nats; `EMPTY_LOGPROB` in empty cells."""

    def __attrs_post_init__(self) -> None:
        if self.token_ids.shape != self.logprobs.shape or self.token_ids.ndim != 2:  # noqa: PLR2004 - a matrix
            raise ValueError(
                f"token_ids and logprobs must be matrices of one shape, got {self.token_ids.shape} and "
                f"{self.logprobs.shape}"
            )

    def to_lists(self) -> list[list[tuple[int, float]] | None]:
        """Return ``(token, logprob)`` pairs per position; ``None`` where a row is empty. Trailing empty cells are cut."""
        if self.token_ids.size == 0:
            return [None] * self.token_ids.shape[0]
        is_empty = (self.token_ids == 0) & (self.logprobs == EMPTY_LOGPROB)
        filled = np.where(is_empty.all(axis=1), 0, is_empty.shape[1] - np.argmin(is_empty[:, ::-1], axis=1))
        # The protocol marks a row as missing by its first cell, whatever follows it.
        filled[is_empty[:, 0]] = 0
        rows = zip(self.token_ids.tolist(), self.logprobs.tolist(), filled.tolist(), strict=True)
        return [list(zip(ids[:n], logprobs[:n], strict=True)) if n else None for ids, logprobs, n in rows]


@frozen
class PromptAltTokens:
    """Independent draws from the next-token distribution at every prompt position after the first."""

    tokens: TensorData
    """int64 token ids, shape ``(prompt length - 1, k)``; row *i* belongs to prompt position ``i + 1``."""
    logprobs: TensorData
    """float32, same shape, nats."""


def _to_stop_reason(value: StopReason | str) -> StopReason:
    # Calling an enumeration costs more than the rest of a sequence.
    return value if type(value) is StopReason else StopReason(value)


@frozen
class SampledSequence:
    """One sequence that was drawn."""

    stop_reason: StopReason = field(converter=_to_stop_reason)
    """Why it ended."""
    tokens_np: TokenArray = field(eq=BY_ELEMENTS, hash=False, repr=brief)
    """int32, shape ``(length,)``; the stop token is kept."""
    logprobs_np: FloatArray | None = field(default=None, eq=BY_ELEMENTS, hash=False, repr=brief)
    """float32, shape ``(length,)``, nats; ``None`` when the server sent none."""
    topk_logprobs_np: TopkLogprobs | None = None
    """The likeliest tokens at each position; ``None`` unless asked for."""
    sequence_id: SequenceId | None = None
    """What later requests call this sequence; ``None`` on servers that give no such names."""

    @cached_property
    def tokens(self) -> list[int]:
        """The tokens as a list."""
        tokens: list[int] = self.tokens_np.tolist()
        return tokens

    @cached_property
    def logprobs(self) -> list[float] | None:
        """The log-probabilities as a list."""
        if self.logprobs_np is None:
            return None
        logprobs: list[float] = self.logprobs_np.tolist()
        return logprobs

    @cached_property
    def topk_logprobs(self) -> list[list[tuple[int, float]] | None] | None:
        """The likeliest tokens as lists of pairs."""
        return None if self.topk_logprobs_np is None else self.topk_logprobs_np.to_lists()


def _to_sequences(sequences: Sequence[SampledSequence]) -> tuple[SampledSequence, ...]:
    return tuple(sequences)


@frozen
class SampleResponse:
    """What one sampling request brought."""

    sequences: tuple[SampledSequence, ...] = field(converter=_to_sequences, repr=brief_list)
    """The draws, as many as were asked for."""
    prompt_logprobs_np: FloatArray | None = field(default=None, eq=BY_ELEMENTS, hash=False, repr=brief)
    """float32, shape ``(prompt length,)``, nats; NaN where undefined, as at position 0. ``None`` unless asked for."""
    topk_prompt_logprobs_np: TopkLogprobs | None = None
    """The likeliest tokens at each prompt position; ``None`` unless asked for."""
    target_prompt_logprobs: TensorData | None = None
    """float32, in the shape and layout of the request's targets; ``None`` unless asked for."""
    prompt_cache_hit_tokens: int = 0
    """Prompt tokens that the server had cached."""
    prompt_alt_tokens: PromptAltTokens | None = None
    """Draws at every prompt position; ``None`` unless asked for."""

    @cached_property
    def prompt_logprobs(self) -> list[float | None] | None:
        """The prompt's log-probabilities as a list, ``None`` where undefined."""
        if self.prompt_logprobs_np is None:
            return None
        logprobs: list[float] = self.prompt_logprobs_np.tolist()
        return [None if logprob != logprob else logprob for logprob in logprobs]  # noqa: PLR0124 - only NaN differs

    @cached_property
    def topk_prompt_logprobs(self) -> list[list[tuple[int, float]] | None] | None:
        """The likeliest prompt tokens as lists of pairs."""
        return None if self.topk_prompt_logprobs_np is None else self.topk_prompt_logprobs_np.to_lists()

    def with_sequence_ids(self, ids: Sequence[SequenceId]) -> "SampleResponse":
        """Return a copy whose sequences bear the names of the submission's promise.

        Raises:
            ValueError: There are not as many names as sequences.
        """
        if len(ids) != len(self.sequences):
            raise ValueError(f"expected {len(self.sequences)} sequence ids, got {len(ids)}")
        # By position: `evolve` takes five times as long, and every sample passes here.
        return SampleResponse(
            [
                SampledSequence(one.stop_reason, one.tokens_np, one.logprobs_np, one.topk_logprobs_np, name)
                for one, name in zip(self.sequences, ids, strict=True)
            ],
            self.prompt_logprobs_np,
            self.topk_prompt_logprobs_np,
            self.target_prompt_logprobs,
            self.prompt_cache_hit_tokens,
            self.prompt_alt_tokens,
        )

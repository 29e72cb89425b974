"""What a model thinks of a prompt: log-probabilities of its tokens, of the likeliest, of given ones, and draws.

Position *i* of a prompt is scored from the tokens before it, so position 0 never has a score. Where there is none,
log-probabilities are NaN and lists of tokens are empty cells: token 0 with -99999.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.base_model import BaseModel
from tinkex_actors.local.engine.choice import Policy, TopLogprobs, choose
from tinkex_actors.local.engine.config import ModelConfig
from tinkex_actors.local.engine.errors import EngineInputError
from tinkex_actors.local.engine.head import log_sum_exp, row_slices
from tinkex_actors.local.engine.lora import Adapter, project
from tinkex_actors.local.engine.randomness import random_stream


@frozen(kw_only=True, eq=False)
class WantedScores:
    """What a request wants to know of its prompt of P tokens."""

    logprobs: bool = False
    last_n: int | None = None
    """Score only the last *n* positions, 1 <= n < P; concerns ``logprobs`` and ``topk``."""
    topk: int = 0
    """How many likeliest tokens to report at each position."""
    targets: npt.NDArray[Any] | None = None  # Any: whatever integers the wire carried; checked before use
    """``(P - 1, K)`` token ids; row *i* is scored at position *i + 1*; -1 asks nothing."""
    alternatives: int = 0
    """How many tokens to draw at each position from 1 on, with replacement, at the request's temperature."""


@frozen(eq=False)
class PromptScores:
    """The answers, None where not asked."""

    logprobs: npt.NDArray[np.float32] | None = None
    """``(P,)``, NaN at 0 and where excluded."""
    topk: TopLogprobs | None = None
    """P rows."""
    targets: npt.NDArray[np.float32] | None = None
    """``(P - 1, K)``; 0 where nothing was asked."""
    alternatives: npt.NDArray[np.int32] | None = None
    """``(P - 1, k)``; row *i* belongs to position *i + 1*."""
    alternative_logprobs: npt.NDArray[np.float32] | None = None
    """Of each alternative, before temperature."""


def check_wanted(wanted: WantedScores, length: int, config: ModelConfig) -> WantedScores:
    """Convert the ids, or say what is wrong.

    Raises:
        EngineInputError: A count is out of range, or the targets have a wrong shape, dtype or id.
    """
    if wanted.topk < 0 or wanted.alternatives < 0:
        raise EngineInputError(f"expected counts >= 0, got topk={wanted.topk}, alternatives={wanted.alternatives}")
    if wanted.last_n is not None and not (wanted.logprobs and 1 <= wanted.last_n < length):
        raise EngineInputError(f"expected last_n within 1 and {length - 1}, and logprobs wanted, got {wanted.last_n}")
    if wanted.targets is None:
        return wanted
    targets = np.asarray(wanted.targets)
    if targets.dtype.kind not in "iu" or targets.ndim != 2 or len(targets) != length - 1:  # noqa: PLR2004 - a matrix
        raise EngineInputError(
            f"expected integer targets of shape ({length - 1}, K), got {targets.dtype} {targets.shape}"
        )
    if targets.size and not (targets.min() >= -1 and targets.max() < config.vocab_size):
        raise EngineInputError(
            f"expected targets within -1 and {config.vocab_size - 1}, got {targets.min()} to {targets.max()}"
        )
    return evolve(wanted, targets=targets.astype(np.int64))


@frozen(eq=False)
class PromptQuestion:
    """A checked prompt with what is wanted of it."""

    prompt: npt.NDArray[np.int64]
    wanted: WantedScores
    temperature: float
    """For the alternatives."""
    seed: int
    """Likewise."""


def score_prompt(
    base: BaseModel, adapter: Adapter | None, hidden: FloatArray, question: PromptQuestion
) -> PromptScores:
    """Answer what was asked.

    Args:
        base: Its unembedding is used.
        adapter: Added beside it.
        hidden: ``(P, hidden_size)``, the final hidden states of the prompt.
        question: The prompt and what is wanted.
    """
    scores = _unanswered(question)
    if all(answer is None for answer in (scores.logprobs, scores.topk, scores.targets, scores.alternatives)):
        return scores
    for rows in row_slices(len(hidden) - 1, base.config.vocab_size):
        logits, _ = project(hidden[rows], base.unembedding, adapter)
        _answer(scores, question, rows, logits)
    first = len(hidden) - (question.wanted.last_n or len(hidden))
    if scores.logprobs is not None:
        scores.logprobs[:first] = np.nan
    if scores.topk is not None:
        scores.topk.clear(first)
    return scores


def _unanswered(question: PromptQuestion) -> PromptScores:
    wanted, length = question.wanted, len(question.prompt)
    draws = (length - 1, wanted.alternatives)
    return PromptScores(
        logprobs=np.full(length, np.nan, np.float32) if wanted.logprobs else None,
        topk=TopLogprobs.empty(length, wanted.topk) if wanted.topk else None,
        targets=None if wanted.targets is None else np.zeros(wanted.targets.shape, np.float32),
        alternatives=np.zeros(draws, np.int32) if wanted.alternatives else None,
        alternative_logprobs=np.zeros(draws, np.float32) if wanted.alternatives else None,
    )


def _answer(scores: PromptScores, question: PromptQuestion, rows: slice, logits: FloatArray) -> None:
    """Fill in what *logits* say about the positions ``rows + 1``."""
    wanted, after = question.wanted, slice(rows.start + 1, rows.stop + 1)
    logprobs = logits - log_sum_exp(logits.copy())[:, None]
    if scores.logprobs is not None:
        scores.logprobs[after] = np.take_along_axis(logprobs, question.prompt[after, None], axis=1)[:, 0]
    if scores.topk is not None:
        scores.topk.fill(after, logprobs)
    if scores.targets is not None and wanted.targets is not None:
        ids = wanted.targets[rows]
        scores.targets[rows] = np.where(ids < 0, 0.0, np.take_along_axis(logprobs, np.maximum(ids, 0), axis=1))
    if scores.alternatives is not None and scores.alternative_logprobs is not None:
        stream = random_stream(question.seed, "alternatives", rows.start)
        draws = stream.random((wanted.alternatives, len(logits)))
        chosen = np.stack([choose(logits, draw, Policy(question.temperature)) for draw in draws], axis=1)
        scores.alternatives[rows] = chosen
        scores.alternative_logprobs[rows] = np.take_along_axis(logprobs, chosen, axis=1)

"""Choosing the next token from logits: temperature, then top-k, then top-p, then one draw.

Pure functions of arrays and of numbers drawn beforehand. A temperature of 0 takes the most likely token, the lowest id
among equals.
"""

from collections.abc import Sequence
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import frozen

from tinkex_actors.local.engine.arrays import FloatArray

Probabilities: TypeAlias = npt.NDArray[np.float64]


@frozen
class Policy:
    """How a next token is chosen."""

    temperature: float = 1.0
    """0 takes the most likely token."""
    top_k: int = -1
    """How many of the most likely tokens stay; below 1 means all."""
    top_p: float = 1.0
    """The fewest most likely tokens that together reach this probability stay; 1 means all."""

    @property
    def key(self) -> tuple[float, int, float]:
        """What puts equal policies side by side."""
        return self.temperature, self.top_k, self.top_p


def choose(logits: FloatArray, uniforms: npt.NDArray[np.float64], policy: Policy) -> npt.NDArray[np.int64]:
    """Choose one token a row.

    Args:
        logits: ``(rows, vocab)``.
        uniforms: ``(rows,)``, each in [0, 1): the draw of that row.
        policy: What may be drawn.
    """
    if policy.temperature == 0:
        likeliest: npt.NDArray[np.int64] = logits.argmax(axis=1)
        return likeliest
    weights = _tempered(logits, policy.temperature)
    if 0 < policy.top_k < weights.shape[1]:
        weights = _keep_top_k(weights, policy.top_k)
    if policy.top_p < 1:
        weights = _keep_top_p(weights, policy.top_p)
    cumulated = weights.cumsum(axis=1)
    drawn: npt.NDArray[np.int64] = (cumulated <= uniforms[:, None] * cumulated[:, -1:]).sum(axis=1)
    # Rounding may put the draw at the very end, behind the last token that has any weight.
    last = weights.shape[1] - 1 - np.argmax(weights[:, ::-1] > 0, axis=1)
    np.minimum(drawn, last, out=drawn)
    return drawn


def _tempered(logits: FloatArray, temperature: float) -> Probabilities:
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    shifted /= temperature
    return np.exp(shifted, out=shifted)


def _keep_top_k(weights: Probabilities, k: int) -> Probabilities:
    """Silence all but the *k* heaviest of each row, the lowest ids among equals."""
    # A partition, since sorting 200,000 weights for each token would be most of the work.
    least = np.partition(weights, -k, axis=1)[:, -k, None]
    heavier, equal = weights > least, weights == least
    room = k - heavier.sum(axis=1, keepdims=True)
    return np.where(heavier | (equal & (equal.cumsum(axis=1) <= room)), weights, 0.0)


def _keep_top_p(weights: Probabilities, p: float) -> Probabilities:
    """Silence the lightest tokens that are not needed to reach the share *p*; one always stays."""
    order = np.argsort(-weights, axis=1, kind="stable")
    heaviest = np.take_along_axis(weights, order, axis=1)
    before = heaviest.cumsum(axis=1) - heaviest
    needed = before < p * weights.sum(axis=1, keepdims=True)
    needed[:, 0] = True
    kept = np.zeros_like(weights)
    np.put_along_axis(kept, order, np.where(needed, heaviest, 0.0), axis=1)
    return kept


_NO_LOGPROB = -99999.0


@frozen(eq=False)
class TopLogprobs:
    """The likeliest tokens of each row, likeliest first; cells without a token hold token 0 with -99999."""

    token_ids: npt.NDArray[np.int32]
    """``(rows, k)``."""
    logprobs: npt.NDArray[np.float32]
    """``(rows, k)``, nats."""

    @classmethod
    def empty(cls, rows: int, k: int) -> Self:
        """Make rows without any token."""
        return cls(np.zeros((rows, k), np.int32), np.full((rows, k), _NO_LOGPROB, np.float32))

    def fill(self, rows: slice, logprobs: npt.NDArray[np.float64]) -> None:
        """Fill *rows* from the log-probabilities of the whole vocabulary, the lowest ids first among equals."""
        order = np.argsort(-logprobs, axis=1, kind="stable")[:, : self.token_ids.shape[1]]
        self.token_ids[rows, : order.shape[1]] = order
        self.logprobs[rows, : order.shape[1]] = np.take_along_axis(logprobs, order, axis=1)

    def clear(self, stop: int) -> None:
        """Empty the rows before *stop*."""
        self.token_ids[:stop] = 0
        self.logprobs[:stop] = _NO_LOGPROB

    @classmethod
    def stack(cls, parts: Sequence["TopLogprobs"]) -> Self:
        """Put rows of the same *k* below each other."""
        return cls(np.concatenate([p.token_ids for p in parts]), np.concatenate([p.logprobs for p in parts]))

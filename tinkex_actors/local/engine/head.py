"""From hidden states to log-probabilities of chosen tokens, and back, in slices of rows.

A vocabulary of 200,000 makes logits of a batch far larger than everything else, so logits exist for a few rows at a
time and are computed again for the backward pass. The sum under the logarithm is taken in float64.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from attrs import frozen

from tinkex_actors.local.engine.arrays import FloatArray, IntArray
from tinkex_actors.local.engine.base_model import BaseModel
from tinkex_actors.local.engine.lora import Adapter, project, project_backward

LOGITS_AT_ONCE = 1 << 20
"""About how many logits exist at a time."""
ROWS_AT_LEAST = 64
"""But so many rows, or the matrix products get slow."""


@frozen(eq=False)
class Scores:
    """Log-probabilities in nats, and the normaliser they were computed with."""

    logprobs: npt.NDArray[np.float64]
    """``(tokens, k)``."""
    log_normaliser: npt.NDArray[np.float64]
    """``(tokens,)``."""


def score(base: BaseModel, adapter: Adapter | None, hidden: FloatArray, targets: IntArray) -> Scores:
    """Return the log-probability of every target.

    Args:
        base: Its unembedding is used.
        adapter: Added beside it.
        hidden: ``(tokens, hidden_size)``.
        targets: ``(tokens, k)``, ids within the vocabulary.
    """
    logprobs = np.empty(targets.shape, np.float64)
    log_normaliser = np.empty(len(targets), np.float64)
    for rows in row_slices(len(hidden), base.config.vocab_size):
        logits, _ = project(hidden[rows], base.unembedding, adapter)
        chosen = np.take_along_axis(logits, targets[rows], axis=1).astype(np.float64)
        log_normaliser[rows] = log_sum_exp(logits)
        logprobs[rows] = chosen - log_normaliser[rows, None]
    return Scores(logprobs, log_normaliser)


def log_sum_exp(logits: FloatArray) -> npt.NDArray[np.float64]:
    """Return ``log(sum(exp(row)))`` of each row in float64; *logits* is destroyed."""
    highest = logits.max(axis=1, keepdims=True)
    logits -= highest
    np.exp(logits, out=logits)
    total: npt.NDArray[np.float64] = np.log(logits.sum(axis=1, dtype=np.float64))
    total += highest[:, 0]
    return total


def score_backward(
    base: BaseModel,
    adapter: Adapter,
    hidden: FloatArray,
    targets: IntArray,
    scores: Scores,
    *,
    dlogprobs: npt.NDArray[np.float64],
    gradients: dict[str, FloatArray],
) -> FloatArray:
    """Return ``dL/d hidden`` and add the unembedding's adapter gradients to *gradients*.

    ``dL/dlogits = scatter(dlogprobs) - softmax * sum(dlogprobs)``; rows without any gradient are not computed.
    """
    dhidden = np.zeros_like(hidden)
    wanted = np.flatnonzero(np.any(dlogprobs != 0, axis=1))
    for part in row_slices(len(wanted), base.config.vocab_size):
        rows = wanted[part]
        logits, low = project(hidden[rows], base.unembedding, adapter)
        logits -= scores.log_normaliser[rows, None].astype(logits.dtype)
        dlogits = np.exp(logits, out=logits)
        dlogits *= -dlogprobs[rows].sum(axis=1, keepdims=True).astype(dlogits.dtype)
        at = np.arange(len(rows))
        for k in range(targets.shape[1]):  # one column at a time: a row may name the same token twice
            dlogits[at, targets[rows, k]] += dlogprobs[rows, k].astype(dlogits.dtype)
        dhidden[rows] = project_backward(dlogits, hidden[rows], low, base.unembedding, adapter, gradients=gradients)
    return dhidden


def row_slices(rows: int, vocab_size: int) -> Iterator[slice]:
    """Cut rows so that the logits of one slice stay small."""
    size = max(LOGITS_AT_ONCE // vocab_size, ROWS_AT_LEAST)
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))

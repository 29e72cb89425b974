"""The decoder's layers, each with its exact derivative: pure functions of arrays.

Tokens of all sequences of a batch lie in one axis (they are *packed*, without padding), so every linear layer is one
matrix product over the whole batch. Only attention needs to know where a sequence begins; it walks over *runs* of
neighbouring sequences of equal length. Every function keeps the dtype of its input.
"""

import math
from collections.abc import Sequence

import numpy as np
from attrs import frozen

from tinkex_actors.local.engine.arrays import FloatArray, FloatDType, IntArray
from tinkex_actors.local.engine.config import Llama3Scaling, ModelConfig

ATTENTION_BLOCK = 256
"""Queries whose scores are held at once. Long sequences are cut so that keys after a block are never multiplied."""


def dot(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the inner products along the last axis, which becomes 1, without an array of the products."""
    products: FloatArray = np.einsum("...i,...i->...", x, y)
    return products[..., None]


def rms_norm(x: FloatArray, weight: FloatArray, eps: float) -> tuple[FloatArray, FloatArray]:
    """Scale each vector of the last axis to unit root mean square, then by *weight*.

    Returns:
        ``y = x r weight`` of the shape of *x*, and ``r = 1 / sqrt(mean(x²) + eps)`` with last axis 1.
    """
    inverse = dot(x, x)
    inverse /= x.shape[-1]
    inverse += eps
    np.sqrt(inverse, out=inverse)
    np.reciprocal(inverse, out=inverse)
    y = x * inverse
    y *= weight
    return y, inverse


def rms_norm_backward(dy: FloatArray, x: FloatArray, weight: FloatArray, inverse: FloatArray) -> FloatArray:
    """Return ``dL/dx = r (g - x r² mean(g x))`` with ``g = dy weight``."""
    g: FloatArray = dy * weight
    along = dot(g, x)
    along *= inverse * inverse
    along /= x.shape[-1]
    g -= x * along
    g *= inverse
    return g


def rotary_tables(config: ModelConfig, positions: IntArray, dtype: FloatDType) -> tuple[FloatArray, FloatArray]:
    """Return cosine and sine of the angles at *positions*, ``(len(positions), 1, head_dim / 2)`` each."""
    exponents: FloatArray = np.arange(0, config.head_dim, 2, dtype=np.float64) / config.head_dim
    frequencies: FloatArray = config.rope_theta**-exponents
    if config.rope_scaling is not None:
        frequencies = _stretch(frequencies, config.rope_scaling)
    angles = np.outer(positions.astype(np.float64), frequencies)[:, None, :]
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def _stretch(frequencies: FloatArray, scaling: Llama3Scaling) -> FloatArray:
    """Divide slow frequencies by the factor, keep fast ones, and blend linearly between (Llama 3.1)."""
    turns = scaling.original_max_position_embeddings * frequencies / (2 * np.pi)
    span = scaling.high_freq_factor - scaling.low_freq_factor
    kept: FloatArray = np.clip((turns - scaling.low_freq_factor) / span, 0.0, 1.0)
    kept += (1.0 - kept) / scaling.factor
    return kept * frequencies


def rotate(x: FloatArray, cos: FloatArray, sin: FloatArray) -> FloatArray:
    """Turn each pair ``(x_i, x_{i + head_dim/2})`` by its angle; the derivative is ``rotate(dy, cos, -sin)``.

    Args:
        x: ``(tokens, heads, head_dim)``.
        cos: ``(tokens, 1, head_dim / 2)``.
        sin: Likewise.
    """
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    y = np.empty(x.shape, x.dtype)
    np.multiply(first, cos, out=y[..., :half])
    y[..., :half] -= second * sin
    np.multiply(second, cos, out=y[..., half:])
    y[..., half:] += first * sin
    return y


def swiglu(gate_up: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return ``silu(gate) * up`` ``(tokens, inner)`` and the sigmoid of the gate, of ``(tokens, 2 inner)``."""
    inner = gate_up.shape[-1] // 2
    gate, up = gate_up[:, :inner], gate_up[:, inner:]
    sigmoid = np.negative(gate)
    with np.errstate(over="ignore"):  # exp overflows to infinity for a very negative gate, whose sigmoid is then 0
        np.exp(sigmoid, out=sigmoid)
    sigmoid += 1
    np.reciprocal(sigmoid, out=sigmoid)
    y = gate * sigmoid
    y *= up
    return y, sigmoid


def swiglu_backward(dy: FloatArray, gate_up: FloatArray, sigmoid: FloatArray) -> FloatArray:
    """Return ``dL/d gate_up``; ``silu'(z) = s + z s (1 - s)`` with the sigmoid ``s``."""
    inner = gate_up.shape[-1] // 2
    gate, up = gate_up[:, :inner], gate_up[:, inner:]
    d = np.empty(gate_up.shape, gate_up.dtype)
    dgate, dup = d[:, :inner], d[:, inner:]
    silu = gate * sigmoid
    np.multiply(dy, silu, out=dup)
    np.subtract(1, sigmoid, out=dgate)
    dgate *= silu
    dgate += sigmoid
    dgate *= up
    dgate *= dy
    return d


@frozen
class Run:
    """Neighbouring sequences of equal length in the packed axis."""

    start: int
    count: int
    length: int

    @property
    def stop(self) -> int:
        """First packed position after the run."""
        return self.start + self.count * self.length

    def of(self, packed: FloatArray) -> FloatArray:
        """View the run in a packed array: ``(tokens, ...)`` becomes ``(count, length, ...)``."""
        return packed[self.start : self.stop].reshape(self.count, self.length, *packed.shape[1:])


def runs_of(lengths: Sequence[int]) -> list[Run]:
    """Join neighbours of equal length."""
    runs: list[Run] = []
    start = 0
    for length in lengths:
        if runs and runs[-1].length == length:
            runs[-1] = Run(runs[-1].start, runs[-1].count + 1, length)
        else:
            runs.append(Run(start, 1, length))
        start += length
    return runs


@frozen(eq=False)
class AttentionBlock:
    """What the backward pass needs of one block of queries: ``exp(scores - max)`` and the reciprocals of its sums."""

    start: int
    stop: int
    weights: FloatArray
    inverse_sums: FloatArray


def attend(q: FloatArray, k: FloatArray, v: FloatArray) -> tuple[FloatArray, list[AttentionBlock]]:
    """Causal attention within each sequence, query heads sharing key heads in groups.

    Args:
        q: ``(count, length, heads, head_dim)``.
        k: ``(count, length, kv_heads, head_dim)``.
        v: Likewise.

    Returns:
        ``(count, length, heads, head_dim)``, and the blocks for :func:`attend_backward`.
    """
    length = q.shape[1]
    out = np.empty(q.shape, q.dtype)
    queries, keys, values, result = _by_head(q * _scale(q), k), _by_head(k, k), _by_head(v, k), _by_head(out, k)
    blocks: list[AttentionBlock] = []
    for start in range(0, length, ATTENTION_BLOCK):
        stop = min(start + ATTENTION_BLOCK, length)
        weights = queries[..., start:stop, :] @ keys[..., :stop, :].swapaxes(-1, -2)
        weights[..., start:stop] += _causal_mask(stop - start, q.dtype)
        weights -= weights.max(axis=-1, keepdims=True)
        np.exp(weights, out=weights)
        inverse_sums = 1 / weights.sum(axis=-1, keepdims=True)
        block = weights @ values[..., :stop, :]
        block *= inverse_sums
        result[..., start:stop, :] = block
        blocks.append(AttentionBlock(start, stop, weights, inverse_sums))
    return out, blocks


def attend_backward(
    dy: FloatArray, out: FloatArray, q: FloatArray, k: FloatArray, v: FloatArray, blocks: list[AttentionBlock]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return ``dL/dq, dL/dk, dL/dv``.

    With ``P = E / Z`` (kept as E and 1/Z) and ``g = dy / Z``: ``dV = Eᵀ g`` and ``dS = E (g Vᵀ - rowsum(g out))``.
    """
    dq, dk, dv = (np.zeros(array.shape, array.dtype) for array in (q, k, v))
    scaled = q * _scale(q)
    queries, keys, values = _by_head(scaled, k), _by_head(k, k), _by_head(v, k)
    g_all, out_all, dq_all = _by_head(dy, k), _by_head(out, k), _by_head(dq, k)
    dk_all, dv_all = dk.transpose(0, 2, 1, 3), dv.transpose(0, 2, 1, 3)
    for block in blocks:
        rows = slice(block.start, block.stop)
        g = g_all[..., rows, :] * block.inverse_sums
        along = dot(g, out_all[..., rows, :])
        ds = g @ values[..., : block.stop, :].swapaxes(-1, -2)
        ds -= along
        ds *= block.weights
        dq_all[..., rows, :] = ds @ keys[..., : block.stop, :]
        dk_all[..., : block.stop, :] += (ds.swapaxes(-1, -2) @ queries[..., rows, :]).sum(axis=2)
        dv_all[..., : block.stop, :] += (block.weights.swapaxes(-1, -2) @ g).sum(axis=2)
    dq *= _scale(q)
    return dq, dk, dv


def _scale(q: FloatArray) -> float:
    return 1.0 / math.sqrt(q.shape[-1])


def _by_head(x: FloatArray, k: FloatArray) -> FloatArray:
    """View ``(count, length, heads, head_dim)`` as ``(count, kv_heads, heads / kv_heads, length, head_dim)``."""
    count, length, heads, head_dim = x.shape
    kv_heads = k.shape[2]
    return x.reshape(count, length, kv_heads, heads // kv_heads, head_dim).transpose(0, 2, 3, 1, 4)


def _causal_mask(length: int, dtype: FloatDType) -> FloatArray:
    return np.triu(np.full((length, length), -np.inf, dtype), k=1)


def positions_of(lengths: IntArray) -> IntArray:
    """Return each packed token's position in its own sequence, ``(sum(lengths),)`` int64."""
    ends: IntArray = np.cumsum(lengths)
    return np.arange(int(ends[-1])) - np.repeat(ends - lengths, lengths)

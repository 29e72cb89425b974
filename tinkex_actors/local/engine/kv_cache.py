"""Keys and values of the tokens one request has seen: the prompt's once, each sample's own after it.

All samples of a request stand at the same position, so one step is one small batch. The prompt's part is shared: it is
neither copied for each sample nor multiplied separately.
"""

import numpy as np
from attrs import define

from tinkex_actors.local.engine.arrays import FloatArray, IntArray
from tinkex_actors.local.engine.config import ModelConfig
from tinkex_actors.local.engine.layers import attend


@define(eq=False)
class _LayerCache:
    prompt_k: FloatArray
    """``(kv_heads, prompt, head_dim)``."""
    prompt_v: FloatArray
    own_k: FloatArray
    """``(samples, kv_heads, capacity, head_dim)``."""
    own_v: FloatArray


class PromptAttention:
    """Causal attention over one prompt, remembering its keys and values."""

    def __init__(self, length: int) -> None:
        self.positions: IntArray = np.arange(length)
        self.keys: list[FloatArray] = []
        self.values: list[FloatArray] = []

    def attend(self, layer: int, q: FloatArray, k: FloatArray, v: FloatArray) -> FloatArray:
        """Attend within the prompt."""
        del layer  # layers come in order, each once
        self.keys.append(np.ascontiguousarray(k.transpose(1, 0, 2)))
        self.values.append(np.ascontiguousarray(v.transpose(1, 0, 2)))
        out, _ = attend(q[None], k[None], v[None])
        return out.reshape(q.shape)


class SampleAttention:
    """Attention of one new token of every sample to the prompt and to its own earlier tokens."""

    def __init__(self, prompt: PromptAttention, config: ModelConfig, samples: int) -> None:
        self._prompt_length = len(prompt.positions)
        self._own_length = -1
        self._scale = config.head_dim**-0.5
        shape = (samples, config.num_kv_heads, 32, config.head_dim)
        self._layers = [
            _LayerCache(k, v, np.empty(shape, k.dtype), np.empty(shape, k.dtype))
            for k, v in zip(prompt.keys, prompt.values, strict=True)
        ]
        self.positions: IntArray = np.full(samples, self._prompt_length - 1)

    def advance(self) -> None:
        """Make room for one more token of every sample; call it before each step."""
        self._own_length += 1
        self.positions = self.positions + 1

    def keep(self, rows: IntArray) -> None:
        """Go on with these samples only."""
        self.positions = self.positions[rows]
        for cache in self._layers:
            cache.own_k, cache.own_v = cache.own_k[rows], cache.own_v[rows]

    def attend(self, layer: int, q: FloatArray, k: FloatArray, v: FloatArray) -> FloatArray:
        """Attend with one query a sample: ``q`` is ``(samples, heads, head_dim)``."""
        cache = self._layers[layer]
        self._append(cache, k, v)
        samples, heads, head_dim = q.shape
        kv_heads, stop = k.shape[1], self._own_length + 1
        queries = (q * self._scale).reshape(samples, kv_heads, heads // kv_heads, head_dim)
        weights = np.concatenate(
            [_against_prompt(queries, cache.prompt_k), queries @ cache.own_k[:, :, :stop].swapaxes(-1, -2)], axis=-1
        )
        weights -= weights.max(axis=-1, keepdims=True)
        np.exp(weights, out=weights)
        weights /= weights.sum(axis=-1, keepdims=True)
        past, own = weights[..., : self._prompt_length], weights[..., self._prompt_length :]
        out = _against_prompt(past, cache.prompt_v.swapaxes(-1, -2))
        out += own @ cache.own_v[:, :, :stop]
        return out.reshape(samples, heads, head_dim)

    def _append(self, cache: _LayerCache, k: FloatArray, v: FloatArray) -> None:
        if self._own_length == cache.own_k.shape[2]:
            cache.own_k, cache.own_v = _doubled(cache.own_k), _doubled(cache.own_v)
        cache.own_k[:, :, self._own_length] = k
        cache.own_v[:, :, self._own_length] = v


def _against_prompt(rows: FloatArray, prompt: FloatArray) -> FloatArray:
    """Multiply ``(samples, kv_heads, group, n)`` with ``(kv_heads, m, n)`` to ``(samples, kv_heads, group, m)``.

    All samples' rows of one head are one matrix product, which is what sharing the prompt is for.
    """
    samples, kv_heads, group, n = rows.shape
    by_head = rows.transpose(1, 0, 2, 3).reshape(kv_heads, samples * group, n)
    product = by_head @ prompt.swapaxes(-1, -2)
    return product.reshape(kv_heads, samples, group, -1).transpose(1, 0, 2, 3)


def _doubled(cache: FloatArray) -> FloatArray:
    return np.concatenate([cache, np.empty_like(cache)], axis=2)

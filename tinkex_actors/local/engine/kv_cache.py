"""Keys and values of the tokens that requests have seen: each prompt's once, each sample's own after it.

All samples of a request stand at the same position. The prompt's part is shared: it is neither copied for each sample
nor multiplied separately.

Requests take their steps together and share no arithmetic: each matrix product is of one request's rows, and each sum of
one row. In a larger product the same row is rounded differently, so an answer would depend on its neighbours. What is
shared is everything around the products, which for few rows is most of the time.
"""

from collections.abc import Sequence

import numpy as np
from attrs import define

from tinkex_actors.local.engine.arrays import FloatArray, IntArray
from tinkex_actors.local.engine.config import ModelConfig
from tinkex_actors.local.engine.layers import attend, runs_of
from tinkex_actors.local.engine.lora import multiply_whole


class PromptAttention:
    """Causal attention over one prompt, remembering its keys and values."""

    def __init__(self, length: int) -> None:
        self.positions: IntArray = np.arange(length)
        self.keys: list[FloatArray] = []
        self.values: list[FloatArray] = []

    def multiply(self, x: FloatArray, weight: FloatArray) -> FloatArray:
        """Multiply the whole prompt at once."""
        return multiply_whole(x, weight)

    def attend(self, layer: int, q: FloatArray, k: FloatArray, v: FloatArray) -> FloatArray:
        """Attend within the prompt."""
        del layer  # layers come in order, each once
        self.keys.append(np.ascontiguousarray(k.transpose(1, 0, 2)))
        self.values.append(np.ascontiguousarray(v.transpose(1, 0, 2)))
        out, _ = attend(q[None], k[None], v[None])
        return out.reshape(q.shape)


@define(eq=False)
class _LayerCache:
    prompt_k: FloatArray
    """``(kv_heads, prompt, head_dim)``."""
    prompt_v: FloatArray
    own_k: FloatArray
    """``(kv_heads, samples, capacity, head_dim)``."""
    own_v: FloatArray

    def keep(self, rows: IntArray) -> None:
        self.own_k, self.own_v = self.own_k[:, rows], self.own_v[:, rows]

    def double(self) -> None:
        self.own_k, self.own_v = _doubled(self.own_k), _doubled(self.own_v)


class SampleCache:
    """The keys and values of one request's samples."""

    def __init__(self, prompt: PromptAttention, config: ModelConfig, samples: int) -> None:
        self.samples = samples
        """How many go on."""
        self.prompt_length = len(prompt.positions)
        self.own_length = 0
        """Tokens of each sample behind the prompt, the one being read included."""
        shape = (config.num_kv_heads, samples, 32, config.head_dim)
        self._layers = [
            _LayerCache(k, v, np.empty(shape, k.dtype), np.empty(shape, k.dtype))
            for k, v in zip(prompt.keys, prompt.values, strict=True)
        ]

    def advance(self) -> None:
        """Make room for one more token of every sample; call it before each step."""
        if self.own_length == self._layers[0].own_k.shape[2]:
            for cache in self._layers:
                cache.double()
        self.own_length += 1

    def keep(self, rows: IntArray) -> None:
        """Go on with these samples only."""
        self.samples = len(rows)
        for cache in self._layers:
            cache.keep(rows)

    def score(self, layer: int, q: FloatArray, k: FloatArray, v: FloatArray, *, out: FloatArray) -> None:
        """Remember a new token of every sample and write what it thinks of all before it.

        Args:
            layer: The decoder block.
            q: ``(samples, kv_heads, group, head_dim)``, scaled.
            k: ``(samples, kv_heads, head_dim)``.
            v: Likewise.
            out: Flat: ``(kv_heads, samples, group, prompt)``, then ``(kv_heads, samples, group, own)``.
        """
        cache, own = self._layers[layer], self.own_length
        cache.own_k[:, :, own - 1] = k.swapaxes(0, 1)
        cache.own_v[:, :, own - 1] = v.swapaxes(0, 1)
        samples, kv_heads, group, head_dim = q.shape
        by_head, cut = q.swapaxes(0, 1), q[..., 0].size * self.prompt_length
        # All samples' rows of one head are one product with the prompt, which is what sharing it is for.
        rows, prompt = by_head.reshape(kv_heads, -1, head_dim), out[:cut].reshape(kv_heads, samples * group, -1)
        np.matmul(rows, cache.prompt_k.swapaxes(-1, -2), out=prompt)
        keys = cache.own_k[:, :, :own].swapaxes(-1, -2)
        np.matmul(by_head, keys, out=out[cut:].reshape(kv_heads, samples, group, own))

    def mix(self, layer: int, weights: FloatArray, inverse: FloatArray, *, out: FloatArray) -> None:
        """Write the values that *weights* call for.

        Args:
            layer: The decoder block.
            weights: Laid out as :meth:`score` does.
            inverse: Flat, ``(kv_heads, samples, group)``: a factor for each row.
            out: ``(samples, kv_heads, group, head_dim)``.
        """
        cache, own = self._layers[layer], self.own_length
        samples, kv_heads, group, _ = out.shape
        cut = inverse.size * self.prompt_length
        mixed = weights[:cut].reshape(kv_heads, samples * group, -1) @ cache.prompt_v
        mixed = mixed.reshape(kv_heads, samples, group, -1)
        mixed += weights[cut:].reshape(kv_heads, samples, group, own) @ cache.own_v[:, :, :own]
        mixed *= inverse.reshape(kv_heads, samples, group, 1)
        out[...] = mixed.swapaxes(0, 1)


class StepAttention:
    """One step of several requests: one new token of every sample, each request attending to what is its own."""

    def __init__(self, caches: Sequence[SampleCache], config: ModelConfig) -> None:
        self._caches = caches
        self._scale = config.head_dim**-0.5
        self._runs = runs_of([cache.samples for cache in caches])
        samples = np.array([cache.samples for cache in caches])
        last = np.array([cache.prompt_length + cache.own_length - 1 for cache in caches])
        self.positions: IntArray = np.repeat(last, samples)
        self._rows = _slices(samples)
        # A row of attention weights lies in two parts, that of the prompt and its own: two segments.
        heads = samples * config.num_heads
        self._pairs = _slices(heads)
        sizes = np.array([(cache.prompt_length, cache.own_length) for cache in caches])
        self._spans = _slices(heads * sizes.sum(axis=1))
        self._lengths = np.repeat(sizes.ravel(), np.repeat(heads, 2))
        self._starts = self._lengths.cumsum() - self._lengths
        is_own = np.repeat(np.tile([False, True], len(caches)), np.repeat(heads, 2))
        self._prompts, self._owns = np.flatnonzero(~is_own), np.flatnonzero(is_own)

    def multiply(self, x: FloatArray, weight: FloatArray) -> FloatArray:
        """Multiply each request's rows apart; requests of equally many samples in one call."""
        product = np.empty((len(x), len(weight)), x.dtype)
        for run in self._runs:
            np.matmul(run.of(x), weight.T, out=run.of(product))
        return product

    def attend(self, layer: int, q: FloatArray, k: FloatArray, v: FloatArray) -> FloatArray:
        """Attend with one query a sample: ``q`` is ``(samples, heads, head_dim)``."""
        samples, heads, head_dim = q.shape
        queries: FloatArray = (q * self._scale).reshape(samples, k.shape[1], -1, head_dim)
        weights = np.empty(int(self._lengths.sum()), q.dtype)
        for cache, rows, span in zip(self._caches, self._rows, self._spans, strict=True):
            cache.score(layer, queries[rows], k[rows], v[rows], out=weights[span])
        inverse = self._soften(weights)
        out = np.empty(queries.shape, q.dtype)
        for cache, rows, span, pairs in zip(self._caches, self._rows, self._spans, self._pairs, strict=True):
            cache.mix(layer, weights[span], inverse[pairs], out=out[rows])
        return out.reshape(samples, heads, head_dim)

    def _soften(self, scores: FloatArray) -> FloatArray:
        """Turn scores into ``exp(score - max)`` and return the reciprocal of each row's sum."""
        peaks = np.maximum.reduceat(scores, self._starts)
        highest = np.maximum(peaks[self._prompts], peaks[self._owns])
        peaks[self._prompts] = peaks[self._owns] = highest
        scores -= np.repeat(peaks, self._lengths)
        np.exp(scores, out=scores)
        sums: FloatArray = np.add.reduceat(scores, self._starts)
        inverse: FloatArray = 1 / (sums[self._prompts] + sums[self._owns])
        return inverse


def _slices(sizes: IntArray) -> list[slice]:
    stops = sizes.cumsum().tolist()
    return [slice(stop - size, stop) for size, stop in zip(sizes.tolist(), stops, strict=True)]


def _doubled(cache: FloatArray) -> FloatArray:
    return np.concatenate([cache, np.empty_like(cache)], axis=2)

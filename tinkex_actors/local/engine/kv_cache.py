"""Keys and values of the tokens that requests have seen: a shared prompt's once, each sample's own after it.

All samples of a request stand at the same position. The prompt's part is shared: it is neither copied for each sample
nor multiplied separately. A sample that is alone has its prompt's part before its own, in one piece.

Requests take their steps together and share no arithmetic: each matrix product is of one request's rows, and each sum of
one row. In a larger product the same row is rounded differently, so an answer would depend on its neighbours. What is
shared is everything around the products, which for few rows is most of the time; and what a request does alone is
prepared once for all layers of a step, so that a layer costs it three calls of numpy.
"""

from collections.abc import Sequence

import numpy as np

from tinkex_actors.local.engine.arrays import FloatArray, IntArray
from tinkex_actors.local.engine.config import ModelConfig
from tinkex_actors.local.engine.layers import attend, runs_of
from tinkex_actors.local.engine.lora import multiply_whole

_ROOM = 32
"""Tokens a sample has room for at first, behind what it begins with."""


class PromptAttention:
    """Causal attention over one prompt, remembering its keys and values."""

    def __init__(self, length: int) -> None:
        self.positions: IntArray = np.arange(length)
        self._seen: list[FloatArray] = []

    @property
    def seen(self) -> FloatArray:
        """Keys and values of every layer, ``(layers, 2, kv_heads, prompt, head_dim)``."""
        return np.stack(self._seen)

    def multiply(self, x: FloatArray, weight: FloatArray) -> FloatArray:
        """Multiply the whole prompt at once."""
        return multiply_whole(x, weight)

    def attend(self, layer: int, q: FloatArray, k: FloatArray, v: FloatArray) -> FloatArray:
        """Attend within the prompt."""
        del layer  # layers come in order, each once
        self._seen.append(np.stack([k, v]).swapaxes(1, 2))
        out, _ = attend(q[None], k[None], v[None])
        return out.reshape(q.shape)


class SampleCache:
    """The keys and values of one request's samples."""

    def __init__(self, prompt: PromptAttention, samples: int) -> None:
        seen = prompt.seen
        layers, both, kv_heads, length, head_dim = seen.shape
        self.samples = samples
        """How many go on."""
        self.shared: FloatArray | None = None if samples == 1 else seen
        """``(layers, 2, kv_heads, prompt, head_dim)``; None for a sample that was alone from the beginning."""
        self.own_length = length if samples == 1 else 0
        """Tokens in `own`, the one being read included."""
        self._own: FloatArray = np.empty(
            (layers, both, kv_heads, samples, self.own_length + _ROOM, head_dim), seen.dtype
        )
        if samples == 1:
            self.own[..., 0, :, :] = seen

    @property
    def own(self) -> FloatArray:
        """``(layers, 2, kv_heads, samples, own_length, head_dim)``, writable."""
        return self._own[..., : self.own_length, :]

    @property
    def length(self) -> int:
        """Tokens that each sample sees."""
        return self.own_length if self.shared is None else self.shared.shape[-2] + self.own_length

    def advance(self) -> None:
        """Make room for one more token of every sample; call it before each step."""
        if self.own_length == self._own.shape[-2]:
            self._own = np.concatenate([self._own, np.empty_like(self._own)], axis=-2)
        self.own_length += 1

    def keep(self, rows: IntArray) -> None:
        """Go on with these samples only."""
        self.samples = len(rows)
        self._own = self._own.take(rows, axis=3)


class _Part:
    """What one request has in one step: views of its rows and of its cache."""

    def __init__(self, cache: SampleCache, queries: FloatArray, new: FloatArray, weights: FloatArray) -> None:
        """Look at a request's rows.

        Args:
            cache: Of the request.
            queries: ``(samples, kv_heads, group, head_dim)``, scaled when `score` is called; `mix` writes its answer there.
            new: ``(samples, 2, kv_heads, head_dim)``, keys and values of the new tokens.
            weights: Flat, for each query a row as long as what it sees; the shared tokens come first.
        """
        own, length = cache.own, cache.length
        shared = length - cache.own_length
        self._queries = queries.swapaxes(0, 1)
        self._new = new.transpose(1, 2, 0, 3)
        self._newest = own[..., -1, :]
        self._keys, self._values = own[:, 0].swapaxes(-1, -2), own[:, 1]
        weights = weights.reshape(*self._queries.shape[:-1], length)
        self._weights = weights[..., shared:]
        self._shared = cache.shared
        # All samples' rows of one head are one product with the prompt, which is what sharing it is for.
        self._shared_weights = weights.reshape(len(weights), -1, length)[..., :shared]

    def score(self, layer: int) -> None:
        """Remember a new token of every sample, and write what it thinks of all before it and of itself."""
        self._newest[layer] = self._new
        np.matmul(self._queries, self._keys[layer], out=self._weights)
        if self._shared is not None:
            rows = self._queries.reshape(len(self._queries), -1, self._queries.shape[-1])
            np.matmul(rows, self._shared[layer, 0].swapaxes(-1, -2), out=self._shared_weights)

    def mix(self, layer: int) -> None:
        """Write the values that the weights call for where the queries were."""
        np.matmul(self._weights, self._values[layer], out=self._queries)
        if self._shared is not None:
            mixed: FloatArray = self._shared_weights @ self._shared[layer, 1]
            self._queries += mixed.reshape(self._queries.shape)


class StepAttention:
    """One step of several requests: one new token of every sample, each request attending to what is its own."""

    def __init__(self, caches: Sequence[SampleCache], config: ModelConfig) -> None:
        self._scale = config.head_dim**-0.5
        samples = np.array([cache.samples for cache in caches])
        seen = np.array([cache.length for cache in caches])
        self.positions: IntArray = np.repeat(seen - 1, samples)
        self._runs = runs_of(samples.tolist())
        self._lengths = np.repeat(seen, samples * config.num_heads)
        self._starts = self._lengths.cumsum() - self._lengths
        # One piece of memory for all layers of the step: the parts look at it.
        rows, group, dtype = len(self.positions), config.num_heads // config.num_kv_heads, caches[0].own.dtype
        self._queries = np.empty((rows, config.num_kv_heads, group, config.head_dim), dtype)
        self._new = np.empty((rows, 2, config.num_kv_heads, config.head_dim), dtype)
        self._weights = np.empty(int(self._lengths.sum()), dtype)
        spans = _slices(samples * config.num_heads * seen)
        self._parts = [
            _Part(cache, self._queries[at], self._new[at], self._weights[span])
            for cache, at, span in zip(caches, _slices(samples), spans, strict=True)
        ]

    def multiply(self, x: FloatArray, weight: FloatArray) -> FloatArray:
        """Multiply each request's rows apart; requests of equally many samples in one call."""
        if len(self._runs) == 1:
            run = self._runs[0]
            product: FloatArray = np.matmul(x.reshape(run.count, run.length, -1), weight.T)
            return product.reshape(len(x), -1)
        product = np.empty((len(x), len(weight)), x.dtype)
        for run in self._runs:
            np.matmul(run.of(x), weight.T, out=run.of(product))
        return product

    def attend(self, layer: int, q: FloatArray, k: FloatArray, v: FloatArray) -> FloatArray:
        """Attend with one query a sample: ``q`` is ``(samples, heads, head_dim)``. Valid until the next call."""
        np.multiply(q.reshape(self._queries.shape), self._scale, out=self._queries)
        self._new[:, 0], self._new[:, 1] = k, v
        for part in self._parts:
            part.score(layer)
        self._soften()
        for part in self._parts:
            part.mix(layer)
        return self._queries.reshape(q.shape)

    def _soften(self) -> None:
        """Turn the scores of each row into weights that add up to one."""
        weights = self._weights
        weights -= np.repeat(np.maximum.reduceat(weights, self._starts), self._lengths)
        np.exp(weights, out=weights)
        weights *= np.repeat(1 / np.add.reduceat(weights, self._starts), self._lengths)


def _slices(sizes: IntArray) -> list[slice]:
    stops = sizes.cumsum().tolist()
    return [slice(stop - size, stop) for size, stop in zip(sizes.tolist(), stops, strict=True)]

"""The matrix products of a forward_backward and nothing else: what no numpy program of this design can be faster than.

Shapes follow the engine: frozen projections stacked, adapters beside them, attention a sequence at a time with only the
causal half multiplied where it is cut into blocks, logits twice. Results go into memory that is already there.
"""

from collections.abc import Callable

import numpy as np
from attrs import frozen

from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.base_model import BaseModel, Projection


@frozen(eq=False)
class Product:
    """One matrix product, repeated."""

    left: FloatArray
    right: FloatArray
    out: FloatArray
    times: int

    def run(self) -> None:
        """Multiply."""
        for _ in range(self.times):
            np.matmul(self.left, self.right, out=self.out)


def training_floor(
    base: BaseModel, *, sequences: int, length: int, rank: int, tokens_at_once: int
) -> Callable[[], None]:
    """Return a function that does the products of one forward_backward over *sequences* of *length*."""
    together = min(max(tokens_at_once // length, 1), sequences)
    rows, groups = together * length, sequences // together
    products: list[Product] = []
    for projection in base.projections:
        head = projection is base.unembedding
        products += _projection(projection, rows, rank, groups, forwards=2 if head else 1)
    config = base.config
    shape = (together, config.num_heads, length, config.head_dim)
    layers = groups * config.num_layers
    products.append(_random((*shape[:3], config.head_dim), (*shape[:2], config.head_dim, length), 2 * layers))
    products.append(_random((*shape[:3], length), shape, 4 * layers))

    def run() -> None:
        for product in products:
            product.run()

    return run


def _projection(projection: Projection, rows: int, rank: int, times: int, *, forwards: int) -> list[Product]:
    inner, outer = projection.in_features, projection.bounds[-1]
    stacked = rank * len(projection.modules)
    products = [
        _transposed(rows, inner, outer, times * forwards),  # x Wᵀ
        _random((rows, outer), (outer, inner), times),  # dy W
        _transposed(rows, inner, stacked, times * forwards),  # x Aᵀ
        _random((stacked, rows), (rows, inner), times),  # dA
        _random((rows, stacked), (stacked, inner), times),  # dx of the adapter
    ]
    for size in np.diff(projection.bounds):
        products.append(_transposed(rows, rank, int(size), times * forwards))  # (x Aᵀ) Bᵀ
        products.append(_random((rows, int(size)), (int(size), rank), times))  # dy B
        products.append(_random((int(size), rows), (rows, rank), times))  # dB
    return products


def _random(left: tuple[int, ...], right: tuple[int, ...], times: int) -> Product:
    rng = np.random.default_rng(0)
    one, other = (rng.standard_normal(shape).astype(np.float32) for shape in (left, right))
    return Product(one, other, one @ other, times)


def _transposed(rows: int, inner: int, outer: int, times: int) -> Product:
    rng = np.random.default_rng(0)
    one, other = (rng.standard_normal(shape).astype(np.float32) for shape in ((rows, inner), (outer, inner)))
    return Product(one, other.T, one @ other.T, times)

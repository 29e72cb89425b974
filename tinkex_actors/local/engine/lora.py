"""Low-rank adapters: what they are, how they begin, how they act.

Beside a frozen matrix ``W (out, in)`` an adapted module has ``A (rank, in)`` and ``B (out, rank)`` and computes
``y = x Wᵀ + s (x Aᵀ) Bᵀ`` with ``s = alpha / rank``. The product ``B A`` is never formed: an adapter costs no copy of
its base. Backward, with ``g = dL/dy``::

    dL/dB = gᵀ (s x Aᵀ)      dL/dA = s (g B)ᵀ x      dL/dx = g W + s (g B) A

The ``A`` of modules that share an input lie in one array, so that they are one matrix product; the arrays in
:attr:`Adapter.weights` are views into it. Whoever updates an adapter must therefore do so in place.

Source of the initial values: PEFT (Kaiming-uniform with ``a = sqrt(5)``, that is uniform within ``1/sqrt(in)``; B zero).
"""

from collections.abc import Callable, Mapping
from typing import Self, TypeAlias

import numpy as np
from attrs import field, frozen
from attrs.validators import gt

from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.base_model import BaseModel, Projection
from tinkex_actors.local.engine.errors import EngineInputError
from tinkex_actors.local.engine.randomness import random_stream

_ATTENTION = frozenset({"q_proj", "k_proj", "v_proj", "o_proj"})
_MLP = frozenset({"gate_proj", "up_proj", "down_proj"})


@frozen
class LoraSpec:
    """Which modules an adapter adapts, with how many directions, from which random start."""

    rank: int = field(validator=gt(0))
    seed: int = 0
    """Any integer; the same seed gives the same adapter, whatever the other switches."""
    train_unembed: bool = field(default=True, kw_only=True)
    train_mlp: bool = field(default=True, kw_only=True)
    train_attn: bool = field(default=True, kw_only=True)
    alpha: float = field(default=32.0, kw_only=True)

    @property
    def scaling(self) -> float:
        """The factor before ``B A``."""
        return self.alpha / self.rank

    def adapts(self, module: str) -> bool:
        """Say whether the module of this Hugging Face name gets an ``A`` and a ``B``."""
        kind = module.rpartition(".")[2]
        if kind in _ATTENTION:
            return self.train_attn
        return self.train_mlp if kind in _MLP else self.train_unembed


@frozen(eq=False)
class LoraGroup:
    """The low-rank parts of one :class:`Projection`: the stacked ``A`` and one ``B`` a module."""

    down: FloatArray
    """``(modules * rank, in)``."""
    ups: tuple[FloatArray, ...]
    """``(out_i, rank)`` each."""


@frozen(eq=False)
class Adapter:
    """The trained state of one model: every ``A`` and ``B``, by name."""

    spec: LoraSpec
    weights: Mapping[str, FloatArray]
    """``{module}.lora_A.weight`` and ``{module}.lora_B.weight``; read-only when the adapter is a snapshot."""
    groups: Mapping[str, LoraGroup]
    """The same memory, by the first module of the projection it acts beside."""

    @classmethod
    def create(cls, base: BaseModel, spec: LoraSpec) -> Self:
        """Make the adapter a new model starts from: ``A`` random from the seed, ``B`` zero.

        Raises:
            EngineInputError: The spec adapts no module at all.
        """
        if not (spec.train_attn or spec.train_mlp or spec.train_unembed):
            raise EngineInputError("expected at least one of train_attn, train_mlp and train_unembed, got none")
        weights: dict[str, FloatArray] = {}
        groups: dict[str, LoraGroup] = {}
        for projection in base.projections:
            if spec.adapts(projection.modules[0]):
                groups[projection.modules[0]] = _create_group(projection, spec, weights)
        return cls(spec, weights, groups)

    def copy(self) -> "Adapter":
        """Return an adapter of the same values that shares no memory with this one and is read-only."""
        weights: dict[str, FloatArray] = {}
        groups = {key: _copy_group(group) for key, group in self.groups.items()}
        names = iter(self.weights)
        for group in groups.values():
            for a, b in _pairs(group, self.spec.rank):
                weights[next(names)], weights[next(names)] = a, b
        return Adapter(self.spec, weights, groups)


def _create_group(projection: Projection, spec: LoraSpec, weights: dict[str, FloatArray]) -> LoraGroup:
    dtype = projection.weight.dtype
    bound = projection.in_features**-0.5
    shape = (spec.rank, projection.in_features)
    # A stream for every module: switching one kind of module off leaves the others as they are.
    downs = [random_stream(spec.seed, module).uniform(-bound, bound, shape) for module in projection.modules]
    sizes = np.diff(projection.bounds)
    ups = tuple(np.zeros((int(size), spec.rank), dtype) for size in sizes)
    # float32 first in every mode, so that the float64 check mode starts from the very same numbers.
    group = LoraGroup(np.concatenate(downs).astype(np.float32).astype(dtype), ups)
    for module, (a, b) in zip(projection.modules, _pairs(group, spec.rank), strict=True):
        weights[f"{module}.lora_A.weight"], weights[f"{module}.lora_B.weight"] = a, b
    return group


def _pairs(group: LoraGroup, rank: int) -> list[tuple[FloatArray, FloatArray]]:
    return [(group.down[i * rank : (i + 1) * rank], up) for i, up in enumerate(group.ups)]


def _copy_group(group: LoraGroup) -> LoraGroup:
    copy = LoraGroup(group.down.copy(), tuple(up.copy() for up in group.ups))
    for array in (copy.down, *copy.ups):
        array.flags.writeable = False
    return copy


Multiply: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
"""``x weightᵀ`` of ``(tokens, in)`` and ``(out, in)``."""


def multiply_whole(x: FloatArray, weight: FloatArray) -> FloatArray:
    """Multiply all tokens at once."""
    product: FloatArray = x @ weight.T
    return product


def project(
    x: FloatArray, projection: Projection, adapter: Adapter | None, multiply: Multiply = multiply_whole
) -> tuple[FloatArray, FloatArray | None]:
    """Apply a projection and what the adapter adds to it.

    Args:
        x: ``(tokens, in)``.
        projection: The frozen matrix.
        adapter: Its group beside *projection*, if any, is added.
        multiply: How products are taken.

    Returns:
        ``(tokens, out)``, and the scaled low-rank input ``s x Aᵀ`` that :func:`project_backward` needs.
    """
    y = multiply(x, projection.weight)
    group = None if adapter is None else adapter.groups.get(projection.modules[0])
    if adapter is None or group is None:
        return y, None
    low = multiply(x, group.down)
    low *= adapter.spec.scaling
    rank = adapter.spec.rank
    for i, up in enumerate(group.ups):
        y[:, projection.bounds[i] : projection.bounds[i + 1]] += multiply(low[:, i * rank : (i + 1) * rank], up)
    return y, low


def project_backward(
    dy: FloatArray,
    x: FloatArray,
    low: FloatArray | None,
    projection: Projection,
    adapter: Adapter,
    *,
    gradients: dict[str, FloatArray],
) -> FloatArray:
    """Add the adapter's gradients of this projection to *gradients* and return ``dL/dx`` ``(tokens, in)``."""
    dx = dy @ projection.weight
    if low is None:
        return dx
    group = adapter.groups[projection.modules[0]]
    rank = adapter.spec.rank
    dlow = np.empty_like(low)
    for i, (module, up) in enumerate(zip(projection.modules, group.ups, strict=True)):
        part = dy[:, projection.bounds[i] : projection.bounds[i + 1]]
        columns = slice(i * rank, (i + 1) * rank)
        np.matmul(part, up, out=dlow[:, columns])
        gradients[f"{module}.lora_B.weight"] += part.T @ low[:, columns]
    dlow *= adapter.spec.scaling
    ddown = dlow.T @ x
    for i, module in enumerate(projection.modules):
        gradients[f"{module}.lora_A.weight"] += ddown[i * rank : (i + 1) * rank]
    dx += dlow @ group.down
    return dx

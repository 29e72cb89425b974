"""Orthogonality: rows that say different things.

The array becomes rows ``X`` by *axis* (below), then ``M = X`` or each row divided by its length (floored at 1e-8),
``G = M M^T`` and ``r`` rows:

============  ==========================================  ============================================
mode          value                                       gradient with respect to M
============  ==========================================  ============================================
``soft``      sum of the squares of G off its diagonal    ``4 off(G) M``
``hard``      ``|G - I|^2``                               ``4 (G - I) M``
``spectral``  ``(tr G - r)^2`` and ``soft``               ``4 off(G) M + 4 (tr G - r) M``
============  ==========================================  ============================================

With normalized rows the three agree unless a row is all zero; they differ with ``normalize=False``.

==============  ===================  ==============================================  ====================
axis            two axes ``(a, b)``  three axes ``(batch, sequence, vocabulary)``    otherwise
==============  ===================  ==============================================  ====================
``rows``        as it is             ``(batch * sequence, vocabulary)``              all but the last
``sequence``    as it is             ``(sequence, batch * vocabulary)``              all but the last
``vocabulary``  transposed           ``(vocabulary, batch * sequence)``              all but the last
==============  ===================  ==============================================  ====================

Costs ``O(r^2 d)`` for r rows of d numbers; *max_rows* takes a random subset, drawn from the seed, without scaling.
"""

from typing import ClassVar, Literal, TypeAlias, assert_never

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.regularizers.term import (
    NO_CONTEXT,
    Context,
    Evaluation,
    Values,
    one_of,
    read_distributions,
)
from tinkex_actors.types._checks import flag, integer, optional
from tinkex_actors.types.tensors import Array

Mode: TypeAlias = Literal["soft", "hard", "spectral"]
Axis: TypeAlias = Literal["rows", "sequence", "vocabulary"]

_FLOOR = 1e-8
_CUBE = 3


@frozen(kw_only=True)
class Orthogonality:
    """Penalize rows that point the same way; needs at least two axes."""

    name: ClassVar[str] = "orthogonality"

    mode: Mode = field(default="soft", validator=one_of("soft", "hard", "spectral"))
    normalize: bool = field(default=True, validator=flag())
    """Compare directions only, not lengths."""
    axis: Axis = field(default="rows", validator=one_of("rows", "sequence", "vocabulary"))
    max_rows: int | None = field(default=None, validator=optional(integer(minimum=2)))
    """Beyond so many rows, take that many at random; needs a seed then."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Nothing beside the log-probabilities."""
        return ()

    def evaluate(self, logprobs: Array, context: Context = NO_CONTEXT) -> Evaluation:
        """Evaluate; metric ``orthogonality`` (the value)."""
        x = read_distributions(logprobs, -1)
        rows = _to_rows(x, self.axis)
        if self.max_rows is None or len(rows) <= self.max_rows:
            value, slope = self._penalize(rows)
        else:
            chosen = np.sort(context.generator().choice(len(rows), self.max_rows, replace=False))
            slope = np.zeros_like(rows)
            value, slope[chosen] = self._penalize(rows[chosen])
        return Evaluation(value, _from_rows(slope, x.shape, self.axis), {"orthogonality": value})

    def _penalize(self, rows: Values) -> tuple[float, Values]:
        if not self.normalize:
            return _score(rows, self.mode)
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, np.newaxis]
        floored = np.maximum(lengths, _FLOOR)
        directions = rows / floored
        value, slope = _score(directions, self.mode)
        along = np.einsum("ij,ij->i", slope, directions)[:, np.newaxis]
        directions *= np.where(lengths > _FLOOR, along, 0.0)
        slope -= directions
        slope /= floored
        return value, slope


def _to_rows(array: Array, axis: Axis) -> Array:
    if array.ndim > _CUBE or axis == "rows":
        return array.reshape(-1, array.shape[-1])
    match axis:
        case "sequence":
            return array if array.ndim < _CUBE else array.swapaxes(0, 1).reshape(array.shape[1], -1)
        case "vocabulary":
            return array.reshape(-1, array.shape[-1]).T
        case _:
            assert_never(axis)


def _from_rows(rows: Values, shape: tuple[int, ...], axis: Axis) -> Values:
    """Undo `_to_rows`."""
    if len(shape) > _CUBE or axis == "rows":
        return rows.reshape(shape)
    if axis == "vocabulary":
        return rows.T.reshape(shape)
    return rows if len(shape) < _CUBE else rows.reshape(shape[1], shape[0], shape[2]).swapaxes(0, 1)


def _score(m: Values, mode: Mode) -> tuple[float, Values]:
    gram = m @ m.T
    excess = float(np.trace(gram)) - len(m)
    off = gram.copy()
    np.fill_diagonal(off, 0.0)
    match mode:
        case "soft":
            return float(np.square(off).sum()), 4.0 * off @ m
        case "hard":
            distance = gram - np.eye(len(m))
            return float(np.square(distance).sum()), 4.0 * distance @ m
        case "spectral":
            return excess**2 + float(np.square(off).sum()), 4.0 * off @ m + 4.0 * excess * m
        case _:
            assert_never(mode)

"""Muon: momentum whose updates are made nearly orthogonal, matrix by matrix, as a rule for `Optimizer`.

This is what the server means by Dimuon: the service publishes that optimizer's parameters and not its formula. Ours, for
each ``A`` and each ``B`` of an adapter with gradient ``g`` of shape ``(rows, columns)``::

    m ← beta1 m + (1 - beta1) g                      momentum
    u  = orthogonalize((1 - beta1) g + beta1 m)      looked ahead by one step, as Nesterov does
    w ← w - learning_rate sqrt(max(1, rows / columns)) u

There is no weight decay, and nothing else to choose. The limit on the gradient's norm is AdamW's; since an update does
not depend on the length of a gradient, it only weighs one step's gradient against the momentum.

Source: Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with its coefficients.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from attrs import field, frozen
from attrs.validators import and_, ge, lt

from tinkex_actors.local.engine.arrays import FloatArray

_QUINTIC = (3.4445, -4.7750, 2.0315)
_STEPS = 5
_TINY = 1e-7


@frozen(kw_only=True)
class Muon:
    """One step of it."""

    learning_rate: float
    beta1: float = field(default=0.9, validator=and_(ge(0.0), lt(1.0)))
    """How much of the momentum stays."""
    grad_clip_norm: float = field(default=0.0)
    """Largest L2 norm of all gradients together; 0 or less is no limit."""
    kinds: ClassVar[tuple[str, ...]] = ("momentum",)

    # No count of steps is in its formula.
    def move(self, weight: FloatArray, gradient: FloatArray, moments: Mapping[str, FloatArray], *, steps: int) -> None:  # noqa: ARG002
        """Move *weight* and its momentum, in place."""
        momentum = moments["momentum"]
        fresh = (1.0 - self.beta1) * gradient
        momentum *= self.beta1
        momentum += fresh
        update = orthogonalize(fresh + self.beta1 * momentum)
        rows, columns = weight.shape
        update *= self.learning_rate * max(1.0, rows / columns) ** 0.5
        weight -= update


def orthogonalize(matrix: FloatArray) -> FloatArray:
    """Push the singular values of *matrix* ``(rows, columns)`` towards one, and keep its singular vectors.

    Those above about a hundredth of its norm end between 0.6 and 1.3; zero stays zero.
    """
    a, b, c = _QUINTIC
    is_tall = matrix.shape[0] > matrix.shape[1]
    x: FloatArray = matrix.T if is_tall else matrix
    x = x / (np.sqrt(np.sum(np.square(x, dtype=np.float64))).astype(x.dtype) + x.dtype.type(_TINY))
    for _ in range(_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if is_tall else x

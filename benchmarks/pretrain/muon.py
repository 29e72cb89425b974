"""Muon: momentum whose matrix-shaped updates are made nearly orthogonal by a few Newton-Schulz steps.

In float32 and with equal shapes stacked, since torch's own Muon works in bfloat16, which CPUs without bfloat16 matrix units do
ten times slower. The update of a matrix of shape ``(m, n)`` is scaled by ``sqrt(max(1, m / n))``.

Source: Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with its quintic coefficients.
"""

from collections import defaultdict
from collections.abc import Iterable
from importlib import import_module
from typing import Any

torch: Any = import_module("torch")  # untyped on purpose: the static checks run where torch is not installed

_QUINTIC = (3.4445, -4.7750, 2.0315)
_STEPS = 5
_MOMENTUM = 0.95


class Muon:
    """Updates a fixed set of matrices in place, in float32.

    Args:
        matrices: Parameters of two dimensions; they must have a gradient at every step.
        decay: Decoupled weight decay, a fraction of the learning rate.
    """

    def __init__(self, matrices: Iterable[Any], *, decay: float) -> None:
        stacks: defaultdict[tuple[int, ...], list[Any]] = defaultdict(list)
        for matrix in matrices:
            stacks[tuple(matrix.shape)].append(matrix)
        self._stacks = list(stacks.values())
        self._momenta = [torch.zeros(len(stack), *stack[0].shape) for stack in self._stacks]
        self._decay = decay

    def step(self, learning_rate: float) -> None:
        """Apply one update and forget the gradients."""
        with torch.no_grad():
            for stack, momentum in zip(self._stacks, self._momenta, strict=True):
                gradient = torch.stack([matrix.grad for matrix in stack])
                momentum.lerp_(gradient, 1 - _MOMENTUM)
                update = orthogonalize(gradient.lerp_(momentum, _MOMENTUM))
                rows, columns = stack[0].shape
                update *= learning_rate * max(1.0, rows / columns) ** 0.5
                for matrix, change in zip(stack, update, strict=True):
                    matrix.mul_(1 - learning_rate * self._decay).sub_(change)
                    matrix.grad = None


def orthogonalize(matrices: Any) -> Any:
    """Push the singular values of each matrix towards 1 (they end between about 0.7 and 1.2).

    Args:
        matrices: Shape ``(count, m, n)``, float32.

    Returns:
        The same shape.
    """
    a, b, c = _QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x

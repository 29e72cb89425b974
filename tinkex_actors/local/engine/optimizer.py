"""What an optimizer remembers of named arrays, and its steps: each a limit on the gradients, then one rule for every array.

A rule is the numbers that one step may choose, and the formula they stand in: `Adam`, `Muon`. All happens in place.
The limit is torch's ``clip_grad_norm_``: gradients are scaled by ``limit / (norm + 1e-6)`` when that is below one.
"""

from collections.abc import Mapping
from typing import ClassVar, Protocol, TypeAlias

import numpy as np
from attrs import AttrsInstance, astuple, define

from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.errors import EngineInputError

Moments: TypeAlias = dict[str, dict[str, FloatArray]]
"""What an optimizer remembers of every array, by its kind."""


class Rule(AttrsInstance, Protocol):
    """How one step moves an array. Its attributes are all numbers."""

    kinds: ClassVar[tuple[str, ...]]
    """What it remembers of every array."""

    @property
    def grad_clip_norm(self) -> float:
        """Largest L2 norm of all gradients together; 0 or less is no limit."""
        ...

    def move(self, weight: FloatArray, gradient: FloatArray, moments: Mapping[str, FloatArray], *, steps: int) -> None:
        """Move *weight* and its *moments*, by kind, in place; this is step number *steps*, from 1."""
        ...


@define
class Optimizer:
    """The moments of every array and the number of steps taken."""

    rule: type[Rule]
    """What all its steps go by; their numbers may differ."""
    moments: Moments
    steps: int = 0

    @classmethod
    def over(cls, rule: type[Rule], weights: Mapping[str, FloatArray]) -> "Optimizer":
        """Begin with zero moments."""
        return cls(rule, {kind: zeros_like(weights) for kind in rule.kinds})

    def step(
        self, weights: Mapping[str, FloatArray], gradients: Mapping[str, FloatArray], rule: Rule
    ) -> dict[str, float]:
        """Move *weights* in place.

        Returns:
            ``grad_norm``: the L2 norm of all gradients together, before the limit.

        Raises:
            EngineInputError: The rule is another, or one of its numbers is not finite; nothing has changed.
        """
        self._check(rule)
        norm = global_norm(gradients)
        scale = min(1.0, rule.grad_clip_norm / (norm + 1e-6)) if rule.grad_clip_norm > 0 else 1.0
        self.steps += 1
        for name, weight in weights.items():
            moments = {kind: arrays[name] for kind, arrays in self.moments.items()}
            rule.move(weight, gradients[name] * scale, moments, steps=self.steps)
        return {"grad_norm": norm}

    def _check(self, rule: Rule) -> None:
        if not isinstance(rule, self.rule):
            raise EngineInputError(f"expected a step of {self.rule.__name__}, got {rule}")
        if not np.isfinite(astuple(rule)).all():
            raise EngineInputError(f"expected finite optimizer settings, got {rule}")


def zeros_like(weights: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return zeros of the shape of every array, by the same names."""
    return {name: np.zeros_like(array) for name, array in weights.items()}


def global_norm(gradients: Mapping[str, FloatArray]) -> float:
    """Return the L2 norm of all arrays together, summed in float64."""
    return float(np.sqrt(sum(float(np.sum(np.square(array), dtype=np.float64)) for array in gradients.values())))

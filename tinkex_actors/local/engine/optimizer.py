"""AdamW with decoupled weight decay, bias correction and a global-norm limit, in place over named arrays.

The order of operations is torch's ``AdamW``: decay, moments, step by ``lr / (1 - beta1ᵗ) * m / (sqrt(v / (1 - beta2ᵗ)) + eps)``.
The limit is torch's ``clip_grad_norm_``: gradients are scaled by ``limit / (norm + 1e-6)`` when that is below one.
"""

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

import numpy as np
from attrs import define, field, frozen
from attrs.validators import and_, ge, lt

from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.errors import EngineInputError

Moments: TypeAlias = dict[str, dict[str, FloatArray]]
"""What an optimizer remembers of every array, by its kind."""

_BETA = and_(ge(0.0), lt(1.0))


@frozen(kw_only=True)
class AdamSettings:
    """What one step may choose; the defaults are the service's."""

    learning_rate: float = field(default=1e-4)
    beta1: float = field(default=0.9, validator=_BETA)
    beta2: float = field(default=0.95, validator=_BETA)
    eps: float = field(default=1e-12, validator=ge(0.0))
    weight_decay: float = field(default=0.0)
    grad_clip_norm: float = field(default=0.0)
    """Largest L2 norm of all gradients together; 0 or less is no limit."""

    def check(self) -> None:
        """Refuse settings that would poison the weights.

        Raises:
            EngineInputError: A number is not finite.
        """
        check_finite(self, self.learning_rate, self.beta1, self.beta2, self.eps, self.weight_decay, self.grad_clip_norm)


@define
class Adam:
    """The moments of every array and the number of steps taken."""

    moments: Moments
    """Under ``"first"`` and ``"second"``."""
    steps: int = 0
    kinds: ClassVar[tuple[str, ...]] = ("first", "second")

    @classmethod
    def over(cls, weights: Mapping[str, FloatArray]) -> "Adam":
        """Begin with zero moments."""
        return cls({kind: zeros_like(weights) for kind in cls.kinds})

    def step(
        self, weights: Mapping[str, FloatArray], gradients: Mapping[str, FloatArray], settings: AdamSettings
    ) -> dict[str, float]:
        """Move *weights* in place.

        Returns:
            ``grad_norm``: the L2 norm of all gradients together, before the limit.
        """
        norm, scale = clip(gradients, settings.grad_clip_norm)
        self.steps += 1
        for name, weight in weights.items():
            self._move(name, weight, gradients[name] * scale, settings)
        return {"grad_norm": norm}

    def _move(self, name: str, weight: FloatArray, gradient: FloatArray, settings: AdamSettings) -> None:
        first, second = self.moments["first"][name], self.moments["second"][name]
        weight *= 1.0 - settings.learning_rate * settings.weight_decay
        first *= settings.beta1
        first += (1.0 - settings.beta1) * gradient
        second *= settings.beta2
        second += (1.0 - settings.beta2) * gradient * gradient
        denominator = np.sqrt(second / (1.0 - settings.beta2**self.steps))
        denominator += settings.eps
        step = first / denominator
        step *= settings.learning_rate / (1.0 - settings.beta1**self.steps)
        weight -= step


def zeros_like(weights: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return zeros of the shape of every array, by the same names."""
    return {name: np.zeros_like(array) for name, array in weights.items()}


def check_finite(settings: object, *numbers: float) -> None:
    """Refuse *settings* unless all their *numbers* are finite.

    Raises:
        EngineInputError: One is not.
    """
    if not np.isfinite(numbers).all():
        raise EngineInputError(f"expected finite optimizer settings, got {settings}")


def clip(gradients: Mapping[str, FloatArray], limit: float) -> tuple[float, float]:
    """Return the norm of all gradients together, and the factor that keeps it within *limit*; 0 or less is none."""
    norm = global_norm(gradients)
    return norm, min(1.0, limit / (norm + 1e-6)) if limit > 0 else 1.0


def global_norm(gradients: Mapping[str, FloatArray]) -> float:
    """Return the L2 norm of all arrays together, summed in float64."""
    return float(np.sqrt(sum(float(np.sum(np.square(array), dtype=np.float64)) for array in gradients.values())))

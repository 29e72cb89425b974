"""AdamW with decoupled weight decay and bias correction, as a rule for `Optimizer`.

The order of operations is torch's ``AdamW``: decay, moments, step by ``lr / (1 - beta1ᵗ) * m / (sqrt(v / (1 - beta2ᵗ)) + eps)``.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from attrs import field, frozen
from attrs.validators import and_, ge, lt

from tinkex_actors.local.engine.arrays import FloatArray

_BETA = and_(ge(0.0), lt(1.0))


@frozen(kw_only=True)
class Adam:
    """One step of it; the defaults are the service's."""

    learning_rate: float = field(default=1e-4)
    beta1: float = field(default=0.9, validator=_BETA)
    beta2: float = field(default=0.95, validator=_BETA)
    eps: float = field(default=1e-12, validator=ge(0.0))
    weight_decay: float = field(default=0.0)
    grad_clip_norm: float = field(default=0.0)
    """Largest L2 norm of all gradients together; 0 or less is no limit."""
    kinds: ClassVar[tuple[str, ...]] = ("first", "second")

    def move(self, weight: FloatArray, gradient: FloatArray, moments: Mapping[str, FloatArray], *, steps: int) -> None:
        """Move *weight* and its two moments, in place."""
        first, second = moments["first"], moments["second"]
        weight *= 1.0 - self.learning_rate * self.weight_decay
        first *= self.beta1
        first += (1.0 - self.beta1) * gradient
        second *= self.beta2
        second += (1.0 - self.beta2) * gradient * gradient
        denominator = np.sqrt(second / (1.0 - self.beta2**steps))
        denominator += self.eps
        step = first / denominator
        step *= self.learning_rate / (1.0 - self.beta1**steps)
        weight -= step

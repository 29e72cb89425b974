"""Losses of jax: `jax.value_and_grad` finds the gradients.

A loss gets float32 arrays, jax's own default; ``precision="float64"`` switches 64 bits on for the time of the evaluation.
A function that draws at random takes a key it is given; there is no seed to set.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.adapters.differentiation import Precision, require, split_result
from tinkex_actors.compute.loss import LossEvaluation
from tinkex_actors.compute.regularizers.term import Values, one_of
from tinkex_actors.types import Datum


@frozen
class JaxLoss:
    """A function of data and jax arrays, differentiated by jax; made by `jax_loss`."""

    # What jax's own types are, only jax knows.
    function: Callable[[Any, Any], Any]
    precision: Precision = field(default="float32", validator=one_of("float32", "float64"), kw_only=True)

    def evaluate_loss(
        self, data: Sequence[Datum], logprobs: Sequence[Values], *, seed: int | None = None
    ) -> LossEvaluation:
        """Evaluate and differentiate; *seed* is not used.

        Raises:
            ModuleNotFoundError: Jax is not installed.
        """
        del seed
        jax = require("jax")

        # Metrics are traced too; jax unpacks them as the auxiliary output.
        def split(arrays: Any) -> tuple[Any, Any]:
            found = split_result(self.function(data, arrays), "jax")
            return jax.numpy.sum(found.loss), dict(found.metrics)

        with jax.enable_x64(self.precision == "float64"):
            arrays = [jax.numpy.asarray(array, dtype=self.precision) for array in logprobs]
            (value, metrics), slopes = jax.value_and_grad(split, has_aux=True)(arrays)
        gradients = tuple(np.asarray(slope, np.float64) for slope in slopes)
        return LossEvaluation(float(value), gradients, {name: float(found) for name, found in metrics.items()})


def jax_loss(function: Callable[[Any, Any], Any], *, precision: Precision = "float32") -> JaxLoss:
    """Take ``function(data, logprobs)`` of jax arrays for a loss.

    Args:
        function: Returns an array, which is summed, or an array and metrics.
        precision: Of the arrays it gets.
    """
    return JaxLoss(function, precision=precision)

"""Losses of autograd: numpy as usual, from ``autograd.numpy``, in double precision."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from tinkex_actors.compute.adapters.differentiation import require, split_result
from tinkex_actors.compute.loss import LossEvaluation
from tinkex_actors.compute.loss_errors import LossInvalid
from tinkex_actors.compute.regularizers.term import Values
from tinkex_actors.types import Datum


@frozen
class AutogradLoss:
    """A function of data and autograd's arrays, differentiated by autograd; made by `autograd_loss`."""

    # What autograd traces has no type.
    function: Callable[[Any, Any], Any]

    def evaluate_loss(
        self, data: Sequence[Datum], logprobs: Sequence[Values], *, seed: int | None = None
    ) -> LossEvaluation:
        """Evaluate and differentiate in one pass; *seed* is not used.

        Raises:
            LossInvalid: The loss does not depend on the log-probabilities.
            ModuleNotFoundError: Autograd is not installed.
        """
        del seed
        tracer, core = require("autograd", "autograd.tracer"), require("autograd", "autograd.core")
        anp = require("autograd", "autograd.numpy")
        metrics = dict[str, float]()

        def total(arrays: Any) -> Any:
            found = split_result(self.function(data, arrays), "autograd")
            metrics.update({name: float(tracer.getval(value)) for name, value in found.metrics.items()})
            loss = anp.sum(found.loss)
            if not tracer.isbox(loss):
                raise LossInvalid(
                    "expected a loss of autograd that depends on the logprobs, got one that does not; "
                    "look for numpy where autograd.numpy was meant"
                )
            return loss

        pull, value = core.make_vjp(total, list(logprobs))
        gradients = tuple(np.asarray(slope, np.float64) for slope in pull(1.0))
        return LossEvaluation(float(value), gradients, metrics)


def autograd_loss(function: Callable[[Any, Any], Any]) -> AutogradLoss:
    """Take ``function(data, logprobs)`` written with ``autograd.numpy`` for a loss.

    Args:
        function: Returns a number or an array, which is summed, or that and metrics.
    """
    return AutogradLoss(function)

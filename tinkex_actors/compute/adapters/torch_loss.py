"""Losses of torch: the log-probabilities are leaves, autograd finds the gradients.

A loss gets float32 tensors on the CPU, as the official SDK gives them, so that functions written for it run unchanged;
``precision="float64"`` gives doubles.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.adapters.differentiation import Precision, require, split_result
from tinkex_actors.compute.loss import LossEvaluation
from tinkex_actors.compute.loss_errors import LossInvalid
from tinkex_actors.compute.regularizers.term import Values, one_of
from tinkex_actors.types import Datum


@frozen
class TorchLoss:
    """A function of data and tensors, differentiated by torch; made by `torch_loss`."""

    # What torch's own types are, only torch knows.
    function: Callable[[Any, Any], Any]
    precision: Precision = field(default="float32", validator=one_of("float32", "float64"), kw_only=True)

    def evaluate_loss(
        self, data: Sequence[Datum], logprobs: Sequence[Values], *, seed: int | None = None
    ) -> LossEvaluation:
        """Evaluate and differentiate; a datum that the loss does not depend on has gradient 0.

        Args:
            data: Passed on.
            logprobs: Become leaves.
            seed: Torch's generator is seeded with it for the time of the evaluation.

        Raises:
            LossInvalid: The loss depends on none of the log-probabilities.
            ModuleNotFoundError: Torch is not installed.
        """
        torch = require("torch")
        leaves = [torch.from_numpy(array.astype(self.precision)).requires_grad_() for array in logprobs]
        with torch.enable_grad(), torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            found = split_result(self.function(data, leaves), "torch")
            loss = found.loss.sum() if isinstance(found.loss, torch.Tensor) else None
            if loss is None or not loss.requires_grad:
                raise LossInvalid(
                    f"expected a tensor that depends on the logprobs, got {type(found.loss).__name__} that does not; "
                    "look for detach(), item() or numpy() on the way"
                )
            slopes = torch.autograd.grad(loss, leaves, allow_unused=True)
        gradients = [
            np.zeros(array.shape) if slope is None else slope.numpy().astype(np.float64)
            for slope, array in zip(slopes, logprobs, strict=True)
        ]
        metrics = {name: _to_number(value) for name, value in found.metrics.items()}
        return LossEvaluation(_to_number(loss), tuple(gradients), metrics)


def _to_number(value: Any) -> float:
    return float(value.detach() if hasattr(value, "detach") else value)


def torch_loss(function: Callable[[Any, Any], Any], *, precision: Precision = "float32") -> TorchLoss:
    """Take ``function(data, logprobs)`` of torch tensors for a loss.

    Args:
        function: Returns a tensor, which is summed, or a tensor and metrics.
        precision: Of the tensors it gets.
    """
    return TorchLoss(function, precision=precision)

"""Which examples a step sees, and how far it moves: pure functions of the plan, so a run can be told again exactly."""

from collections.abc import Iterator
from typing import Literal

import attrs
import numpy as np


@attrs.frozen(kw_only=True)
class Schedule:
    """The order of a run. Two runs with equal schedules see equal batches and equal learning rates."""

    steps: int = attrs.field(validator=attrs.validators.ge(1))
    batch_size: int = attrs.field(validator=attrs.validators.ge(1))
    learning_rate: float = attrs.field(validator=attrs.validators.gt(0.0))
    """The highest rate, after the warm-up."""
    warmup_steps: int = attrs.field(default=3, validator=attrs.validators.ge(0))
    decay: Literal["linear", "constant"] = "linear"
    """What the rate does after the warm-up: fall towards zero, or stay."""
    seed: int = attrs.field(default=0, validator=attrs.validators.ge(0))

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step: a linear rise over the warm-up, then what `decay` says."""
        rise = (step + 1) / (self.warmup_steps + 1)
        if self.decay == "constant":
            return self.learning_rate * min(rise, 1.0)
        fall = (self.steps - step) / max(self.steps - self.warmup_steps, 1)
        return self.learning_rate * min(rise, fall, 1.0)

    def batches(self, num_examples: int) -> Iterator["Batch"]:
        """Go through the examples epoch by epoch, each time in another order, for the number of steps.

        Args:
            num_examples: At least 1.

        Yields:
            One batch a step. The last of an epoch may be smaller; no example comes twice in one epoch.
        """
        step = epoch = 0
        while step < self.steps:
            order = np.random.default_rng((self.seed, epoch)).permutation(num_examples)
            for start in range(0, num_examples, self.batch_size):
                if step == self.steps:
                    return
                members = tuple(int(i) for i in order[start : start + self.batch_size])
                yield Batch(step=step, epoch=epoch, members=members)
                step += 1
            epoch += 1


@attrs.frozen(kw_only=True)
class Batch:
    """The examples of one step, by their places in the data."""

    step: int
    epoch: int
    members: tuple[int, ...]

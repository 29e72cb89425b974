"""Several arrays, each with its own penalties: one total and one gradient for each array.

Each entry names the array it penalizes; the other arrays are fields it may read, held constant. Arrays that no entry
penalizes have gradient 0.
"""

from collections.abc import Mapping

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.regularizers.pipeline import Entry, PenaltyPipeline
from tinkex_actors.compute.regularizers.term import Context, Values
from tinkex_actors.types.tensors import Array


@frozen(eq=False)
class MultiInputEvaluation:
    """A pipeline of several arrays at one point."""

    value: float
    gradients: Mapping[str, Values]
    """By input, in its shape: all inputs that were given."""
    metrics: Mapping[str, float]
    """``total`` and, by entry, ``name:raw`` and ``name:weighted``."""


@frozen
class MultiInputPipeline:
    """Weighted terms of named arrays."""

    entries: Mapping[str, tuple[Entry, ...]] = field(hash=False)
    """By the name of the array they penalize. Names of entries are unique over all of them."""

    def __attrs_post_init__(self) -> None:
        PenaltyPipeline(entry for entries in self.entries.values() for entry in entries)

    def evaluate(self, inputs: Mapping[str, Array], *, seed: tuple[int, ...] | None = None) -> MultiInputEvaluation:
        """Evaluate every enabled entry once.

        Raises:
            ValueError: An array that entries penalize is missing, or a term refuses its shape.
        """
        missing = [name for name in self.entries if name not in inputs]
        if missing:
            raise ValueError(f"expected inputs {', '.join(self.entries)}, got none for {', '.join(missing)}")
        total, metrics = 0.0, dict[str, float]()
        gradients: dict[str, Values] = {name: np.zeros(np.shape(array)) for name, array in inputs.items()}
        for name, entries in self.entries.items():
            found = PenaltyPipeline(entries).evaluate(inputs[name], Context(inputs, seed))
            total += found.value
            gradients[name] = found.gradient
            metrics |= found.metrics
        return MultiInputEvaluation(total, gradients, metrics | {"total": total})

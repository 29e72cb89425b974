"""What a regularizer is: log-probabilities in; one number, its exact gradient and some figures out, in one evaluation.

A `Term` sees one array. `tinkex_actors.compute.batch_terms` makes a loss over a batch of it, by datum or concatenated.
Value and gradient come from the same evaluation, so that they belong to the same point even if the term draws at
random; randomness is a seed in the `Context`, so the same context gives the same evaluation.

All arithmetic is float64. Logarithms are natural, so log-probabilities and divergences are in nats.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from tinkex_actors.types._checks import Validator
from tinkex_actors.types.tensors import Array, to_array

Values: TypeAlias = npt.NDArray[np.float64]

Reduction: TypeAlias = Literal["mean", "sum"]
"""How positions become one number. A mean divides by elements, or by distributions where a term has an axis."""

_MATRIX = 2


@frozen(eq=False)
class Evaluation:
    """One term at one point."""

    value: float
    """Without the weight of a composition."""
    gradient: Values
    """The derivative of the value with respect to the log-probabilities, in their shape."""
    metrics: Mapping[str, float] = field(factory=dict[str, float])
    """Figures beside the value."""
    labels: Mapping[str, str] = field(factory=dict[str, str])
    """Words beside the value, such as the direction of a divergence."""


@frozen(eq=False)
class Context:
    """What a term may read beside the log-probabilities."""

    fields: Mapping[str, Array] = field(factory=dict[str, Array])
    """Arrays by name, such as ``reference_logprobs``."""
    seed: tuple[int, ...] | None = None
    """Where random draws begin; ``None`` refuses them."""

    def array(self, name: str, shape: tuple[int, ...]) -> Values:
        """Return the field *name* as float64.

        Raises:
            ValueError: There is no such field, or it has another shape than *shape*.
        """
        if name not in self.fields:
            known = ", ".join(self.fields) or "none"
            raise ValueError(f"expected a field {name!r}, got {known}; give it in the datum or in the inputs")
        array = to_array(self.fields[name]).astype(np.float64, copy=False)
        if array.shape != shape:
            raise ValueError(f"expected {name!r} in the shape of the logprobs, {shape}, got {array.shape}")
        return array

    def generator(self) -> np.random.Generator:
        """Return a fresh generator at the seed: the same draws for the same context.

        Raises:
            ValueError: There is no seed.
        """
        if self.seed is None:
            raise ValueError("expected a seed, since this term draws at random; pass seed=..., a new one each step")
        return np.random.default_rng(self.seed)


NO_CONTEXT = Context()
"""For terms that read nothing but the log-probabilities."""


class Term(Protocol):
    """A regularizer of one array."""

    name: ClassVar[str]
    """What it is called where nobody names it."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the arrays it reads from the context."""
        ...

    def evaluate(self, logprobs: Array, context: Context = NO_CONTEXT) -> Evaluation:
        """Evaluate value and gradient at *logprobs*.

        Raises:
            ValueError: The shape is not one this term has a meaning for, or a field is missing.
        """
        ...


def read_logprobs(logprobs: Array) -> Values:
    """Take log-probabilities of any shape as float64.

    Raises:
        ValueError: Not numbers, or none at all.
    """
    values = to_array(logprobs).astype(np.float64, copy=False)
    if values.size == 0:
        raise ValueError(f"expected at least one log-probability, got shape {values.shape}")
    return values


def read_distributions(logprobs: Array, axis: int) -> Values:
    """Take log-probabilities that hold a distribution along *axis*.

    Raises:
        ValueError: Not numbers, none at all, one-dimensional, or without such an axis. One log-probability a token is
            no distribution over a vocabulary, however long the text is.
    """
    values = read_logprobs(logprobs)
    if values.ndim < _MATRIX:
        raise ValueError(
            f"expected logprobs with a vocabulary axis, such as (positions, k), got shape {values.shape}; "
            "give k targets a token (topk_datum makes such data), or use a term of single tokens"
        )
    if not -values.ndim <= axis < values.ndim:
        raise ValueError(f"expected axis to be one of the {values.ndim} axes of shape {values.shape}, got {axis}")
    return values


def one_of(*words: str) -> Validator:
    """Require one of *words*."""

    def check(_: Any, attribute: Any, value: Any) -> None:
        if value not in words:
            known = ", ".join(repr(word) for word in words)
            raise ValueError(f"{attribute.name} must be one of {known}, got {value!r}")

    return check

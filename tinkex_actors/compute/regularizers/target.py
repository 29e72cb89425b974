"""What an element-wise penalty penalizes: log-probabilities, probabilities, or a field of the datum.

A field does not depend on the log-probabilities: it shifts the reported loss and its gradient is truly 0.
"""

from typing import Any, Literal, TypeAlias, assert_never

import numpy as np
from attrs import field, frozen

from tinkex_actors.compute.regularizers.term import Context, Values
from tinkex_actors.types._checks import text


@frozen
class Field:
    """The array of that name in each datum, or in the inputs of the composition."""

    name: str = field(validator=text(empty=False))


Target: TypeAlias = Literal["logprobs", "probs"] | Field


def logprobs_target() -> Target:
    """Return the default; a factory, since pyright widens the union of a literal and a class in `attrs.field`."""
    return "logprobs"


@frozen(eq=False)
class Selected:
    """The chosen numbers, and how fast each moves with its log-probability."""

    values: Values
    slope: Values | None
    """``None`` where the numbers are the log-probabilities themselves."""

    def chain(self, gradient: Values) -> Values:
        """Turn the gradient with respect to the numbers, which is used up, into that of the log-probabilities."""
        if self.slope is not None:
            gradient *= self.slope
        return gradient


def check_target(_: Any, attribute: Any, value: Any) -> None:
    """Require a target: an attrs validator."""
    if not isinstance(value, Field) and value not in ("logprobs", "probs"):
        raise ValueError(f"{attribute.name} must be 'logprobs', 'probs' or Field(name), got {value!r}")


def target_fields(target: Target) -> tuple[str, ...]:
    """List what *target* reads from the context."""
    return (target.name,) if isinstance(target, Field) else ()


def select(target: Target, logprobs: Values, context: Context) -> Selected:
    """Choose what is penalized.

    Raises:
        ValueError: The field is missing or has another shape.
    """
    match target:
        case "logprobs":
            return Selected(logprobs, None)
        case "probs":
            probabilities = np.exp(logprobs)
            return Selected(probabilities, probabilities)
        case Field(name=name):
            return Selected(context.array(name, logprobs.shape), np.zeros_like(logprobs))
        case _:
            assert_never(target)

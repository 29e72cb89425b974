"""What a composed loss reports: base, terms, totals and gradient norms, as values that serialise to JSON.

A norm is a number, or absent with a reason beside it: not asked for, or not to be had. It is never 0 for want of a
gradient, so 0 means that nothing is pulled.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, TypeGuard

import attrs
from attrs import field, frozen


@frozen(kw_only=True)
class BaseLossOutput:
    """The loss without its regularizers."""

    value: float
    grad_norm: float | None
    grad_norm_missing: str | None
    """Why there is no norm."""
    custom: dict[str, float] = field(factory=dict[str, float], hash=False)
    """Metrics of the loss itself."""
    labels: dict[str, str] = field(factory=dict[str, str], hash=False)


@frozen(kw_only=True)
class RegularizerOutput:
    """One term of the composition."""

    name: str
    value: float
    """Without its weight."""
    weight: float
    contribution: float
    """Weight times value: its part of the total."""
    grad_norm: float | None
    """Without its weight."""
    grad_norm_weighted: float | None
    grad_norm_missing: str | None
    """Why there are no norms."""
    custom: dict[str, float] = field(factory=dict[str, float], hash=False)
    """Metrics of the term itself."""
    labels: dict[str, str] = field(factory=dict[str, str], hash=False)


@frozen(kw_only=True)
class CustomLossOutput:
    """A composed loss at one point."""

    loss_total: float
    base_loss: BaseLossOutput
    regularizers: dict[str, RegularizerOutput] = field(hash=False)
    """By name, in the order of the composition."""
    regularizer_total: float
    """The sum of the contributions; 0 without terms."""
    total_grad_norm: float | None
    """The norm of the sum of the weighted gradients, not the sum of the norms."""
    total_grad_norm_missing: str | None
    """Why there is no norm."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, strings and numbers; a metric that is not finite becomes ``None``, as JSON has none."""
        plain: dict[str, Any] = _plain(attrs.asdict(self))
        return plain

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(self.to_dict(), allow_nan=False, ensure_ascii=False)


# A tree of what asdict makes.
def _plain(value: Any) -> Any:
    if _is_mapping(value):
        return {str(key): _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)

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

from tinkex_actors.types import ForwardBackwardOutput


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

    def to_metrics(self) -> dict[str, float]:
        """Return the numbers by flat names, as a step's metrics.

        ``base_loss:sum``, ``regularizer_total:sum``; for each term ``regularizer/NAME:sum`` (its contribution),
        ``regularizer/NAME/value:sum`` and its own figures; ``grad_norm:mean``, ``base_loss/grad_norm:mean`` and
        ``regularizer/NAME/grad_norm:mean`` where there is one.
        """
        base = self.base_loss
        found: dict[str, float | None] = {"base_loss:sum": base.value, "base_loss/grad_norm:mean": base.grad_norm}
        found |= {"regularizer_total:sum": self.regularizer_total, "grad_norm:mean": self.total_grad_norm}
        for name, term in self.regularizers.items():
            place = f"regularizer/{name}"
            found |= {f"{place}:sum": term.contribution, f"{place}/value:sum": term.value}
            found |= {f"{place}/grad_norm:mean": term.grad_norm}
            found |= {f"{place}/{key}": value for key, value in term.custom.items()}
        return {name: value for name, value in found.items() if value is not None}


@frozen
class CustomForwardBackwardOutput(ForwardBackwardOutput):
    """What a custom loss's step brought: the server's answer, ``loss:sum`` replaced by the loss, and the whole report."""

    custom_loss: CustomLossOutput = field(kw_only=True)


# A tree of what asdict makes.
def _plain(value: Any) -> Any:
    if _is_mapping(value):
        return {str(key): _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)

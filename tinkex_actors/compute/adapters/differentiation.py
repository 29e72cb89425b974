"""What losses that are differentiated have in common: which library, which precision, and what they return."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal, TypeAlias

from attrs import frozen

from tinkex_actors.compute.loss_errors import LossInvalid

_LOSS_AND_METRICS = 2

Precision: TypeAlias = Literal["float32", "float64"]


# Libraries that may be absent, and one of which has no types, are known by name alone.
def require(library: str, module: str | None = None) -> Any:
    """Import *module* of *library*.

    Raises:
        ModuleNotFoundError: It is not installed; the message says what to install.
    """
    try:
        return import_module(module or library)
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"a loss of {library} needs {missing.name}; install tinkex-actors[{library}]", name=missing.name
        ) from missing


@frozen(eq=False)
class Returned:
    """What a differentiable loss returned: arrays of its library, to be differentiated and reported."""

    loss: Any
    metrics: Mapping[str, Any]


def split_result(result: Any, library: str) -> Returned:
    """Tell the loss from its metrics.

    Raises:
        LossInvalid: Neither a loss nor a loss and a mapping.
    """
    if not isinstance(result, tuple):
        return Returned(result, {})
    parts: tuple[Any, ...] = result  # pyright: ignore[reportUnknownVariableType] - a tuple of anything
    if len(parts) != _LOSS_AND_METRICS or not isinstance(parts[1], Mapping):
        raise LossInvalid(
            f"expected a loss of {library} to return loss or (loss, metrics), got a tuple of {len(parts)}; "
            "if it returns gradients of its own, wrap it with numpy_loss"
        )
    return Returned(parts[0], parts[1])  # pyright: ignore[reportUnknownArgumentType] - read one by one

"""What a spec promises: order of start and stop, how long a stop may take, how soon the supervisor gives up.

Computed from the specs alone, before anything runs.
"""

import math
from collections.abc import Iterator

from attrs import frozen

from supervisors._exit import describe
from supervisors._policy import BRUTAL_KILL, Backoff, Shutdown
from supervisors._spec import AnySpec, ChildSpec, SupervisorSpec, name_child


@frozen
class Explanation:
    """What a supervisor's spec promises. ``str`` of it is a text."""

    name: str
    start_order: tuple[str, ...]
    """Paths of the declared children, in the order they are started."""
    stop_order: tuple[str, ...]
    """The reverse."""
    stop_seconds: float
    """The longest an ordered stop may take before everything is cancelled; ``math.inf`` if a budget is unlimited."""
    give_up_seconds: float
    """How soon it gives up on a declared child that fails at once, whenever it is started; ``math.inf`` for never."""

    def __str__(self) -> str:
        give_up = "never gives up on a child that fails at once"
        if self.give_up_seconds < math.inf:
            give_up = f"gives up {self.give_up_seconds:g} s after a child begins to fail at once"
        return "\n".join(
            [
                f"{self.name} starts: {', '.join(self.start_order) or 'nothing'}",
                f"stops in reverse, within {self.stop_seconds:g} s",
                give_up,
            ]
        )


def explain(spec: SupervisorSpec) -> Explanation:
    """Compute what *spec* promises.

    Raises:
        TypeError: It is no :class:`SupervisorSpec`.
    """
    if not isinstance(spec, SupervisorSpec):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
        raise TypeError(f"expected a SupervisorSpec, got {describe(spec)}; one child's promises are its fields")
    order = tuple(_paths(spec, spec.name))
    return Explanation(
        name=spec.name,
        start_order=order,
        stop_order=tuple(reversed(order)),
        stop_seconds=_stop_seconds(spec),
        give_up_seconds=min(
            (_give_up_seconds(spec, child.backoff) for child in spec.children if child.restart.value != "temporary"),
            default=math.inf,
        ),
    )


def _paths(spec: SupervisorSpec, path: str) -> Iterator[str]:
    serial = 0
    for child in spec.children:
        serial += child.name is None
        name = name_child(child, serial)
        if isinstance(child, SupervisorSpec):
            yield from _paths(child, f"{path}/{name}")
        else:
            yield f"{path}/{name}"


def _stop_seconds(spec: AnySpec) -> float:
    own = _budget(spec.shutdown)
    if isinstance(spec, ChildSpec):
        return own
    below = [_stop_seconds(child) for child in spec.children]
    return min(own, max(below, default=0.0) if spec.dynamic else sum(below))


def _budget(shutdown: Shutdown) -> float:
    return 0.0 if shutdown is BRUTAL_KILL else shutdown


def _give_up_seconds(spec: SupervisorSpec, backoff: Backoff | None) -> float:
    """When more than ``max_restarts`` restarts first fall into one window, for a child that dies as it starts."""
    if backoff is None:
        return 0.0
    decided = [0.0]
    # Once pauses are at their longest nothing changes any more, so a few windows beyond that decide it.
    for attempt in range(1, 64 + 4 * (spec.max_restarts + 1)):
        if len(decided) > spec.max_restarts and decided[-1] - decided[-1 - spec.max_restarts] <= spec.max_seconds:
            return decided[-1]
        decided.append(decided[-1] + backoff.pause(attempt, 0.0))
    return math.inf

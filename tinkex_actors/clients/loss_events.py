"""What happens while a custom loss is evaluated, for whoever measures it: start, stop and exception of every part."""

from collections.abc import Callable
from typing import Literal, Self, TypeAlias

import trio
from attrs import evolve, frozen

from tinkex_actors.log import get_log

_log = get_log()

LossPart: TypeAlias = Literal["custom_loss", "base", "regularizer"]
LossPhase: TypeAlias = Literal["start", "stop", "exception"]


@frozen(kw_only=True)
class LossEvent:
    """One part of one evaluation began, ended or failed."""

    part: LossPart
    """``custom_loss`` is the whole."""
    phase: LossPhase
    name: str
    """The regularizer's name; of other parts, the training client's."""
    duration: float | None = None
    """Seconds since the start."""
    value: float | None = None
    """Without its weight; of the whole, the total."""
    contribution: float | None = None
    """Weight times value."""
    grad_norm: float | None = None
    """Where norms are tracked."""
    error: str | None = None
    """The class of the exception; its words may quote data."""


class Watch:
    """A block that is told of: its start, and its stop or exception with how long it took."""

    def __init__(self, tell: Callable[[LossEvent], None] | None, part: LossPart, name: str) -> None:
        self._tell = tell
        self._event = LossEvent(part=part, phase="start", name=name)
        self._begun = 0.0

    def __enter__(self) -> Self:
        if self._tell is not None:
            self._begun = trio.current_time()
            self._tell(self._event)
        return self

    def note(self, value: float, contribution: float, grad_norm: float | None) -> None:
        """Say what came out, for the stop."""
        self._event = evolve(self._event, value=value, contribution=contribution, grad_norm=grad_norm)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._tell is not None:
            phase: LossPhase = "stop" if error is None else "exception"
            name = None if error is None else type(error).__name__
            self._tell(evolve(self._event, phase=phase, duration=trio.current_time() - self._begun, error=name))


def log_loss_event(event: LossEvent) -> None:
    """Write *event* to the log: failures at warning, everything else at debug. For ``on_event=log_loss_event``."""
    write = _log.warning if event.phase == "exception" else _log.debug
    write(
        f"{event.part} {event.phase}",
        name=event.name,
        duration=event.duration,
        value=event.value,
        contribution=event.contribution,
        grad_norm=event.grad_norm,
        error=event.error,
    )

"""What goes wrong with a custom loss: one branch of the client's tree, a class per reaction.

LossError                a custom loss or a regularizer cannot be used
├─ LossInvalid           it returned something else than a value and gradients in the right shapes, or not finite
├─ LossFailed            it raised; its error is the cause
│  └─ LossTimedOut       it took too long
├─ RegularizerFailed     a term raised; its name is in the message and in ``name``, its error is the cause
│  └─ RegularizerTimedOut
└─ GradientMismatch      its gradient is not the slope of its value (only `check_gradient` raises it)
"""

from tinkex_actors.types import TinkerError


class LossError(TinkerError):
    """A custom loss or a regularizer cannot be used."""


class LossInvalid(LossError):
    """A loss returned something else than a finite value and gradients in the shapes of the log-probabilities."""


class LossFailed(LossError):
    """A loss raised. The original error is the cause."""


class LossTimedOut(LossFailed):
    """A loss took longer than it may."""


class RegularizerFailed(LossError):
    """A term of a composition raised. The original error is the cause."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name
        """The term's name in the composition."""


class RegularizerTimedOut(RegularizerFailed):
    """A term of a composition took longer than it may."""


class GradientMismatch(LossError):
    """A gradient is not the slope of its value."""

    def __init__(self, message: str, *, datum: int, place: tuple[int, ...], given: float, measured: float) -> None:
        super().__init__(message)
        self.datum = datum
        """Index of the datum in question."""
        self.place = place
        """Index of the element in the datum's log-probabilities."""
        self.given = given
        """What the loss returned there."""
        self.measured = measured
        """What central differences say."""

"""Evaluate a loss off the event loop: functions in threads, ``async def`` awaited, every part once.

Parts of a composition run side by side, or one after the other. All look at the same read-only arrays, and the order in
which they end does not show in the result. The first failure ends the others; of several, the first in the composition's
order is told.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import trio
from attrs import field, frozen

from tinkex_actors.actors.loss_threads import LossThreads
from tinkex_actors.clients.loss_events import LossEvent, LossPart, Watch
from tinkex_actors.compute.composition import (
    ComposedEvaluation,
    ComposedLoss,
    RegularizerSpec,
    combine_terms,
    naming_failures,
)
from tinkex_actors.compute.evaluation import await_loss, evaluate_loss, gradient_norm
from tinkex_actors.compute.loss import Loss, LossEvaluation, is_async_loss
from tinkex_actors.compute.loss_errors import LossError, LossTimedOut, RegularizerTimedOut
from tinkex_actors.compute.regularizers.term import Values
from tinkex_actors.types import Datum
from tinkex_actors.types._checks import flag


# attrs calls a validator with an instance and an attribute of any class.
def _above_zero(_: Any, attribute: Any, value: float | None) -> None:
    if value is not None and not value > 0:
        raise ValueError(f"{attribute.name} must be > 0 or None, got {value!r}")


@frozen(kw_only=True)
class CustomLossOptions:
    """How a custom loss is evaluated and sent."""

    is_parallel: bool = field(default=True, validator=flag())
    """Whether the parts of a composition run side by side."""
    term_timeout: float | None = field(default=30.0, validator=_above_zero)
    """Seconds a regularizer may take, in either mode; ``None`` is no limit."""
    base_timeout: float | None = field(default=None, validator=_above_zero)
    """Seconds the loss itself may take."""
    clip_norm: float | None = field(default=None, validator=_above_zero)
    """Longest gradient with respect to the log-probabilities, over all data; a longer one is scaled down."""
    on_event: Callable[[LossEvent], None] | None = None
    """Told of every start, stop and exception, on the event loop. What it raises fails the operation."""


DEFAULT_OPTIONS = CustomLossOptions()


@frozen(eq=False)
class Evaluator:
    """What one evaluation needs beside the loss."""

    data: Sequence[Datum]
    logprobs: Sequence[Values]
    """Read-only."""
    seed: int | None
    options: CustomLossOptions
    threads: LossThreads
    client: str
    """The training client's name, for events."""

    async def evaluate(self, loss: Loss) -> ComposedEvaluation:
        """Evaluate *loss*, a composition or not.

        Raises:
            LossInvalid: The base returned something that cannot train.
            LossTimedOut: A part took too long; a regularizer is named.
            RegularizerFailed: A term raised; the message names it.
            LossFailed: The base raised.
        """
        composed = loss if isinstance(loss, ComposedLoss) else ComposedLoss(loss, ())
        base_part = _Part(self, None, composed.base, is_tracked=composed.track_norms)
        parts = [base_part, *(_term(self, spec, is_tracked=composed.track_norms) for spec in composed.terms)]
        run = _side_by_side if self.options.is_parallel else _one_by_one
        base, *terms = await run([part.evaluate for part in parts])
        return combine_terms(composed, base, terms)


def _term(evaluator: Evaluator, spec: RegularizerSpec, *, is_tracked: bool) -> "_Part":
    return _Part(evaluator, spec.name, spec.loss, spec.weight, is_tracked=is_tracked)


@frozen(eq=False)
class _Part:
    """One part of a composition."""

    evaluator: Evaluator
    name: str | None
    """The base has none."""
    loss: Loss
    weight: float = 1.0
    is_tracked: bool = field(kw_only=True)

    async def evaluate(self) -> LossEvaluation:
        at = self.evaluator
        kind: LossPart = "base" if self.name is None else "regularizer"
        with naming_failures(self.name), Watch(at.options.on_event, kind, self.name or at.client) as watch:
            found = await self._evaluate()
            is_told = self.is_tracked and at.options.on_event is not None and found.gradients is not None
            norm = gradient_norm(found.gradients or ()) if is_told else None
            watch.note(found.value, self.weight * found.value, norm)
        return found

    async def _evaluate(self) -> LossEvaluation:
        at = self.evaluator
        if isinstance(self.loss, ComposedLoss):
            return (await at.evaluate(self.loss)).to_loss_evaluation()
        limit = at.options.base_timeout if self.name is None else at.options.term_timeout
        timeout = math.inf if limit is None else limit
        try:
            if not is_async_loss(self.loss):
                work = partial(evaluate_loss, self.loss, at.data, at.logprobs, seed=at.seed)
                return await at.threads.run(work, seconds=timeout, name=f"loss {self.name or at.client}")
            with trio.fail_after(timeout):
                return await await_loss(self.loss, at.data, at.logprobs, seed=at.seed)
        except trio.TooSlowError as error:
            raise self._too_slow(timeout) from error

    def _too_slow(self, timeout: float) -> LossError:
        if self.name is None:
            return LossTimedOut(f"the loss took more than {timeout:g} s; raise base_timeout if it may")
        return RegularizerTimedOut(
            f"the regularizer {self.name!r} took more than {timeout:g} s; raise term_timeout if it may", name=self.name
        )


async def _one_by_one(parts: Sequence[Callable[[], Awaitable[LossEvaluation]]]) -> list[LossEvaluation]:
    return [await part() for part in parts]


async def _side_by_side(parts: Sequence[Callable[[], Awaitable[LossEvaluation]]]) -> list[LossEvaluation]:
    found = dict[int, LossEvaluation]()
    failures = dict[int, LossError]()
    async with trio.open_nursery() as nursery:

        async def keep(index: int, part: Callable[[], Awaitable[LossEvaluation]]) -> None:
            try:
                found[index] = await part()
            except LossError as error:
                failures[index] = error
                nursery.cancel_scope.cancel()

        for index, part in enumerate(parts):
            nursery.start_soon(keep, index, part)
    if failures:
        raise failures[min(failures)]
    return [found[index] for index in range(len(parts))]

"""What a loop has submitted and not yet seen the end of, in the order in which the server works it off."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from attrs import frozen

from tinkex_actors.clients import Pending
from tinkex_actors.compute.loss_outputs import CustomForwardBackwardOutput
from tinkex_actors.daemon.admission import Ticket
from tinkex_actors.daemon.batch import StepBatch
from tinkex_actors.daemon.entries import CheckpointIntended, CheckpointSaved, JsonScalar
from tinkex_actors.types import (
    Datum,
    ForwardBackwardOutput,
    OptimStepResponse,
    SaveWeightsForSamplerResponse,
    SaveWeightsResponse,
)

Gradients: TypeAlias = Pending[ForwardBackwardOutput] | Pending[CustomForwardBackwardOutput]
"""A pass of the server's losses, or of one of the plan's own."""


@frozen(kw_only=True, eq=False)
class Evaluation:
    """What is measured before some steps: the loss on held-out examples."""

    data: Sequence[Datum]
    every_steps: int

    def is_due(self, step: int) -> bool:
        """Whether it is measured before *step*."""
        return step % self.every_steps == 0


@frozen(kw_only=True, eq=False)
class EvaluationFlight:
    """One evaluation under way, before the step of its number."""

    step: int
    batch: StepBatch
    output: Pending[ForwardBackwardOutput]
    ticket: Ticket

    def forget(self) -> None:
        """Nobody will ask for the result."""
        self.output.forget()

    async def metrics(self) -> dict[str, JsonScalar]:
        """Wait for it.

        Raises:
            TinkerError: It failed.
        """
        return {"test/nll": (await self.output).metrics["loss:sum"] / max(self.batch.num_learned, 1)}


@frozen(kw_only=True, eq=False)
class StepFlight:
    """One step under way."""

    step: int
    batch: StepBatch
    rate: float
    gradients: Gradients
    update: Pending[OptimStepResponse]
    ticket: Ticket
    began: float
    next_number: int

    def forget(self) -> None:
        """Nobody will ask for the results."""
        self.gradients.forget()
        self.update.forget()

    async def accepted(self) -> tuple[str, ...]:
        """Wait until the server has promised all of it; returns its names for the requests."""
        for pending in (self.gradients, self.update):
            await pending.accepted()
        return (*self.gradients.request_ids, *self.update.request_ids)

    async def metrics(self, *, steps: int, measured: Mapping[str, JsonScalar]) -> dict[str, JsonScalar]:
        """Wait for the results, and make the row of ``metrics.jsonl`` of them and of what was *measured* before.

        Raises:
            TinkerError: A part of it failed.
        """
        output, updated = await self.gradients, await self.update
        num_learned = self.batch.num_learned
        return {
            "step": self.step,
            "epoch": self.batch.epoch,
            "progress": (self.step + 1) / steps,
            "learning_rate": self.rate,
            "num_sequences": len(self.batch.data),
            "num_tokens": self.batch.num_tokens,
            "num_loss_tokens": num_learned,
            **_loss(self.batch.loss, output.metrics, num_learned),
            **{f"optim/{name}": value for name, value in sorted((updated.metrics or {}).items())},
            **measured,
            **self.batch.notes,
        }


@frozen(kw_only=True, eq=False)
class SaveFlight:
    """One checkpoint under way."""

    intended: CheckpointIntended
    state: Pending[SaveWeightsResponse]
    sampler: Pending[SaveWeightsForSamplerResponse] | None
    next_number: int

    def forget(self) -> None:
        """Nobody will ask for the results."""
        for pending in (self.state, self.sampler):
            if pending is not None:
                pending.forget()

    async def saved(self) -> CheckpointSaved:
        """Wait until the server has it.

        Raises:
            TinkerError: It could not be saved.
        """
        state = await self.state
        sampler = None if self.sampler is None else await self.sampler
        return CheckpointSaved(
            name=self.intended.name,
            life=self.intended.life,
            state_path=state.path,
            sampler_path=None if sampler is None else sampler.path,
            next_number=self.next_number,
        )


Flight = StepFlight | EvaluationFlight | SaveFlight


def _loss(name: str, metrics: Mapping[str, float], num_learned: int) -> dict[str, JsonScalar]:
    total = metrics["loss:sum"]
    if name == "cross_entropy":
        return {"train_mean_nll": total / max(num_learned, 1)}
    return {"train_loss": total}

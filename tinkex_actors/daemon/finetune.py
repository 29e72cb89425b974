"""The supervised loop: batches in, optimizer steps out, one record a step.

Gradient and update of a step are submitted back to back, so both travel while the first is computed; the loop waits
for them before it submits the next step. What the trainer's supervisor does meanwhile does not concern it: a pending
operation outlives the crash of the actor that carries it.
"""

from collections.abc import Callable, Sequence

import attrs
import trio

from tinkex_actors.clients import TrainingClient
from tinkex_actors.daemon.rendering import Rendered
from tinkex_actors.daemon.run_folder import StepRecord
from tinkex_actors.daemon.schedule import Batch, Schedule
from tinkex_actors.types import AdamParams


def _nothing(step: int) -> None:
    del step


def _never() -> bool:
    return False


@attrs.frozen(kw_only=True)
class FineTuning:
    """One run of the loop over one model.

    Guarantee: `on_step` is called once for each step that was applied, in order; a step is never half applied.
    """

    trainer: TrainingClient
    examples: Sequence[Rendered]
    schedule: Schedule
    on_step: Callable[[StepRecord], None]
    on_submitted: Callable[[int], None] = _nothing
    """Called with each step's number while both its operations are under way."""
    should_stop: Callable[[], bool] = _never
    """Asked before each step."""

    async def run(self) -> int:
        """Train until the schedule ends or a stop is asked for.

        Returns:
            How many steps were applied.

        Raises:
            TinkerError: An operation failed for good.
        """
        data = [example.as_datum() for example in self.examples]
        began = trio.current_time()
        done = 0
        for batch in self.schedule.batches(len(data)):
            if self.should_stop():
                break
            step_began = trio.current_time()
            gradients = self.trainer.forward_backward([data[i] for i in batch.members], "cross_entropy")
            update = self.trainer.optim_step(AdamParams(learning_rate=self.schedule.rate_at(batch.step)))
            self.on_submitted(batch.step)
            output = await gradients
            await update
            now = trio.current_time()
            self.on_step(self._record(batch, output.metrics["loss:sum"], seconds=now - step_began, total=now - began))
            done += 1
        return done

    def _record(self, batch: Batch, loss_sum: float, *, seconds: float, total: float) -> StepRecord:
        members = [self.examples[i] for i in batch.members]
        num_learned = sum(example.num_learned for example in members)
        return StepRecord(
            step=batch.step,
            epoch=batch.epoch,
            progress=(batch.step + 1) / self.schedule.steps,
            learning_rate=self.schedule.rate_at(batch.step),
            num_sequences=len(members),
            num_tokens=sum(len(example.tokens) - 1 for example in members),
            num_loss_tokens=num_learned,
            train_mean_nll=loss_sum / num_learned,
            seconds=seconds,
            total_seconds=total,
        )

"""What a training loop holds, the one that comes along as well as one of your own.

::

    async def train(loop: Loop) -> None:
        async for step in loop.steps():
            batch = await step.batch(lambda: make_one(loop, step))   # kept by the journal: made once, whatever crashes
            await step.submit(batch)

Every step is written down before it is submitted, and its result behind it; checkpoints fall between two steps, stops
too. A step that was lost comes again, with the same number, the same random numbers and the same batch. The steps run
ahead of their results by the plan's ``pipeline``; since requests are executed in the order of their submission, nothing
later than step N is ever in the state that is saved after step N.
"""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import trio
from attrs import define, field

from tinkex_actors.clients import SamplingClient, TinkerClient, Tokenizer, TrainingClient
from tinkex_actors.daemon.admission import Kind, Ticket
from tinkex_actors.daemon.asking import take_request
from tinkex_actors.daemon.batch import StepBatch, recall_batch
from tinkex_actors.daemon.entries import CheckpointIntended, Intent, JsonScalar, StepAccepted, StepDone, StepIntended
from tinkex_actors.daemon.errors import BudgetSpent, LifeLost, LoopMisused
from tinkex_actors.daemon.flights import Evaluation, EvaluationFlight, Flight, Gradients, SaveFlight, StepFlight
from tinkex_actors.daemon.journal import Journal
from tinkex_actors.daemon.plan import RunPlan
from tinkex_actors.daemon.references import Reference
from tinkex_actors.daemon.retention import Retention
from tinkex_actors.daemon.site import RunSite, RunState
from tinkex_actors.types import TinkerError


@define(eq=False)
class Loop:
    """One life of a run: its model, its steps."""

    site: RunSite
    tinker: TinkerClient
    trainer: TrainingClient
    tokenizer: Tokenizer
    life: int
    first_step: int
    """The first step that is not in the model."""
    intents: Mapping[int, Intent]
    """Steps that were submitted before, in this life or a former one."""
    retention: Retention
    nursery: trio.Nursery
    evaluation: Evaluation | None = None
    """What is measured before some of the steps."""
    probe: Callable[[int], Awaitable[None]] | None = None
    """Shows what the model says before a step, if anybody wants to see it."""
    _flights: deque[Flight] = field(factory=deque[Flight])
    _measured: dict[int, dict[str, JsonScalar]] = field(factory=dict[int, dict[str, JsonScalar]])
    """What was measured before steps that are not done yet."""
    _last_save: float = field(factory=trio.current_time)
    _saved_step: int = -1
    _next_step: int = field(init=False)
    """The step behind the last that was submitted."""
    _epoch: int = 0
    _is_finished: bool = False

    def __attrs_post_init__(self) -> None:
        self._next_step = self.first_step

    @property
    def plan(self) -> RunPlan:
        """What the run is to do."""
        return self.site.plan

    @property
    def options(self) -> Mapping[str, Any]:
        """What the plan's ``options`` say."""
        return self.site.plan.options

    @asynccontextmanager
    async def sampling(self) -> AsyncGenerator[SamplingClient]:
        """Sample from the weights as they are after the steps submitted so far; other runs' training goes first."""
        ticket = await self.admit(Kind.SAMPLING, 1)
        with self.site.admission.returning(ticket):
            yield await self.trainer.save_weights_and_get_sampling_client()

    def steps(self) -> "Steps":
        """Go through the steps that are still to be done, until the last, or a stop.

        What iterating raises:
            LoopMisused: A step was left without having been submitted.
            BudgetSpent: The plan's tokens are spent; what was trained is saved.
            TinkerError: Something failed for good.
        """
        return Steps(self)

    async def begin_step(self, number: int) -> "Step | None":
        """Say which step is next, or end; None is the end. For `Steps`."""
        if number == self.first_step:
            await self._repeat_save()
        else:
            await self._save_if_due(number)
            await self._settle(down_to=self.plan.pipeline)
        if number < self.plan.steps and not self.site.wants_stop:
            return Step(self, number)
        await self.finish(is_final=number == self.plan.steps)
        return None

    # ------------------------------------------------------------------ one step

    async def submit(self, step: int, batch: StepBatch) -> None:
        """Write a step down and submit it. For `Step`."""
        await self._spend(batch.num_tokens)
        if self.probe is not None and not self._was_submitted(step):
            await self.probe(step)
        first_number = self.trainer.next_number
        if self.evaluation is not None and self.evaluation.is_due(step):
            await self._evaluate(step, StepBatch(data=self.evaluation.data))
        ticket = await self.admit(Kind.TRAINING, batch.size_bytes)
        with self.site.admission.keeping(ticket):
            await self._write_intent(step, batch, first_number)
            self._launch(step, batch, ticket)

    def _was_submitted(self, step: int) -> bool:
        """Whether this life submitted *step* before its process was killed: what went before it is not asked again."""
        before = self.intents.get(step)
        return before is not None and before.life == self.life

    async def _evaluate(self, step: int, batch: StepBatch) -> None:
        """Submit what is measured before *step*: the same request whenever that is done, so it needs no intent."""
        ticket = await self.admit(Kind.EVALUATION, batch.size_bytes)
        with self.site.admission.keeping(ticket):
            output = self.trainer.forward(batch.data, batch.loss)
        self._flights.append(EvaluationFlight(step=step, batch=batch, output=output, ticket=ticket))

    async def _write_intent(self, step: int, batch: StepBatch, first_number: int) -> None:
        payload = None if batch.members is not None else batch.encode()
        self._check_number(step, first_number)
        intended = StepIntended(
            step=step,
            life=self.life,
            first_number=first_number,
            epoch=batch.epoch,
            members=batch.members,
            payload=payload,
            notes=batch.notes,
        )
        # A batch that cannot be made again must be on disk before the server has it.
        await self.site.journal.call(Journal.write, intended, is_durable=payload is not None)

    def _check_number(self, step: int, first_number: int) -> None:
        """Make sure that a step of this life that was submitted before is submitted again under the same numbers."""
        if self._was_submitted(step) and self.intents[step].first_number != first_number:
            raise LifeLost(
                f"step {step} was request {self.intents[step].first_number} of {self.trainer.model_id} before and would "
                f"now be {first_number}; going on from the last checkpoint instead"
            )

    def _launch(self, step: int, batch: StepBatch, ticket: Ticket) -> None:
        rate = self.plan.schedule.rate_at(step)
        flight = StepFlight(
            step=step,
            batch=batch,
            rate=rate,
            gradients=self._submit_gradients(step, batch),
            update=self.trainer.optim_step(self.plan.adam.at(rate)),
            ticket=ticket,
            began=trio.current_time(),
            next_number=self.trainer.next_number,
        )
        self._flights.append(flight)
        self._next_step, self._epoch = step + 1, batch.epoch
        self.nursery.start_soon(self._note_acceptance, flight)

    def _submit_gradients(self, step: int, batch: StepBatch) -> Gradients:
        if not Reference.is_one(batch.loss):
            return self.trainer.forward_backward(batch.data, batch.loss, batch.loss_config)
        loss = Reference(batch.loss).resolve(self.site.base)
        # The same draws whenever the step is done.
        return self.trainer.forward_backward_custom(batch.data, loss, seed=(self.plan.seed << 32) + step)

    async def _note_acceptance(self, flight: StepFlight) -> None:
        try:
            request_ids = await flight.accepted()
        except TinkerError:
            return  # whoever waits for the result hears of it
        accepted = StepAccepted(
            step=flight.step, life=self.life, request_ids=request_ids, next_number=flight.next_number
        )
        self.site.notebook.note(accepted)

    # ------------------------------------------------------------------ results, in order

    async def settle_through(self, step: int) -> None:
        """Wait until *step* is done. For `Step`."""
        while any(isinstance(flight, StepFlight) and flight.step <= step for flight in self._flights):
            await self._settle_one()

    async def _settle(self, *, down_to: int) -> None:
        while sum(isinstance(flight, StepFlight) for flight in self._flights) > down_to or (
            self._flights and isinstance(self._flights[0], SaveFlight)
        ):
            await self._settle_one()

    async def _settle_one(self) -> None:
        flight = self._flights[0]
        match flight:
            case EvaluationFlight():
                self._measured[flight.step] = await flight.metrics()
                self.site.admission.give_back(flight.ticket)
            case StepFlight():
                await self._settle_step(flight)
            case SaveFlight():
                await self.retention.note_saved(await flight.saved())
                self.site.progress.last_checkpoint = flight.intended.name
        self._flights.popleft()

    async def _settle_step(self, flight: StepFlight) -> None:
        measured = self._measured.pop(flight.step, {})
        metrics = await flight.metrics(steps=self.plan.steps, measured=measured)
        self.site.admission.give_back(flight.ticket)
        done = StepDone(
            step=flight.step,
            life=self.life,
            metrics=metrics,
            tokens=flight.batch.num_tokens,
            spans={"step": trio.current_time() - flight.began},
        )
        self.site.notebook.note(done)
        progress, before = self.site.progress, self.intents.get(flight.step)
        progress.replayed += before is not None and before.done_life is not None
        progress.steps_done = flight.step + 1
        progress.failures, progress.waiting_for = 0, None
        progress.last_row = metrics
        self.site.tell(self.site)

    async def admit(self, kind: Kind, size_bytes: int) -> Ticket:
        """Wait at the door; what is under way is finished first, so that two runs never wait for one another."""
        admission = self.site.admission
        while self._flights:
            if (ticket := admission.try_admit(self.site.name, size_bytes)) is not None:
                return ticket
            await self._settle_one()
        return await admission.admit(self.site.name, kind, size_bytes)

    # ------------------------------------------------------------------ checkpoints

    async def _save_if_due(self, step: int) -> None:
        policy, minutes = self.plan.checkpoints, (trio.current_time() - self._last_save) / 60
        is_due = (
            take_request(self.site.folder)
            or self.site.wants_checkpoint
            or (policy.every_steps is not None and step % policy.every_steps == 0)
            or (policy.every_minutes is not None and minutes >= policy.every_minutes)
            or self.retention.was_intended(step)
        )
        if is_due and step < self.plan.steps:
            await self._save(step, is_final=False)

    async def _repeat_save(self) -> None:
        """Ask again for a checkpoint that was asked for when the last process died: the same request, under its number."""
        if self.retention.was_intended(self.first_step):
            await self._save(self.first_step, is_final=self.first_step == self.plan.steps)

    async def _save(self, step: int, *, is_final: bool, is_kept: bool = False) -> None:
        self.site.wants_checkpoint = False
        self._last_save, self._saved_step = trio.current_time(), step
        intended = CheckpointIntended(
            name=f"{step:06d}",
            step=step,
            life=self.life,
            number=self.trainer.next_number,
            epoch=self._epoch,
            is_final=is_final,
        )
        await self.site.journal.call(Journal.write, intended)
        ttl = None if is_final or is_kept else self.plan.checkpoints.ttl_hours
        seconds = None if ttl is None else round(ttl * 3600)
        state = self.trainer.save_state(intended.name, ttl_seconds=seconds, overwrite=True)
        sampler = None
        if self.plan.checkpoints.with_sampler:
            sampler = self.trainer.save_weights_for_sampler(intended.name, ttl_seconds=seconds)
        self._flights.append(
            SaveFlight(intended=intended, state=state, sampler=sampler, next_number=self.trainer.next_number)
        )

    async def finish(self, *, is_final: bool) -> None:
        """Wait for what is under way and save it: at the end, at a stop, and when the budget is spent."""
        if self._is_finished:
            return
        self._is_finished = True
        if self.site.wants_stop:
            self.site.turn(RunState.DRAINING)
        await self._settle(down_to=0)
        done = self._next_step
        if done > self._saved_step and not (done == self.first_step and self.retention.has_saved(done)):
            await self._save(done, is_final=is_final, is_kept=True)
            await self._settle(down_to=0)

    def abandon(self) -> None:
        """Give back what this life holds of shared budgets; it will see no more results."""
        for flight in self._flights:
            flight.forget()
            if not isinstance(flight, SaveFlight):
                self.site.admission.give_back(flight.ticket)
        self._flights.clear()

    async def _spend(self, tokens: int) -> None:
        """Count *tokens*, or end on a checkpoint if there are not so many left."""
        for budget in self.site.budgets:
            if not budget.allows(tokens):
                await self.finish(is_final=False)
                raise BudgetSpent(
                    f"run {self.site.name} stands on step {self._next_step}: {budget.name} allows {budget.limit} tokens, "
                    f"{budget.total} are spent and the next step has {tokens}; go on with a higher max_tokens"
                )
        for budget in self.site.budgets:
            budget.spend(self.site.name, tokens)


class Step:
    """One turn of a loop."""

    def __init__(self, loop: Loop, number: int) -> None:
        self._loop = loop
        self.number = number
        """Counts from 0."""
        self.rng = np.random.default_rng((loop.plan.seed, number))
        """Random numbers of this step: the same ones whenever it is done."""
        self.is_submitted = False

    @property
    def intent(self) -> Intent | None:
        """What the journal knows of an earlier submission of this step."""
        return self._loop.intents.get(self.number)

    async def batch(self, make: Callable[[], Awaitable[StepBatch]]) -> StepBatch:
        """Make the step's batch, or take the one that was made before the last crash: it is made once."""
        known = None if self.intent is None else recall_batch(self.intent)
        return await make() if known is None else known

    async def submit(self, batch: StepBatch) -> None:
        """Write the step down, and submit its gradient and its update.

        Raises:
            LoopMisused: It was submitted before.
            ValueError: The batch makes no sense; nothing was sent.
            TinkerError: The server takes in nothing more.
        """
        if self.is_submitted:
            raise LoopMisused(f"step {self.number} was submitted twice; go on to the next one")
        self.is_submitted = True
        await self._loop.submit(self.number, batch)

    async def done(self) -> None:
        """Wait until the step is carried out. Loops that need no result of a step need not wait for it.

        Raises:
            TinkerError: It failed.
        """
        await self._loop.settle_through(self.number)


class Steps:
    """The steps of one life, one after another. A plain iterator: a loop may leave it at any point."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._step: Step | None = None

    def __aiter__(self) -> "Steps":
        return self

    async def __anext__(self) -> Step:
        if self._step is not None and not self._step.is_submitted:
            raise LoopMisused(
                f"step {self._step.number} was not submitted; call `await step.submit(batch)` once in each turn"
            )
        number = self._loop.first_step if self._step is None else self._step.number + 1
        self._step = await self._loop.begin_step(number)
        if self._step is None:
            raise StopAsyncIteration
        return self._step

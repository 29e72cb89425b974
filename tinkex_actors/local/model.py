"""The actor of one model: takes requests in any order, works them off in that of their numbers.

A request is accepted in a turn and answered with its promise at once; one operation at a time then computes outside the
turn, so that accepting never waits for computing. What must survive is in the `Run`: when this actor crashes, its next
life fails the operation that was in doubt and goes on behind it, unless that operation was changing the weights. Then
the model is at fault for good, because nobody can say what its weights are.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TypeAlias

from attrs import asdict, frozen

from supervisors import Actor
from tinkex_actors.local.audit import AuditNote, batch_digest
from tinkex_actors.local.engine import EngineInputError
from tinkex_actors.local.futures import Finished
from tinkex_actors.local.operations import CHANGES_WEIGHTS, CreateFrom, Load, Operation, Pass, Save, Step
from tinkex_actors.local.refusals import BadRequest, Gone, Refusal, TooMany
from tinkex_actors.local.results import pack
from tinkex_actors.local.run import Exposed, Numbered, Run
from tinkex_actors.local.workshop import Workshop
from tinkex_actors.types.errors import RequestErrorCategory
from tinkex_actors.types.futures import FutureFailure
from tinkex_actors.types.ids import RequestId, SamplingSessionId
from tinkex_actors.types.weights import SaveWeightsForSamplerResponse

OpenSampler: TypeAlias = Callable[[Run, Exposed], Awaitable[SamplingSessionId]]
"""Makes weights that have no name samplable."""


class Model(Actor):
    """Works off the operations of one `Run`."""

    expected_errors = (Refusal,)

    def __init__(self, run: Run, workshop: Workshop, open_sampler: OpenSampler) -> None:
        self._run = run
        self._shop = workshop
        self._open_sampler = open_sampler
        self._is_working = False
        self._gap: int | None = None

    async def on_start(self) -> None:
        """Settle what the last life left in doubt, and go on."""
        if self._run.current is not None:
            self._settle_doubt(self._run.current)
        if self._run.sequencer.held:
            self.ref.cast_nowait(Model.work)

    async def submit(self, number: int, operation: Operation) -> RequestId:
        """Accept *operation* as request *number* of this model and promise it; the same number again is the same promise.

        Raises:
            BadRequest: The number is taken by another kind of operation, or was given up.
            Gone: The model cannot work any more.
            TooMany: Too many requests wait already.
        """
        run, sequencer = self._run, self._run.sequencer
        known = sequencer.find(number)
        if known is not None:
            self._check_same(number, operation)
            return known
        if run.record.ended is not None:
            raise Gone(run.record.ended)
        if sequencer.held >= self._shop.limits.max_held_requests:
            raise TooMany(f"{sequencer.held} requests of {run.model_id} wait already; fetch some results first")
        return self._accept(number, operation)

    async def work(self) -> None:
        """Do whatever can be done in order, until something is missing."""
        if self._is_working:
            return
        self._is_working = True
        while (request_id := self._run.sequencer.take()) is not None:
            self._run.current = self._run.waiting.pop(request_id)
            async with self.off_turn():
                await self._do(self._run.current)
            self._run.current = None
        self._is_working = False
        self._watch_gap()

    async def give_up_gap(self, number: int) -> None:
        """Fail what waits if number *number* has still not come."""
        sequencer = self._run.sequencer
        if self._gap == number:
            self._gap = None
        if sequencer.next_number == number and sequencer.is_blocked:
            waited = f"{self._shop.limits.gap_timeout:g} s"
            why = f"seq_id {number} of {self._run.model_id} did not arrive within {waited}; send it, or number without gaps"
            for request_id in sequencer.give_up():
                self._run.waiting.pop(request_id)
                self._fail(request_id, why, RequestErrorCategory.USER)
        self._watch_gap()

    def _accept(self, number: int, operation: Operation) -> RequestId:
        run = self._run
        if number < run.sequencer.next_number:
            raise BadRequest(f"seq_id {number} was given up; use {run.sequencer.next_number} or higher")
        request_id = accept(run, number, operation, self._shop)
        if run.sequencer.is_blocked:
            self._watch_gap()
        elif not self._is_working:
            self.ref.cast_nowait(Model.work)
        return request_id

    def _check_same(self, number: int, operation: Operation) -> None:
        before = self._run.request_types[number]
        if before != operation.request_type:
            raise BadRequest(
                f"seq_id {number} of {self._run.model_id} was {before} before and is now {operation.request_type}; "
                "number each request once"
            )

    async def _do(self, numbered: Numbered) -> None:
        """Carry out one operation, note it and settle its promise; once it has begun to compute, nothing comes between."""
        run = self._run
        if run.record.ended is not None:
            self._fail(numbered.request_id, run.record.ended, RequestErrorCategory.SERVER)
            return
        work = partial(_carry_out, run, numbered, now=self._shop.now(), notes_weights=self._shop.notes_weights)
        try:
            done = await self._shop.compute(work, self._shop.training)
            result = done.result
            if isinstance(result, Exposed):
                sampler = await self._open_sampler(run, result)
                result = pack(SaveWeightsForSamplerResponse(sampling_session_id=sampler))
        except (EngineInputError, Refusal) as error:
            self._fail(numbered.request_id, str(error), RequestErrorCategory.USER)
            return
        self._shop.audit.append(run.model_id, numbered.number, numbered.operation.kind, **done.note)
        self._shop.futures.settle(numbered.request_id, result)

    def _settle_doubt(self, numbered: Numbered) -> None:
        run = self._run
        run.current = None
        if isinstance(numbered.operation, CHANGES_WEIGHTS):
            run.record.is_corrupted = True
            run.record.ended = (
                f"the server crashed in {numbered.operation.kind} (seq_id {numbered.number}) of {run.model_id} and its "
                "weights are in doubt; create a model from the last checkpoint"
            )
        self._fail(numbered.request_id, f"the server crashed in {numbered.operation.kind}", RequestErrorCategory.SERVER)

    def _fail(self, request_id: RequestId, why: str, category: RequestErrorCategory) -> None:
        self._shop.futures.settle(request_id, FutureFailure(why, category))

    def _watch_gap(self) -> None:
        """Give a missing number its time, from the moment somebody waits for it."""
        sequencer = self._run.sequencer
        if sequencer.is_blocked and self._gap != sequencer.next_number and not self._is_working:
            self._gap = sequencer.next_number
            self.send_after(self._shop.limits.gap_timeout, Model.give_up_gap, sequencer.next_number)


def accept(run: Run, number: int, operation: Operation, shop: Workshop) -> RequestId:
    """Promise *operation* as request *number* of *run*; a model's actor finds it there when it starts."""
    promise = shop.futures.open(operation.request_type, owner=run.record.owner, session_id=run.record.session_id)
    run.sequencer.add(number, promise.request_id)
    run.request_types[number] = operation.request_type
    run.waiting[promise.request_id] = Numbered(number, promise.request_id, operation)
    run.record.last_request_at = shop.now()
    return promise.request_id


@frozen(eq=False)
class _Done:
    """What one operation came to, and what the log is to say about it."""

    result: Finished | Exposed
    note: AuditNote


def _carry_out(run: Run, numbered: Numbered, *, now: datetime, notes_weights: bool) -> _Done:
    """Perform, encode and digest: everything that takes time, in the worker thread."""
    operation = numbered.operation
    result = run.perform(operation, now=now)
    note: AuditNote = {}
    if isinstance(operation, Pass):
        note["batch"] = batch_digest(operation.input.data, operation.input.loss_fn)
    if isinstance(operation, Step):
        note["parameters"] = asdict(operation.params)
    if isinstance(operation, CreateFrom | Load):
        note["parameters"] = {"path": str(operation.checkpoint.path), "optimizer": operation.with_optimizer}
    if isinstance(operation, Save):
        note["parameters"] = {"name": operation.name}
    if notes_weights and isinstance(operation, CHANGES_WEIGHTS):
        note["weights"] = run.digest()
    return _Done(result if isinstance(result, Exposed) else pack(result), note)

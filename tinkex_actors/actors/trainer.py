"""Trainer: works off one model's ledger.

One call is submitted after the other, so that the server sees the numbers in order; results are awaited side by side. All
that matters is in the ledger: a new life sends the call in doubt again and asks again for every open promise, and to the
server both are what it already knows.

Of a batch in several slices the first is sent last: once the lowest number arrives, the server holds the whole batch. A
server that wants them one by one says so in its switches.
A call that needs something first (a custom loss needs its log-probabilities) is prepared off turn when it is next in line,
and again by a new life: a preparation changes nothing on the server.
"""

from functools import partial
from typing import Any

import trio
from attrs import define, field

from supervisors import ActorCrashed, ActorNotAlive, Ref
from tinkex_actors.activity import working_on
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.actors.dialect import Dialect
from tinkex_actors.actors.ledger import Call, Entry, Ledger
from tinkex_actors.actors.operation import Retrieval, Value
from tinkex_actors.actors.poller import Poller
from tinkex_actors.actors.preparation import prepare_unless_settled
from tinkex_actors.actors.record import SessionRecord
from tinkex_actors.settings import Figures
from tinkex_actors.transport.seam import Transport
from tinkex_actors.types.errors import (
    APIConnectionError,
    APIStatusError,
    CircuitOpen,
    ConflictError,
    ResponseInvalid,
    TinkerError,
)
from tinkex_actors.types.futures import Promise

_FIRST_SERVER_ERROR = 500
_TIMEOUT = 408
_AT_THE_DOOR = frozenset({401, 402, 403, 407, 429})
"""Refusals that nobody gives who has looked at the request's number: they say nothing of an earlier sending."""


@define
class Submission:
    """What became of one call: the promises that were given, and the first failure."""

    promises: dict[int, Promise] = field(factory=dict[int, Promise])
    error: TinkerError | None = None
    done: Value[Any] | None = None
    """What the call has brought, if the server refuses it because it was done before."""
    is_uncertain: bool = False
    """Whether a request may have been taken although no promise came."""

    def fail(self, error: TinkerError, *, was_sent_before: bool) -> None:
        """Note that a request has failed; the first failure is the call's."""
        self.error = self.error or error
        self.is_uncertain = self.is_uncertain or _is_uncertain(error, was_sent_before=was_sent_before)


def _is_uncertain(error: TinkerError, *, was_sent_before: bool) -> bool:
    match error:
        case CircuitOpen():
            return was_sent_before
        case APIConnectionError() | ResponseInvalid():
            return True
        case APIStatusError(status_code=status) if status in _AT_THE_DOOR:
            return was_sent_before or error.is_after_doubt
        case APIStatusError(status_code=status):
            return status >= _FIRST_SERVER_ERROR or status == _TIMEOUT
        case _:
            return False


class Trainer(Crashable):
    """Keeps one model's requests in order."""

    def __init__(
        self, ledger: Ledger, record: SessionRecord, transport: Transport, poller: Ref[Poller], figures: Figures
    ) -> None:
        self._ledger = ledger
        self._record = record
        self._dialect = Dialect(transport, record)
        self._poller = poller
        self._figures = figures
        self._is_sending = False
        self._is_preparing = False

    async def on_start(self) -> None:
        """Take the ledger over where the last life left it."""
        ref = self.ref
        self._ledger.knock = partial(ref.cast_nowait, Trainer.work_off)
        for number in self._ledger.open:
            ref.cast_nowait(Trainer.follow, number)
        ref.cast_nowait(Trainer.work_off)

    async def work_off(self) -> None:
        """Submit what waits, one call after another, until nothing does."""
        if self._is_sending:
            return
        self._is_sending = True
        while call := self._ledger.begin():
            async with self.off_turn():
                submission = await self._submit(call)
            self._note(call, submission)
        self._is_sending = False
        if self._ledger.unprepared is not None:
            self.ref.cast_nowait(Trainer.prepare)

    async def prepare(self) -> None:
        """Do what the next call needs before it can be sent; what fails, fails that call alone."""
        call = self._ledger.unprepared
        if call is None or self._is_preparing:
            return
        self._is_preparing = True
        try:
            async with self.off_turn():
                await prepare_unless_settled(self._ledger, call)
        except TinkerError as error:
            self._ledger.drop(call, error)
        else:
            self._ledger.release(call)
        self._is_preparing = False
        self.ref.cast_nowait(Trainer.work_off)

    async def follow(self, number: int) -> None:
        """Get the result of the open request *number*, and write it down."""
        entry = self._ledger.open.get(number)
        if entry is None or entry.slot.promise is None:
            return
        retrieval = Retrieval(entry.operation, entry.slot.promise)
        try:
            async with self.off_turn():
                fate: Value[Any] | TinkerError = await self._poller.call(Poller.retrieve, retrieval)
        except TinkerError as error:
            fate = error
        except (ActorCrashed, ActorNotAlive):
            # Its next life knows nothing of us, and asking twice for one promise is harmless.
            self.send_after(self._figures.lost_poll_delay, Trainer.follow, number)
            return
        if isinstance(fate, Value) and entry.operation.finish is not None:
            fate = Value(entry.operation.finish(fate.value))
        self._ledger.settle(number, fate)

    def _note(self, call: Call, submission: Submission) -> None:
        # A session that ended meanwhile has closed the ledger: there is nothing left to note.
        if self._ledger.in_doubt is not call:
            return
        if submission.done is not None:
            self._ledger.conclude(submission.done)
            return
        self._ledger.accept(submission.promises)
        if submission.error is not None:
            settle = self._ledger.fence if submission.is_uncertain else self._ledger.refuse
            settle(submission.error)
        for number in submission.promises:
            self.ref.cast_nowait(Trainer.follow, number)

    async def _submit(self, call: Call) -> Submission:
        submission = Submission()
        if not self._record.config.parallel_fwdbwd_chunks:
            for entry in call.entries:
                if submission.error is None:
                    await self._submit_one(entry, submission)
            return submission
        # The slices of one batch: none of them is worth anything without the first.
        held = 0 if call.is_divisible else 1
        async with trio.open_nursery() as nursery:
            for entry in call.entries[held:]:
                nursery.start_soon(self._submit_one, entry, submission)
        for entry in call.entries[:held]:
            if submission.error is None:
                await self._submit_one(entry, submission)
        return submission

    async def _submit_one(self, entry: Entry, submission: Submission) -> None:
        number = entry.number or 0
        with working_on(entry.operation.standing, "Trainer.submit"):
            entry.sends += 1
            try:
                submission.promises[number] = await self._get_promise(entry, number)
            except TinkerError as error:
                if isinstance(error, ConflictError):
                    submission.done = self._ledger.recall(entry, error.attempts or 1)
                submission.fail(error, was_sent_before=entry.sends > 1)

    async def _get_promise(self, entry: Entry, number: int) -> Promise:
        """Send one request; an answer that cannot be read is asked for again, since repeats are recognised."""
        operation, garbled = entry.operation, 0
        while True:
            try:
                return await self._dialect.submit(operation, number, entry.key(self._ledger.key))
            except ResponseInvalid:
                garbled += 1
                if garbled == self._figures.garbled_promises:
                    raise
                await trio.sleep(self._figures.garbled_delay)

"""Sampler: works off one sampling session's ledger, many samples side by side.

A new life sends the samples in doubt again under their numbers and asks again for those that were promised. A sample whose
promise the server has lost becomes a new request, a few times. A sample that nobody wants any more is given up at once,
and the server is told where it listens.
"""

from functools import partial
from typing import Any

import trio

from tinkex_actors.activity import working_on
from tinkex_actors.actors.completions import Completions
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.actors.ledger import Entry
from tinkex_actors.actors.operation import Retrieval, Value
from tinkex_actors.actors.record import SessionRecord
from tinkex_actors.actors.retriever import Retriever
from tinkex_actors.actors.sample_ledger import SampleLedger
from tinkex_actors.log import get_log
from tinkex_actors.settings import Figures
from tinkex_actors.transport.ask import ask, tell
from tinkex_actors.transport.endpoints import CANCEL_FUTURE
from tinkex_actors.transport.seam import Transport
from tinkex_actors.types.errors import PromiseExpired, TinkerError
from tinkex_actors.types.futures import Promise
from tinkex_actors.types.ids import RequestId
from tinkex_actors.wire.requests import CancelFutureRequest

_log = get_log()


class Sampler(Crashable):
    """Keeps one sampling session's requests going."""

    def __init__(
        self,
        ledger: SampleLedger,
        record: SessionRecord,
        transport: Transport,
        retriever: Retriever,
        figures: Figures,
    ) -> None:
        self._ledger = ledger
        self._record = record
        self._transport = transport
        self._retriever = retriever
        self._figures = figures
        self._running: dict[int, trio.CancelScope] = {}
        self._completions: Completions | None = None
        self._asked_alone: set[int] = set()
        self._cancelling = trio.CapacityLimiter(1)
        self._resubmissions: dict[int, int] = {}

    async def on_start(self) -> None:
        """Take the ledger over where the last life left it."""
        ref = self.ref
        self._ledger.knock = partial(ref.cast_nowait, Sampler.work_off)
        # Their completions may have come to the last life: they are asked for one by one.
        self._asked_alone.update(self._ledger.open)
        for number in self._ledger.open:
            self.start_soon(self._carry, number)
        ref.cast_nowait(Sampler.work_off)

    async def work_off(self) -> None:
        """Give up what was withdrawn, and begin what waits while there is room."""
        for number, scope in self._running.items():
            if number not in self._ledger.open:
                scope.cancel()
        limit = self._figures.sample_in_flight
        if not self._record.capabilities.bulk_poll:
            # With one poll for all of them, the server does not mind how many there are.
            limit = min(limit, self._record.config.sample_max_concurrent_requests)
        while self._ledger.waiting and self._ledger.places_taken < limit:
            self.start_soon(self._carry, self._ledger.begin())

    # Each entry knows the type of its result.
    async def note(self, number: int, promise: Promise | None, fate: Value[Any] | TinkerError | None) -> None:
        """Write down how sample *number* ended; ``None`` if it was withdrawn, perhaps after *promise* was given."""
        self._asked_alone.discard(number)
        match fate:
            case PromiseExpired():
                self._ask_anew(number, fate)
            case None:
                if promise is not None and self._record.dynamic_config.sample_cancel_enabled:
                    self.start_soon(self._tell_server, promise.request_id)
            case _:
                self._ledger.settle(number, fate)
        if self._ledger.waiting:
            await self.work_off()

    async def _carry(self, number: int) -> None:
        """Bring the open sample *number* to its end, beside the turn. A stream has whoever reads it for that."""
        entry = self._ledger.open.get(number)
        if entry is None:
            return
        fate: Value[Any] | TinkerError | None = None
        with working_on(entry.operation.standing, "Sampler.sample"), trio.CancelScope() as self._running[number]:
            try:
                fate = await self._bring(entry, number)
            except TinkerError as error:
                fate = error
            finally:
                del self._running[number]
        self.ref.cast_nowait(Sampler.note, number, entry.slot.promise, fate)

    async def _bring(self, entry: Entry, number: int) -> Value[Any]:
        """Submit the sample unless that is done, and wait for its result.

        The slot's promise is written here and not in a turn: nobody else serves the number, and what the server has
        promised must not be forgotten for want of a turn.
        """
        operation, slot = entry.operation, entry.slot
        if slot.promise is None:
            promise = await ask(
                self._transport,
                operation.row,
                operation.request(number),
                key=f"{self._ledger.key}-{number}",
                weight_bytes=operation.weight_bytes,
                standing=operation.standing,
            )
            entry.accept(promise)
            self._record.learn("sequence_ids", is_there=promise.sample_sequence_ids is not None)
        else:
            promise = slot.promise
        return await self._fetch(entry, number, promise)

    # Each slot knows the type of its own value.
    async def _fetch(self, entry: Entry, number: int, promise: Promise) -> Value[Any]:
        """Get the result of a promise, and wait first until it is complete where the server tells that of many at once."""
        completions = None if number in self._asked_alone else self._open_completions()
        if completions is None:
            return await self._retriever.retrieve(Retrieval(entry.operation, promise))
        complete = await completions.wait(promise.request_id)
        retrieval = Retrieval(entry.operation, promise, complete.payload_bytes)
        try:
            value = await self._retriever.retrieve(retrieval)
        except TinkerError:
            completions.note_fetched(promise.request_id)
            raise
        completions.note_fetched(promise.request_id)
        return value

    def _open_completions(self) -> Completions | None:
        """Begin to poll for all samples at once, where the server offers that and nothing speaks against it."""
        if not self._record.capabilities.bulk_poll:
            return None
        if self._completions is None:
            ledger = self._ledger
            self._completions = Completions(self._transport, self._figures, ledger.session_id, ledger.copy)
            self.start_soon(self._poll_for_all, self._completions)
        return self._completions

    async def _poll_for_all(self, completions: Completions) -> None:
        await completions.run()
        self._record.learn("bulk_poll", is_there=False)

    def _ask_anew(self, number: int, lost: PromiseExpired) -> None:
        tries = self._resubmissions.pop(number, 0)
        if tries >= self._figures.sample_resubmissions or self._record.config.sample_no_retries:
            self._ledger.settle(number, lost)
            return
        renewed = self._ledger.renumber(number)
        if renewed is not None:
            self._resubmissions[renewed] = tries + 1
            self.start_soon(self._carry, renewed)

    async def _tell_server(self, request_id: RequestId) -> None:
        self._cancelling.total_tokens = max(self._record.dynamic_config.sample_cancel_max_batch_size, 1)
        try:
            async with self._cancelling:
                await tell(self._transport, CANCEL_FUTURE, CancelFutureRequest(request_id))
        except TinkerError as error:
            _log.debug("the server was not told that a sample is unwanted", error=str(error))

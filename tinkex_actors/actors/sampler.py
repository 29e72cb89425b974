"""Sampler: works off one sampling session's ledger, many samples side by side.

A new life sends the samples in doubt again under their numbers and asks again for those that were promised. A sample whose
promise the server has lost becomes a new request, a few times. A sample that nobody wants any more is given up at once,
and the server is told where it listens.
"""

from collections.abc import Awaitable
from functools import partial
from typing import Any, TypeVar

import trio

from supervisors import ActorCrashed, ActorNotAlive, Ref
from tinkex_actors.actors.completions import Completions
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.actors.ledger import Entry
from tinkex_actors.actors.operation import Retrieval, Value
from tinkex_actors.actors.poller import Poller
from tinkex_actors.actors.record import SessionRecord
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

T = TypeVar("T")

_log = get_log()


class Sampler(Crashable):
    """Keeps one sampling session's requests going."""

    def __init__(
        self,
        ledger: SampleLedger,
        record: SessionRecord,
        transport: Transport,
        poller: Ref[Poller],
        figures: Figures,
    ) -> None:
        self._ledger = ledger
        self._record = record
        self._transport = transport
        self._poller = poller
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
            ref.cast_nowait(Sampler.serve, number)
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
        while self._ledger.waiting and len(self._ledger.open) < limit:
            self.ref.cast_nowait(Sampler.serve, self._ledger.begin())

    async def serve(self, number: int) -> None:
        """Bring the open sample *number* to its end."""
        entry = self._ledger.open.get(number)
        if entry is None:
            return
        try:
            await self._bring(entry, number)
        except PromiseExpired as lost:
            self._ask_anew(number, lost)
        except TinkerError as error:
            self._ledger.settle(number, error)
        except (ActorCrashed, ActorNotAlive):
            # The poller's next life knows nothing of us, and asking twice for one promise is harmless.
            self._asked_alone.add(number)
            self.send_after(self._figures.lost_poll_delay, Sampler.serve, number)
        if self._ledger.waiting:
            self.ref.cast_nowait(Sampler.work_off)

    async def _bring(self, entry: Entry, number: int) -> None:
        if entry.slot.promise is None:
            await self._submit(entry, number)
        if entry.slot.promise is not None:
            await self._retrieve(entry, number, entry.slot.promise)
        if number not in self._ledger.open:
            self._asked_alone.discard(number)

    async def _submit(self, entry: Entry, number: int) -> None:
        operation = entry.operation
        promise = await self._away(
            number,
            ask(
                self._transport,
                operation.row,
                operation.request(number),
                key=f"{self._ledger.key}-{number}",
                weight_bytes=operation.weight_bytes,
                standing=operation.standing,
            ),
        )
        if promise is not None:
            entry.slot.accept(promise)
            self._record.learn("sequence_ids", is_there=promise.sample_sequence_ids is not None)

    async def _retrieve(self, entry: Entry, number: int, promise: Promise) -> None:
        value = await self._away(number, self._fetch(entry, number, promise))
        if value is not None:
            self._ledger.settle(number, value)
        elif self._record.dynamic_config.sample_cancel_enabled:
            self.start_soon(self._tell_server, promise.request_id)

    # Each slot knows the type of its own value.
    async def _fetch(self, entry: Entry, number: int, promise: Promise) -> Value[Any]:
        """Get the result of a promise, and wait first until it is complete where the server tells that of many at once."""
        completions = None if number in self._asked_alone else self._open_completions()
        if completions is None:
            return await self._poller.call(Poller.retrieve, Retrieval(entry.operation, promise))
        complete = await completions.wait(promise.request_id)
        retrieval = Retrieval(entry.operation, promise, complete.payload_bytes)
        try:
            value = await self._poller.call(Poller.retrieve, retrieval)
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

    async def _away(self, number: int, work: Awaitable[T]) -> T | None:
        """Await *work* outside the turn; ``None`` if sample *number* is withdrawn meanwhile."""
        result: T | None = None
        # The scope lies inside: the turn is taken back whatever was cancelled.
        async with self.off_turn():
            with trio.CancelScope() as scope:
                self._running[number] = scope
                try:
                    result = await work
                finally:
                    del self._running[number]
        return result

    def _ask_anew(self, number: int, lost: PromiseExpired) -> None:
        tries = self._resubmissions.pop(number, 0)
        if tries >= self._figures.sample_resubmissions or self._record.config.sample_no_retries:
            self._ledger.settle(number, lost)
            return
        renewed = self._ledger.renumber(number)
        if renewed is not None:
            self._resubmissions[renewed] = tries + 1
            self.ref.cast_nowait(Sampler.serve, renewed)

    async def _tell_server(self, request_id: RequestId) -> None:
        self._cancelling.total_tokens = max(self._record.dynamic_config.sample_cancel_max_batch_size, 1)
        try:
            async with self._cancelling:
                await tell(self._transport, CANCEL_FUTURE, CancelFutureRequest(request_id))
        except TinkerError as error:
            _log.debug("the server was not told that a sample is unwanted", error=str(error))

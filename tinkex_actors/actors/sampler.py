"""Sampler: works off one sampling session's ledger, many samples side by side.

A new life sends the samples in doubt again under their numbers and asks again for those that were promised. A sample whose
promise the server has lost becomes a new request, a few times. A sample that nobody wants any more is given up at once,
and the server is told where it listens.
"""

from collections import deque
from collections.abc import Awaitable
from functools import partial
from typing import Any

import trio

from tinkex_actors.activity import working_on
from tinkex_actors.actors.completions import Completions
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.actors.ledger import Entry, nobody
from tinkex_actors.actors.operation import Operation, Retrieval, Value
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
_SPARE_CARRIERS = 100
"""How many tasks stay when there is nothing to carry: to begin one costs several times what it costs to wake one."""


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
        """By the number of the sample: what interrupts its carrier."""
        self._handed_out = deque[int]()
        """Numbers of open samples that wait for a carrier to take them."""
        self._spare = trio.lowlevel.ParkingLot()
        """Carriers with nothing to carry."""
        self._is_knocked = False
        self._look = nobody
        self._completions: Completions | None = None
        self._asked_alone: set[int] = set()
        self._cancelling = trio.CapacityLimiter(1)
        self._resubmissions: dict[int, int] = {}

    async def on_start(self) -> None:
        """Take the ledger over where the last life left it."""
        ledger = self._ledger
        self._look = partial(self.ref.cast_nowait, Sampler.work_off)
        ledger.knock = self._knock
        ledger.withdrawn.clear()
        # Their completions may have come to the last life: they are asked for one by one.
        self._asked_alone.update(ledger.open)
        for number in ledger.open:
            self._hand_out(number)
        self._knock()

    async def work_off(self) -> None:
        """Give up what was withdrawn, and begin what waits while there is room."""
        self._is_knocked = False
        ledger, limit = self._ledger, self._figures.sample_in_flight
        while ledger.withdrawn:
            scope = self._running.get(ledger.withdrawn.pop())
            if scope is not None:
                scope.cancel()
        if not self._record.capabilities.bulk_poll:
            # With one poll for all of them, the server does not mind how many there are.
            limit = min(limit, self._record.config.sample_max_concurrent_requests)
        while ledger.waiting and ledger.places_taken < limit:
            number = ledger.begin()
            if number in ledger.open:  # a stream has whoever reads it to carry it
                self._hand_out(number)

    def _knock(self) -> None:
        """Look at the ledger soon. However often this is said before it is done, it is done once."""
        if not self._is_knocked:
            self._look()
            self._is_knocked = True

    def _hand_out(self, number: int) -> None:
        """Have the open sample *number* carried: by a carrier that is there, or by a new one."""
        self._handed_out.append(number)
        if self._spare:
            self._spare.unpark()
        else:
            self.start_soon(self._carry)

    async def _carry(self) -> None:
        """Bring one sample after the other to its end, beside the turn.

        A carrier whose sample was withdrawn ends with it: what interrupts the one must not interrupt the next.
        """
        entry: Entry | None = None
        with trio.CancelScope() as scope:
            while not scope.cancel_called:
                if self._handed_out:
                    number = self._handed_out.popleft()
                    entry = self._ledger.open.get(number)
                    if entry is not None:
                        await self._bring(entry, number, scope)
                elif len(self._spare) < _SPARE_CARRIERS:
                    await self._spare.park()
                else:
                    return
        if scope.cancelled_caught and entry is not None and entry.slot.promise is not None:
            await self._tell_server(entry.slot.promise.request_id)

    async def _bring(self, entry: Entry, number: int, scope: trio.CancelScope) -> None:
        """Submit a sample unless that is done, wait for its result, and write down how it ended.

        This is written here and not in a turn. Nobody else serves the number, what the server has promised must not be
        forgotten for want of a turn, and nothing is awaited in between that another could come before.
        """
        self._running[number] = scope
        fate: Value[Any] | TinkerError
        try:
            with working_on(entry.operation.standing, "Sampler.sample"):
                promise = entry.slot.promise
                if promise is None:
                    promise = await self._submit(entry.operation, number)
                    entry.accept(promise)
                    self._record.learn("sequence_ids", is_there=promise.sample_sequence_ids is not None)
                fate = await self._fetch(entry, number, promise)
        except TinkerError as error:
            fate = error
        finally:
            del self._running[number]
            self._asked_alone.discard(number)
        self._note(number, fate)

    def _submit(self, operation: Operation[Any], number: int) -> Awaitable[Promise]:
        return ask(
            self._transport,
            operation.row,
            operation.request(number),
            key=f"{self._ledger.key}-{number}",
            weight_bytes=operation.weight_bytes,
            standing=operation.standing,
        )

    # Each slot knows the type of its own value.
    def _fetch(self, entry: Entry, number: int, promise: Promise) -> Awaitable[Value[Any]]:
        """Get the result of a promise, and wait first until it is complete where the server tells that of many at once."""
        completions = None if number in self._asked_alone else self._open_completions()
        if completions is None:
            return self._retriever.retrieve(Retrieval(entry.operation, promise))
        return self._fetch_complete(completions, entry, promise)

    async def _fetch_complete(self, completions: Completions, entry: Entry, promise: Promise) -> Value[Any]:
        complete = await completions.wait(promise.request_id)
        retrieval = Retrieval(entry.operation, promise, complete.payload_bytes)
        try:
            value = await self._retriever.retrieve(retrieval)
        except TinkerError:
            completions.note_fetched(promise.request_id)
            raise
        completions.note_fetched(promise.request_id)
        return value

    def _note(self, number: int, fate: Value[Any] | TinkerError) -> None:
        if isinstance(fate, PromiseExpired):
            self._ask_anew(number, fate)
        else:
            self._ledger.settle(number, fate)
        if self._ledger.waiting:
            self._knock()

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
            self._hand_out(renewed)

    async def _tell_server(self, request_id: RequestId) -> None:
        """Tell the server, where it listens, that nobody wants this any more."""
        if not self._record.dynamic_config.sample_cancel_enabled:
            return
        self._cancelling.total_tokens = max(self._record.dynamic_config.sample_cancel_max_batch_size, 1)
        try:
            async with self._cancelling:
                await tell(self._transport, CANCEL_FUTURE, CancelFutureRequest(request_id))
        except TinkerError as error:
            _log.debug("the server was not told that a sample is unwanted", error=str(error))

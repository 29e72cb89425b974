"""Promises: what the server has accepted and will answer for.

An operation is answered at once with a request id; its outcome is fetched with that id, as often as anybody likes.
A promise has exactly one outcome and never changes it: the first `settle` wins.

`Futures` is plain data of the event loop. It survives the crash of whoever works on a promise, which is why no actor
owns it. Waiting costs one event per promise and no polling: a retrieval is answered in the moment of settling.
"""

from collections import OrderedDict
from typing import Protocol, TypeAlias
from uuid import uuid4

import trio
from attrs import define, field, frozen

from tinkex_actors.local.keys import Owner
from tinkex_actors.local.refusals import Gone, NotFound
from tinkex_actors.types.futures import FutureFailure, QueueState
from tinkex_actors.types.ids import RequestId, SessionId


@frozen
class Finished:
    """The operation is done; the answer is encoded."""

    content_type: str
    body: bytes


@frozen
class Lost:
    """The server no longer has the operation; whoever can should ask again."""

    detail: str


Outcome: TypeAlias = Finished | FutureFailure | Lost


@define(eq=False)
class PromiseRecord:
    """One accepted operation."""

    request_id: RequestId
    owner: Owner
    session_id: SessionId
    request_type: str
    """The protocol's name: ``"ForwardBackward"``, ``"Sample"``, …"""
    outcome: Outcome | None = None
    queue_state: QueueState = QueueState.ACTIVE
    """What the operation waits for, if for more than its turn; told to whoever asks too early."""
    _woken: trio.Event = field(factory=trio.Event, repr=False)

    def wake(self) -> None:
        """Let everybody who waits look again."""
        self._woken.set()

    async def wait(self, patience: float) -> Outcome | None:
        """Return the outcome, waiting at most *patience* seconds for it."""
        if self.outcome is None:
            with trio.move_on_after(patience):
                await self._woken.wait()
        return self.outcome


_OVERHEAD = 1024
"""Bytes that a promise takes beside its result."""


class FuturesLog(Protocol):
    """Where promises are written down so that they outlive the process."""

    def promise_opened(self, promise: PromiseRecord) -> None:
        """Note that *promise* was given."""

    def promise_settled(self, promise: PromiseRecord) -> None:
        """Note its outcome."""

    def promise_dropped(self, request_id: RequestId) -> None:
        """Forget it."""

    def promise_recalled(self, request_id: RequestId) -> PromiseRecord | None:
        """Return a promise of an earlier process."""


@define
class Futures:
    """All promises of the server."""

    kept_bytes: int
    """How many bytes of results that were fetched already may stay for another fetch."""
    log: FuturesLog | None = None
    is_closing: bool = False
    _promises: dict[RequestId, PromiseRecord] = field(factory=dict[RequestId, PromiseRecord])
    _fetched: OrderedDict[RequestId, int] = field(factory=OrderedDict[RequestId, int])
    _fetched_bytes: int = 0

    def open(self, request_type: str, *, owner: Owner, session_id: SessionId) -> PromiseRecord:
        """PromiseRecord an operation of *request_type*."""
        promise = PromiseRecord(RequestId(uuid4().hex), owner, session_id, request_type)
        self._promises[promise.request_id] = promise
        if self.log is not None:
            self.log.promise_opened(promise)
        return promise

    def settle(self, request_id: RequestId, outcome: Outcome) -> None:
        """Give the promise its outcome and wake whoever waits; a settled or forgotten promise is left alone."""
        promise = self._promises.get(request_id)
        if promise is None or promise.outcome is not None:
            return
        promise.outcome = outcome
        if self.log is not None:
            self.log.promise_settled(promise)
        promise.wake()

    def find(self, request_id: RequestId, owner: Owner) -> PromiseRecord:
        """Return the promise.

        Raises:
            NotFound: No such promise, or it was given to another key.
        """
        promise = self._promises.get(request_id) or self._recall(request_id)
        if promise is None or promise.owner != owner:
            raise NotFound(f"request {request_id} is unknown here")
        return promise

    def _recall(self, request_id: RequestId) -> PromiseRecord | None:
        """Take over a promise of an earlier process."""
        promise = self.log.promise_recalled(request_id) if self.log is not None else None
        if promise is not None:
            self._promises[request_id] = promise
        return promise

    def release(self, session_id: SessionId, why: FutureFailure) -> None:
        """End a session's promises: what is pending fails with *why*, what is settled may be forgotten in time."""
        for promise in [one for one in self._promises.values() if one.session_id == session_id]:
            self.settle(promise.request_id, why)
            self._note_fetch(promise)

    async def wait(self, request_id: RequestId, owner: Owner, *, patience: float) -> Finished | FutureFailure | None:
        """Return the outcome, waiting at most *patience* seconds; None means "try again".

        At once when it is there, and at once with None while the server stops. May be called by many and again.

        Raises:
            NotFound: See `find`.
            Gone: The promise was lost with an earlier process.
        """
        promise = self.find(request_id, owner)
        outcome = await promise.wait(0 if self.is_closing else patience)
        if isinstance(outcome, Lost):
            raise Gone(outcome.detail)
        if outcome is not None:
            self._note_fetch(promise)
        return outcome

    def close(self) -> None:
        """Answer whoever waits with "try again", now and from now on."""
        self.is_closing = True
        for promise in self._promises.values():
            promise.wake()

    def _note_fetch(self, promise: PromiseRecord) -> None:
        """Keep what was fetched last; forget the longest unused beyond the budget."""
        if promise.request_id not in self._promises:
            return
        if promise.request_id not in self._fetched:
            size_bytes = _OVERHEAD + (len(promise.outcome.body) if isinstance(promise.outcome, Finished) else 0)
            self._fetched[promise.request_id] = size_bytes
            self._fetched_bytes += size_bytes
        self._fetched.move_to_end(promise.request_id)
        while self._fetched_bytes > self.kept_bytes and len(self._fetched) > 1:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        oldest, freed = self._fetched.popitem(last=False)
        self._fetched_bytes -= freed
        del self._promises[oldest]
        if self.log is not None:
            self.log.promise_dropped(oldest)

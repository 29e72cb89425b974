"""Completions: one poll for all samples of one sampling client, where the server offers it.

The server keeps a log of what is complete, and the client reads behind a cursor: what lies before the cursor it sends is
acknowledged, and what it has fetched is named, so that the server may forget both. A completion brings no result; it says
that asking for the result is worth it now.

If the server refuses to be asked this way, every sample is polled by itself: slower, and never wrong.
"""

import trio
from attrs import define, field, frozen

from tinkex_actors.log import get_log
from tinkex_actors.settings import Figures
from tinkex_actors.transport.ask import ask
from tinkex_actors.transport.endpoints import ACKNOWLEDGE_FUTURES, RETRIEVE_FUTURES
from tinkex_actors.transport.policy import is_retryable
from tinkex_actors.transport.seam import Transport
from tinkex_actors.types.errors import APIConnectionError, APIStatusError, TinkerError
from tinkex_actors.types.ids import RequestId, SamplingSessionId
from tinkex_actors.wire.requests import Completion, PollTarget, RetrieveFuturesRequest

_BAD_REQUEST = 400

_log = get_log()


@frozen
class Complete:
    """A result can be asked for."""

    payload_bytes: int | None = None
    """How large it is, where that is known."""


@define(eq=False)
class _Waiter:
    is_over: trio.Event = field(factory=trio.Event)
    completion: Complete | None = None


@define(eq=False)
class Completions:
    """The completions of one copy of a sampling client, for one life of its actor."""

    transport: Transport
    figures: Figures
    session_id: SamplingSessionId
    copy: int
    """Which copy of the client this is; the first is 0."""
    cursor: int = 0
    is_refused: bool = False
    """Whether the server does not take part any more."""
    _acknowledged: int = 0
    _waiters: dict[RequestId, _Waiter] = field(factory=dict[RequestId, _Waiter])
    _early: dict[RequestId, Complete] = field(factory=dict[RequestId, Complete])
    """Completions that came before their promises were read."""
    _fetched: set[RequestId] = field(factory=set[RequestId])
    _work: trio.Event = field(factory=trio.Event)
    _newcomer: trio.Event = field(factory=trio.Event)
    """Somebody has begun to wait since the last poll was sent."""

    async def wait(self, request_id: RequestId) -> Complete:
        """Wait until *request_id* is worth asking for: complete, or no longer to be heard of this way."""
        early = self._early.pop(request_id, None)
        if early is not None or self.is_refused:
            return early or Complete()
        waiter = self._waiters[request_id] = _Waiter()
        self._work.set()
        self._newcomer.set()
        try:
            await waiter.is_over.wait()
        finally:
            self._waiters.pop(request_id, None)
        return waiter.completion or Complete()

    def note_fetched(self, request_id: RequestId) -> None:
        """The server may forget this result."""
        self._fetched.add(request_id)
        self._work.set()

    async def run(self) -> None:
        """Poll while somebody waits or something is to be acknowledged; return when the server refuses."""
        bad_requests = 0
        while not self.is_refused:
            await self._wait_for_work()
            began, self._newcomer = trio.current_time(), trio.Event()
            try:
                if not await self._poll():
                    await self._rest(began)
            except APIConnectionError as lost:
                await self._pause(lost)
            except TinkerError as refused:
                is_bad = isinstance(refused, APIStatusError) and refused.status_code == _BAD_REQUEST
                bad_requests += is_bad
                if not is_bad or bad_requests > self.figures.poll_bad_requests:
                    self._end_unless_passing(refused)
                await self._pause(refused)
            else:
                bad_requests = 0

    async def _wait_for_work(self) -> None:
        while not (self._waiters or self._fetched or self._acknowledged < self.cursor):
            await self._work.wait()
            self._work = trio.Event()

    async def _rest(self, began: float) -> None:
        """However quickly a server says nothing, it is asked a few times a second; at once if somebody comes to wait."""
        with trio.move_on_at(began + self.figures.poll_interval_min):
            await self._newcomer.wait()

    async def _poll(self) -> bool:
        """Ask once, and say whether anything was complete."""
        fetched = tuple(sorted(self._fetched))
        is_waiting = bool(self._waiters)
        request = RetrieveFuturesRequest(
            PollTarget(self.session_id, self.copy), self.cursor, None if is_waiting else 0.0, fetched
        )
        answer = await ask(self.transport, RETRIEVE_FUTURES if is_waiting else ACKNOWLEDGE_FUTURES, request)
        self._fetched.difference_update(fetched)
        self._acknowledged = max(self._acknowledged, self.cursor)
        self.cursor = answer.cursor
        for completion in answer.completions:
            self._tell(completion)
        return bool(answer.completions)

    def _tell(self, completion: Completion) -> None:
        found = Complete(completion.response_payload_uncompressed_size or None)
        waiter = self._waiters.pop(completion.request_id, None)
        if waiter is None:
            self._early[completion.request_id] = found
            # What nobody ever asks about (withdrawn samples) must not pile up.
            while len(self._early) > self.figures.sample_in_flight:
                self._early.pop(next(iter(self._early)))
            return
        waiter.completion = found
        waiter.is_over.set()

    def _end_unless_passing(self, refused: TinkerError) -> None:
        if isinstance(refused, APIStatusError) and is_retryable(refused.status_code):
            return
        _log.info("the server takes no poll for many samples; each is asked for by itself", error=str(refused))
        self.is_refused = True
        for waiter in self._waiters.values():
            waiter.is_over.set()

    async def _pause(self, why: TinkerError) -> None:
        if not self.is_refused:
            _log.debug("a poll for many samples failed; it is repeated", error=str(why))
            await trio.sleep(self.figures.bulk_poll_delay)

"""Tokens as they are drawn, where a server streams; each sequence when it is complete, where it does not.

A stream is a request as every other: it waits for its place among the session's samples, for pauses, budgets and the
breaker, carries the credential of the moment, is sent again while nothing of it has come, and says in the snapshot what it
waits for. What came cannot be asked for twice, so a stream that breaks off later is an error. Where a server has no
streams, every sequence is a sample of its own.
"""

from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Protocol

import trio
from attrs import define, evolve, field, frozen

from tinkex_actors.actors.pending import Pending
from tinkex_actors.actors.record import SessionRecord
from tinkex_actors.actors.sample_ledger import SampleLedger
from tinkex_actors.actors.stream_place import StreamPlace
from tinkex_actors.settings import Figures
from tinkex_actors.transport.ask import send
from tinkex_actors.transport.endpoints import STREAM_SAMPLE
from tinkex_actors.transport.policy import Enough, Tries, decide_retry
from tinkex_actors.transport.refusal import is_unknown_route, status_error
from tinkex_actors.transport.seam import AnswerStream, Persistence, Transport
from tinkex_actors.types.errors import APIConnectionError, NotSupportedByServer, ResponseInvalid
from tinkex_actors.types.sampling import SampledSequence, SampleResponse
from tinkex_actors.wire.events import EventDecoder, SampledToken, decode_sample_event
from tinkex_actors.wire.requests import SampleRequest

_EVENTS = "text/event-stream"


class _Source(Protocol):
    async def __anext__(self) -> SampledToken: ...

    async def aclose(self) -> None: ...


class SampleStream:
    """The tokens of one request: ``async for token in stream``. Those of one sequence are in order.

    One task reads at a time.
    """

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._is_closed = False

    def __aiter__(self) -> "SampleStream":
        return self

    async def __anext__(self) -> SampledToken:
        """Return the next token.

        Raises:
            APIConnectionError: The stream broke off.
            ResponseInvalid: It holds something else than the tokens that were asked for.
            TinkerError: A sequence failed, where each is a request of its own; or the client was closed.
        """
        if self._is_closed:
            raise StopAsyncIteration
        return await anext(self._source)

    async def aclose(self) -> None:
        """End the drawing, as leaving the block does; there are no more tokens. May be called twice."""
        self._is_closed = True
        await self._source.aclose()


@define(eq=False)
class _Events:
    """Reads one answer's events, and asks for it again while nothing has come."""

    begin: Callable[[SampleRequest, StreamPlace], Awaitable[AnswerStream]]
    """Sends the request until the server begins to answer."""
    request: SampleRequest
    place: StreamPlace
    figures: Figures
    stream: AnswerStream | None = None
    decoder: EventDecoder = field(factory=EventDecoder)
    waiting: deque[SampledToken] = field(factory=deque[SampledToken])
    drawn: Counter[int] = field(factory=Counter[int])
    ended: set[int] = field(factory=set[int])
    is_over: bool = False
    made: int = 1
    """How often a stream was begun."""

    async def start(self) -> None:
        """Begin the stream."""
        with self.place.waiting_for("its turn"):
            self.stream = await self.begin(self.request, self.place)

    async def __anext__(self) -> SampledToken:
        """Return the next token, or stop at the end."""
        while not self.waiting:
            if self.is_over:
                raise StopAsyncIteration
            with self.place.waiting_for("the next token" if self.drawn else "the first token"):
                await self._read()
        return self.waiting.popleft()

    async def aclose(self) -> None:
        """Hang up."""
        self.is_over = True
        self.waiting.clear()
        stream, self.stream = self.stream, None
        if stream is not None:
            await stream.aclose()

    async def _read(self) -> None:
        assert self.stream is not None  # noqa: S101 - it is over when the stream is gone
        try:
            piece = await anext(self.stream)
        except (StopAsyncIteration, APIConnectionError) as end:
            self.is_over = len(self.ended) == self.request.num_samples
            if not self.is_over:
                await self._begin_again(end if isinstance(end, APIConnectionError) else self._broken_off())
            return
        for event in self.decoder.feed(piece):
            token = decode_sample_event(event)
            if token is None:
                self.is_over = True
                return
            self._take(token)

    def _take(self, token: SampledToken) -> None:
        """Take a token that was asked for.

        Raises:
            ResponseInvalid: It was not.
        """
        longest, many = self.request.sampling_params.max_tokens, self.request.num_samples
        self.drawn[token.index] += 1
        if token.index >= many:
            raise _invalid("index", f"below {many}", str(token.index))
        if token.index in self.ended:
            raise _invalid("index", "of a sequence that has not ended", str(token.index))
        if longest is not None and self.drawn[token.index] > longest:
            raise _invalid("token_id", f"no more than {longest} tokens of a sequence", "another one")
        if token.stop_reason is not None:
            self.ended.add(token.index)
        self.place.note_progress()
        self.waiting.append(token)

    async def _begin_again(self, lost: APIConnectionError) -> None:
        """Send the request again if nothing has come of it and there is patience left, or raise *lost*."""
        chance = Random().random()  # noqa: S311 - jitter only spreads load
        tries = Tries(made=self.made, elapsed=0.0)
        verdict = decide_retry(
            None, Persistence.RETRIES, tries, self.figures, now=datetime.now(UTC), chance=chance
        )  # fmt: skip
        if self.drawn or isinstance(verdict, Enough):
            lost.attempts = self.made
            raise lost
        self.made += 1
        standing = self.place.standing
        standing.last_error = str(lost)
        if self.stream is not None:
            await self.stream.aclose()
        standing.wait("the next attempt", trio.current_time() + verdict.delay)
        await trio.sleep(verdict.delay)
        self.decoder = EventDecoder()
        self.stream = await self.begin(self.request, self.place)

    def _broken_off(self) -> APIConnectionError:
        return APIConnectionError(
            f"stream_sample: the stream ended with {len(self.ended)} of {self.request.num_samples} sequences complete; "
            "sample again",
            operation=STREAM_SAMPLE.name,
        )


@define(eq=False)
class _Sequences:
    """Reads whole sequences, each as soon as it is complete."""

    open: dict[int, Pending[SampleResponse]]
    waiting: deque[SampledToken] = field(factory=deque[SampledToken])

    async def __anext__(self) -> SampledToken:
        """Return the next token, or stop when every sequence was read."""
        while not self.waiting:
            if not self.open:
                raise StopAsyncIteration
            index = await self._first_done()
            (sequence,) = (await self.open.pop(index)).sequences
            self.waiting.extend(_tokens_of(index, sequence))
        return self.waiting.popleft()

    async def _first_done(self) -> int:
        done = list[int]()

        async def watch(index: int, pending: Pending[SampleResponse]) -> None:
            await pending.wait_done()
            done.append(index)
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for index, pending in self.open.items():
                nursery.start_soon(watch, index, pending)
        return done[0]

    async def aclose(self) -> None:
        """Withdraw what nobody has read."""
        for pending in self.open.values():
            pending.cancel()
        self.open.clear()
        self.waiting.clear()


@frozen(eq=False)
class StreamSource:
    """What a stream is drawn from."""

    transport: Transport
    record: SessionRecord
    ledger: SampleLedger
    figures: Figures

    @asynccontextmanager
    async def open(
        self,
        request: SampleRequest,
        weight_bytes: int,
        one_by_one: Callable[[], Sequence[Pending[SampleResponse]]],
    ) -> AsyncGenerator[SampleStream, None]:
        """Stream *request*, or else the sequences that *one_by_one* submits.

        Raises:
            APIStatusError: The server refuses.
            APIConnectionError: It does not answer.
            ResponseInvalid: It answers with something else than a stream.
        """
        place = StreamPlace(STREAM_SAMPLE.name, weight_bytes)
        try:
            source = await self._open_events(request, place)
            stream = SampleStream(source or _Sequences(dict(enumerate(one_by_one()))))
            try:
                yield stream
            finally:
                await stream.aclose()
        finally:
            self.ledger.leave(place)

    async def _open_events(self, request: SampleRequest, place: StreamPlace) -> _Events | None:
        """Begin a stream, or find out that the server has none."""
        if not self.record.capabilities.stream_sample:
            return None
        self.ledger.enlist(place)
        events = _Events(self._begin, evolve(request, seq_id=await place.wait_admitted()), place, self.figures)
        try:
            await events.start()
        except NotSupportedByServer:
            self.record.learn("stream_sample", is_there=False)
            self.ledger.leave(place)
            return None
        except BaseException:
            await events.aclose()
            raise
        self.record.learn("stream_sample", is_there=True)
        return events

    async def _begin(self, request: SampleRequest, place: StreamPlace) -> AnswerStream:
        """Send until the server begins to answer."""
        answer = await send(
            self.transport,
            STREAM_SAMPLE,
            request,
            key=f"{self.ledger.key}-{request.seq_id}",
            weight_bytes=place.weight_bytes,
            standing=place.standing,
        )
        if is_unknown_route(answer):
            raise NotSupportedByServer(STREAM_SAMPLE.feature) from status_error(STREAM_SAMPLE, answer)
        if answer.stream is None:
            raise status_error(STREAM_SAMPLE, answer)
        kind = answer.headers.get("content-type", _EVENTS)
        coding = answer.headers.get("content-encoding", "identity")
        if not kind.startswith(_EVENTS) or coding != "identity":
            await answer.stream.aclose()
            raise _invalid("content-type", f"{_EVENTS}, not encoded", f"{kind}, {coding}")
        return answer.stream


def _tokens_of(index: int, sequence: SampledSequence) -> list[SampledToken]:
    logprobs: Sequence[float | None] = sequence.logprobs or [None] * len(sequence.tokens)
    last = len(sequence.tokens) - 1
    return [
        SampledToken(index, token, logprob, sequence.stop_reason if at == last else None)
        for at, (token, logprob) in enumerate(zip(sequence.tokens, logprobs, strict=True))
    ]


def _invalid(path: str, expected: str, got: str) -> ResponseInvalid:
    return ResponseInvalid(path=path, expected=expected, got=got, operation=STREAM_SAMPLE.name)

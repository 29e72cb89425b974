"""Tokens as they are drawn, where a server streams; each sequence when it is complete, where it does not.

A stream cannot be asked for twice, so it is begun again only while nothing of it has come. Where a server has no streams,
every sequence is a request of its own, with all that requests have: budgets, pauses, repeats, survival of crashes.
"""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from random import Random

import trio
from attrs import define, evolve, field, frozen

from tinkex_actors.activity import working_on
from tinkex_actors.actors.pending import Pending
from tinkex_actors.actors.record import SessionRecord
from tinkex_actors.actors.sample_ledger import SampleLedger
from tinkex_actors.settings import Figures
from tinkex_actors.transport.endpoints import STREAM_SAMPLE
from tinkex_actors.transport.policy import Again, Enough, Tries, decide_retry
from tinkex_actors.transport.refusal import is_unknown_route, status_error
from tinkex_actors.transport.seam import Answer, Body, Persistence, Transport
from tinkex_actors.transport.stack import streams_of
from tinkex_actors.transport.standing import Standing
from tinkex_actors.transport.streams import StreamedAnswer
from tinkex_actors.types.errors import APIConnectionError, NotSupportedByServer
from tinkex_actors.types.sampling import SampledSequence, SampleResponse
from tinkex_actors.wire.events import EventDecoder, SampledToken, decode_sample_event
from tinkex_actors.wire.json_codec import encode_json
from tinkex_actors.wire.requests import SampleRequest


class SampleStream:
    """The tokens of one request: ``async for token in stream``. Those of one sequence are in order."""

    def __init__(self, source: "_Events | _Sequences") -> None:
        self._source = source

    def __aiter__(self) -> "SampleStream":
        return self

    async def __anext__(self) -> SampledToken:
        """Return the next token.

        Raises:
            APIConnectionError: The stream broke off.
            ResponseInvalid: It holds something else than tokens.
            TinkerError: A sequence failed, where each is a request of its own.
        """
        return await anext(self._source)


@define(eq=False)
class _Events:
    """Reads one answer's events."""

    answer: StreamedAnswer
    sequences: int
    decoder: EventDecoder = field(factory=EventDecoder)
    waiting: deque[SampledToken] = field(factory=deque[SampledToken])
    ended: set[int] = field(factory=set[int])
    is_over: bool = False

    async def __anext__(self) -> SampledToken:
        """Return the next token, or stop at the end."""
        while not self.waiting:
            if self.is_over:
                raise StopAsyncIteration
            await self._read()
        token = self.waiting.popleft()
        if token.stop_reason is not None:
            self.ended.add(token.index)
        return token

    async def _read(self) -> None:
        try:
            piece = await anext(self.answer)
        except StopAsyncIteration:
            self.is_over = True
            if len(self.ended) < self.sequences:
                raise APIConnectionError(
                    f"stream_sample: the stream ended with {len(self.ended)} of {self.sequences} sequences complete; "
                    "sample again",
                    operation=STREAM_SAMPLE.name,
                ) from None
            return
        for event in self.decoder.feed(piece):
            token = decode_sample_event(event)
            if token is None:
                self.is_over = True
                return
            self.waiting.append(token)


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

    def give_up(self) -> None:
        """Withdraw what nobody has read."""
        for pending in self.open.values():
            pending.cancel()


@frozen(eq=False)
class StreamSource:
    """What a stream is drawn from."""

    transport: Transport
    record: SessionRecord
    ledger: SampleLedger
    figures: Figures

    @asynccontextmanager
    async def open(
        self, request: SampleRequest, one_by_one: Callable[[], Sequence[Pending[SampleResponse]]]
    ) -> AsyncGenerator[SampleStream, None]:
        """Stream *request*, or else the sequences that *one_by_one* submits.

        Raises:
            APIStatusError: The server refuses.
            APIConnectionError: It does not answer.
        """
        if self.record.capabilities.stream_sample:
            async with AsyncExitStack() as held:
                try:
                    with working_on(Standing(owner=self.ledger.owner, operation=STREAM_SAMPLE.name)):
                        answer = await self._begin(request, held)
                except NotSupportedByServer:
                    self.record.learn("stream_sample", is_there=False)
                else:
                    self.record.learn("stream_sample", is_there=True)
                    yield SampleStream(_Events(answer, request.num_samples))
                    return
        sequences = _Sequences(dict(enumerate(one_by_one())))
        try:
            yield SampleStream(sequences)
        finally:
            sequences.give_up()

    async def _begin(self, request: SampleRequest, held: AsyncExitStack) -> StreamedAnswer:
        """Send until the server begins to answer, as often as a request is sent."""
        began, made = trio.current_time(), 0
        numbered = evolve(request, seq_id=self.ledger.take_number())
        body = Body(content=encode_json(numbered), idempotency_key=f"{self.ledger.key}-{numbered.seq_id}")
        while True:
            outcome = await self._try(body, held)
            if isinstance(outcome, StreamedAnswer):
                return outcome
            made += 1
            answer = outcome if isinstance(outcome, Answer) else None
            if answer is not None and is_unknown_route(answer):
                raise NotSupportedByServer(STREAM_SAMPLE.feature) from status_error(STREAM_SAMPLE, answer)
            verdict = self._decide(answer, Tries(made=made, elapsed=trio.current_time() - began))
            if isinstance(verdict, Enough):
                raise outcome if isinstance(outcome, APIConnectionError) else status_error(STREAM_SAMPLE, outcome)
            await trio.sleep(verdict.delay)

    async def _try(self, body: Body, held: AsyncExitStack) -> StreamedAnswer | Answer | APIConnectionError:
        async with AsyncExitStack() as stack:
            try:
                answer = await stack.enter_async_context(streams_of(self.transport).open_stream(STREAM_SAMPLE, body))
                if not answer.is_success:
                    return await answer.read_refusal()
            except APIConnectionError as lost:
                return lost
            await held.enter_async_context(stack.pop_all())
            return answer

    def _decide(self, answer: Answer | None, tries: Tries) -> Again | Enough:
        chance = Random().random()  # noqa: S311 - jitter only spreads load
        return decide_retry(answer, Persistence.RETRIES, tries, self.figures, now=datetime.now(UTC), chance=chance)


def _tokens_of(index: int, sequence: SampledSequence) -> list[SampledToken]:
    logprobs: Sequence[float | None] = sequence.logprobs or [None] * len(sequence.tokens)
    last = len(sequence.tokens) - 1
    return [
        SampledToken(index, token, logprob, sequence.stop_reason if at == last else None)
        for at, (token, logprob) in enumerate(zip(sequence.tokens, logprobs, strict=True))
    ]

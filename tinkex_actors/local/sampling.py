"""The actor of one sampling session: takes sample requests in any order and computes them as there is room.

Numbers make requests recognisable, not ordered: the same number again is the same promise with the same sequence ids.
What must survive a crash is in the `SamplingSession`; a new life fails the request that the old one crashed on, and
draws the others it had in hand anew: they come to the same.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import trio
from attrs import define, field

from supervisors import Actor, ActorCrashed, ActorNotAlive, Ref
from tinkex_actors.local.completions import CLONE_SPAN, CompletionLog
from tinkex_actors.local.decoding_room import DecodingRoom, Seat, decode_again
from tinkex_actors.local.engine import EngineInputError, Sampler
from tinkex_actors.local.futures import Finished, PromiseRecord
from tinkex_actors.local.limits import INT64_MAX, Limits, check_number
from tinkex_actors.local.records import SamplerRecord
from tinkex_actors.local.refusals import BadRequest, Refusal, TooMany
from tinkex_actors.local.results import pack
from tinkex_actors.local.sample_translation import decoding_to_response, request_to_engine
from tinkex_actors.local.seats import Seats
from tinkex_actors.local.weights import Weights
from tinkex_actors.local.workshop import Workshop
from tinkex_actors.types.errors import RequestErrorCategory
from tinkex_actors.types.futures import FutureFailure, Promise, QueueState
from tinkex_actors.types.ids import RequestId, SequenceId
from tinkex_actors.wire.requests import Completion, SampleRequest

_CRASHED = "the server crashed while sampling"


@define(eq=False)
class SamplingSession:
    """One sampling session: its record, its weights, and the promises it has given."""

    record: SamplerRecord
    weights: Weights
    seed: int
    """What draws without a seed of their own begin from, together with their number."""
    seats: Seats
    """For the sequences of this session that are decoded at a time."""
    given: dict[int, Promise] = field(factory=dict[int, Promise])
    """The promise given under each ``seq_id``; the newest ones."""
    promised: int = 0
    """How many promises were given."""
    completions: dict[int, CompletionLog] = field(factory=dict[int, CompletionLog])
    """What became of the samples of each copy of the client."""
    copies: int = 0
    """How many copies of the client have joined, in earlier processes too."""
    is_reopened: bool = False
    """Whether it goes on from an earlier process, whose completions are lost."""
    in_hand: dict[RequestId, "Draw"] = field(factory=dict[RequestId, "Draw"])
    """Promised and not settled."""

    def completions_of(self, copy: int) -> CompletionLog:
        """The log of one copy of the client, begun at the first use."""
        return self.completions.setdefault(copy, CompletionLog())


@define(eq=False)
class Draw:
    """One sample request in hand."""

    promise: PromiseRecord
    request: SampleRequest
    number: int
    is_guilty: bool = False
    """Whether its actor crashed on it."""

    @contextmanager
    def blamed(self) -> Generator[None]:
        """Note what escapes the block: a bug that this request met."""
        try:
            yield
        except (trio.Cancelled, EngineInputError, Refusal):
            raise
        except BaseException:
            self.is_guilty = True
            raise


class SamplingDesk(Actor):
    """Answers the sample requests of one `SamplingSession`."""

    expected_errors = (Refusal,)

    def __init__(self, session: SamplingSession, workshop: Workshop, room: Ref[DecodingRoom]) -> None:
        self._session = session
        self._shop = workshop
        self._room = room

    async def on_start(self) -> None:
        """Fail what the last life crashed on, and begin anew with what else it had in hand."""
        for request_id, draw in list(self._session.in_hand.items()):
            if draw.is_guilty:
                self._fail(request_id, _CRASHED, RequestErrorCategory.SERVER)
            else:
                self.ref.cast_nowait(SamplingDesk.draw, draw)

    async def submit(self, request: SampleRequest) -> Promise:
        """Promise a sample; the same number again is the same promise.

        Raises:
            BadRequest: The number is out of bounds, or more samples are asked for than the server gives at once.
            TooMany: Too many samples wait already.
        """
        session, limits = self._session, self._shop.limits
        number = session.promised if request.seq_id is None else request.seq_id
        check_number("seq_id", number, maximum=INT64_MAX)
        if request.seq_id is not None and request.seq_id in session.given:
            return session.given[request.seq_id]
        check_size(request, limits)
        if self._shop.seats.waiting >= limits.max_pending_samples:
            raise TooMany(f"{limits.max_pending_samples} samples wait already; send this one again in a moment")
        return self._accept(number, request)

    async def cancel(self, request_id: RequestId) -> None:
        """Fail a sample nobody wants any more; its computation stops at the next token."""
        if request_id in self._session.in_hand:
            self._fail(request_id, "cancelled by the client", RequestErrorCategory.USER)

    async def draw(self, draw: Draw) -> None:
        """Compute one request and settle its promise."""
        session, request_id = self._session, draw.promise.request_id
        async with self.off_turn():
            try:
                with draw.blamed():
                    finished = await self._compute(draw)
            except (EngineInputError, Refusal) as error:
                self._fail(request_id, str(error), RequestErrorCategory.USER)
                return
            except (ActorCrashed, ActorNotAlive):
                self._fail(request_id, _CRASHED, RequestErrorCategory.SERVER)
                return
            if finished is None:
                return
            if draw.promise.outcome is None:  # else it was cancelled meanwhile
                self._shop.audit.append(session.record.sampling_session_id, draw.number, "sample")
            self._settle(request_id, finished)

    async def _compute(self, draw: Draw) -> Finished | None:
        """Read the prompt when there is a seat, decode beside the others, and encode; None if cancelled before."""
        shop, request = self._shop, draw.request

        def is_wanted() -> bool:
            return draw.promise.outcome is None

        async with self._seats(draw):
            if not is_wanted():
                return None
            begin = partial(open_seat, self._session, request, draw.number, shop, is_wanted)
            seat = await decode_again(self._room, begin)
            return await shop.compute(lambda: pack(decoding_to_response(seat.decoding, request)), shop.sampling)

    @asynccontextmanager
    async def _seats(self, draw: Draw) -> AsyncGenerator[None]:
        """Hold seats among the session's own and then among everybody's, and say meanwhile which of them are taken."""
        promise, number = draw.promise, draw.request.num_samples
        promise.queue_state = QueueState.PAUSED_RATE_LIMIT
        async with self._session.seats.take(number):
            promise.queue_state = QueueState.PAUSED_CAPACITY
            async with self._shop.seats.take(number):
                promise.queue_state = QueueState.ACTIVE
                yield

    def _accept(self, number: int, request: SampleRequest) -> Promise:
        session = self._session
        record = self._shop.futures.open("Sample", owner=session.record.owner, session_id=session.record.session_id)
        names = tuple(SequenceId(f"{record.request_id}:{index}") for index in range(request.num_samples))
        promise = Promise(record.request_id, sample_sequence_ids=names)
        session.promised += 1
        session.given[number] = promise
        self._forget_old_numbers()
        session.in_hand[record.request_id] = draw = Draw(record, request, number)
        self.ref.cast_nowait(SamplingDesk.draw, draw)
        return promise

    def _forget_old_numbers(self) -> None:
        """Bound the numbers that are remembered: a repeat comes within minutes, a session lives for days."""
        given = self._session.given
        while len(given) > self._shop.limits.remembered_samples:
            oldest = next(iter(given))
            if given[oldest].request_id in self._session.in_hand:
                return
            del given[oldest]

    def _fail(self, request_id: RequestId, why: str, category: RequestErrorCategory) -> None:
        self._settle(request_id, FutureFailure(why, category))

    def _settle(self, request_id: RequestId, outcome: Finished | FutureFailure) -> None:
        """Give a promise in hand its outcome, and tell the copy of the client that made it; once."""
        draw = self._session.in_hand.pop(request_id, None)
        if draw is None:
            return
        self._shop.futures.settle(request_id, outcome)
        log = self._session.completions_of(draw.number // CLONE_SPAN)
        if isinstance(outcome, Finished):
            log.add(Completion("finished", request_id, len(outcome.body)))
        else:
            log.add(Completion("failed", request_id))


def check_size(request: SampleRequest, limits: Limits) -> None:
    """Refuse what is more than one request may ask for.

    Raises:
        BadRequest: Too many samples, or too many tokens of them all.
    """
    check_number("num_samples", request.num_samples, minimum=1, maximum=limits.max_samples)
    tokens = request.num_samples * (request.sampling_params.max_tokens or 0)
    if tokens > limits.max_request_tokens:
        raise BadRequest(
            f"num_samples times max_tokens may be {limits.max_request_tokens}, got {tokens}; ask for fewer"
        )


async def open_seat(
    session: SamplingSession, request: SampleRequest, number: int, shop: Workshop, is_wanted: Callable[[], bool]
) -> Seat:
    """Read the weights, if need be, and the prompt of request *number*; the rest is for the `DecodingRoom`.

    Raises:
        EngineInputError: The request is wrong for this model.
        Refusal: The weights are gone.
    """

    def read() -> Seat:
        """Read the weights and the prompt, in a thread of the shop's."""
        adapter = session.weights.at_hand(shop.shelves)
        asked = request_to_engine(request, f"{session.seed}/{session.record.number}/{number}")
        base = session.weights.base
        return Seat(base, adapter, Sampler(base, adapter).begin(asked), is_wanted)

    seat = await shop.compute(read, shop.sampling)
    shop.adapters.touch(session.weights)
    return seat

"""``POST stream_sample``: one token after the other, as server-sent events, while they are drawn.

Each event is a JSON object: ``kind`` ``token`` (``index`` of the sample, ``token_id``, ``logprob``, ``finish_reason`` with
the last token of a sample), then one of ``kind`` ``done`` with ``total_tokens``. What is wrong with the request is
answered as everywhere else, before the first event. A client that goes away stops the drawing at the next token.
"""

import math
from contextlib import suppress

import orjson
import trio
from attrs import define, field

from supervisors import ActorCrashed, ActorNotAlive
from tinkex_actors.local.decoding_room import Seat, decode_again
from tinkex_actors.local.engine import EngineInputError
from tinkex_actors.local.engine.decoding import SampledToken
from tinkex_actors.local.http.call import Answer, Call, Streamed, Write
from tinkex_actors.local.refusals import BadRequest, Refusal
from tinkex_actors.local.sampling import SamplingSession, check_size, open_seat
from tinkex_actors.local.service import Service
from tinkex_actors.wire.requests import SampleRequest


async def stream_sample(service: Service, call: Call) -> Answer | Streamed:
    """Draw from a sampling session, without a promise: a stream cannot be asked for twice."""
    request = call.decode(SampleRequest)
    if request.sampling_session_id is None:
        raise BadRequest("stream_sample needs a sampling_session_id; create a sampling session first")
    check_size(request, service.shop.limits)
    sampling = await service.find_living_sampler(call.owner, request.sampling_session_id)
    return Streamed("text/event-stream", _Stream(service, sampling, request).run)


@define(eq=False)
class _Stream:
    """One request being decoded beside the others and sent as it comes."""

    service: Service
    sampling: SamplingSession
    request: SampleRequest
    failure: Exception | None = field(default=None, init=False)

    async def run(self, write: Write) -> None:
        """Draw and send to the end."""
        total = 0
        # As many steps as a sample may have tokens, at most.
        send, receive = trio.open_memory_channel[tuple[SampledToken, ...]](math.inf)
        async with trio.open_nursery() as nursery, receive:
            nursery.start_soon(self._draw, send)
            async for tokens in receive:
                total += len(tokens)
                await write(b"".join(_event(_describe(token)) for token in tokens))
        if isinstance(self.failure, EngineInputError):
            raise BadRequest(str(self.failure)) from self.failure
        if self.failure is not None:
            raise self.failure
        await write(_event({"kind": "done", "total_tokens": total}))

    async def _draw(self, send: "trio.MemorySendChannel[tuple[SampledToken, ...]]") -> None:
        shop, room = self.service.shop, self.service.samplers.room
        number = self.request.num_samples
        told = 0

        async def begin() -> Seat:
            """Begin to draw; what was told before a crash of the room is drawn once more and not told again."""
            seat = await open_seat(self.sampling, self.request, self.request.seq_id or 0, shop, _always)
            heard = 0

            def listen(tokens: tuple[SampledToken, ...]) -> None:
                nonlocal heard, told
                heard += 1
                if heard > told:
                    told = heard
                    with suppress(trio.ClosedResourceError):  # the client left, and the room hears of it in a moment
                        send.send_nowait(tokens)

            seat.listen = listen
            return seat

        async with send, self.sampling.seats.take(number), shop.seats.take(number):
            try:
                await decode_again(room, begin)
            except (EngineInputError, Refusal, ActorCrashed, ActorNotAlive) as error:
                self.failure = error  # raised by run: out of the nursery it would be in a group


def _always() -> bool:
    return True


def _describe(token: SampledToken) -> dict[str, object]:
    return {
        "kind": "token",
        "index": token.sample,
        "token_id": token.token,
        "logprob": token.logprob,
        "finish_reason": token.stop_reason,
    }


def _event(content: dict[str, object]) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\n\n"

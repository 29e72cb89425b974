"""``POST stream_sample``: one token after the other, as server-sent events, while they are drawn.

Each event is a JSON object: ``kind`` ``token`` (``index`` of the sample, ``token_id``, ``logprob``, ``finish_reason`` with
the last token of a sample), then one of ``kind`` ``done`` with ``total_tokens``. What is wrong with the request is
answered as everywhere else, before the first event. A client that goes away stops the drawing at the next token.
"""

import math
from collections.abc import Iterator

import orjson
import trio
from attrs import define, field

from tinkex_actors.local.engine import EngineInputError
from tinkex_actors.local.engine.decoding import SampledToken
from tinkex_actors.local.http.call import Answer, Call, Streamed, Write
from tinkex_actors.local.limits import check_number
from tinkex_actors.local.refusals import BadRequest
from tinkex_actors.local.sample_translation import stream_samples
from tinkex_actors.local.sampling import SamplingSession
from tinkex_actors.local.service import Service
from tinkex_actors.wire.requests import SampleRequest


async def stream_sample(service: Service, call: Call) -> Answer | Streamed:
    """Draw from a sampling session, without a promise: a stream cannot be asked for twice."""
    request = call.decode(SampleRequest)
    if request.sampling_session_id is None:
        raise BadRequest("stream_sample needs a sampling_session_id; create a sampling session first")
    check_number("num_samples", request.num_samples, minimum=1, maximum=service.shop.limits.max_samples)
    sampling = await service.find_living_sampler(call.owner, request.sampling_session_id)
    return Streamed("text/event-stream", _Stream(service, sampling, request).run)


@define(eq=False)
class _Stream:
    """One request being drawn in a worker thread and sent from the event loop."""

    service: Service
    sampling: SamplingSession
    request: SampleRequest
    is_wanted: bool = True
    failure: EngineInputError | None = field(default=None, init=False)

    async def run(self, write: Write) -> None:
        """Draw and send to the end."""
        shop, total = self.service.shop, 0
        send, receive = trio.open_memory_channel[tuple[SampledToken, ...]](math.inf)
        try:
            async with trio.open_nursery() as nursery, receive:
                nursery.start_soon(shop.compute, lambda: self._draw(send), shop.sampling)
                async for tokens in receive:
                    total += len(tokens)
                    await write(b"".join(_event(_describe(token)) for token in tokens))
        finally:
            self.is_wanted = False
        if self.failure is not None:
            raise BadRequest(str(self.failure)) from self.failure
        await write(_event({"kind": "done", "total_tokens": total}))

    def _draw(self, send: "trio.MemorySendChannel[tuple[SampledToken, ...]]") -> None:
        """Draw in the worker thread, and hand every step over as soon as it is there."""
        try:
            for tokens in self._steps():
                trio.from_thread.run_sync(send.send_nowait, tokens)
        except EngineInputError as error:
            self.failure = error
        except trio.BrokenResourceError:
            pass  # nobody listens any more
        finally:
            trio.from_thread.run_sync(send.close)

    def _steps(self) -> Iterator[tuple[SampledToken, ...]]:
        weights, record = self.sampling.weights, self.sampling.record
        seed = f"{self.sampling.seed}/{record.number}/{self.request.seq_id}"
        return stream_samples(
            weights.base,
            weights.at_hand(self.service.shop.shelves),
            self.request,
            default_seed=seed,
            cancelled=lambda: not self.is_wanted,
        )


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

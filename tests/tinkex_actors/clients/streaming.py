"""The scripted server with streams: one piece a second, and faults on demand."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import orjson
import trio
from attrs import define, field

from tests.tinkex_actors.fake_tinker import FakeTinker, open_fake
from tinkex_actors.clients import SamplingClient
from tinkex_actors.types import ModelInput

PROMPT = ModelInput.from_ints([1, 2])
FIRST = b'data: {"kind": "token", "index": 0, "token_id": 5, "logprob": -0.5}\n\n'
LAST = b'data: {"kind": "token", "index": 0, "token_id": 6, "logprob": -0.25, "finish_reason": "length"}\n\n'
DONE = b'data: {"kind": "done", "total_tokens": 2}\n\n'


class Drip(httpx.AsyncByteStream):
    """Sends one piece a second, and then breaks off if it is told to."""

    def __init__(self, pieces: list[bytes], *, breaks: bool) -> None:
        self._rest, self._breaks = list(pieces), breaks
        self.is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await trio.sleep(1)
        if self._rest:
            return self._rest.pop(0)
        if self._breaks:
            raise httpx.ReadError("lost on the way")
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.is_closed = True


@define
class StreamingTinker(FakeTinker):
    """The service, with streams."""

    pieces: list[bytes] = field(factory=lambda: [FIRST, LAST, DONE])
    breaks: bool = False
    drips: list[Drip] = field(factory=list[Drip])
    numbers: list[int] = field(factory=list[int])
    """The sequence number of each stream."""
    fields: dict[str, str] = field(factory=dict[str, str])
    """Headers of a stream."""
    before_stream: Callable[[int], None] = lambda _: None
    """Told how many streams there were, before each."""

    async def _carry_out(self, route: str, request: httpx.Request) -> httpx.Response:
        if route != "stream_sample":
            return await super()._carry_out(route, request)
        self.before_stream(len(self.drips))
        self.numbers.append(orjson.loads(request.content)["seq_id"])
        self.drips.append(Drip(self.pieces, breaks=self.breaks))
        return httpx.Response(200, headers=self.fields, stream=self.drips[-1])

    @property
    def read_at_once(self) -> int:
        """How many streams are not closed."""
        return sum(not drip.is_closed for drip in self.drips)


@asynccontextmanager
async def sampler_of(fake: FakeTinker) -> AsyncGenerator[SamplingClient]:
    """Open a client of the fake, and a sampler."""
    async with open_fake(fake) as tinker:
        yield await tinker.create_sampling_client(base_model="fake/model")

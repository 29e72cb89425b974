"""What it costs to be watched, on samples: ``python -m benchmarks.client.watched``, microseconds of CPU and shares of a sample.

All subjects are clients in one process, over one scripted server, and take turns in short blocks, in reversed order every
other round; what else the machine does only ever adds, so the least of each subject's blocks tells most. The first has no
metrics, no log and no tracing; the second is the same again (*A/A*). As a few microseconds drown in what a busy machine does
to a whole sample, what watching adds is also measured by itself: its layers over a transport that answers at once. "Everything" is metrics, log records as JSON (a
sample writes none), and OpenTelemetry with its SDK's batching.
"""

import argparse
import io
import logging
import math
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from statistics import median
from unittest.mock import patch

import numpy as np
import structlog
import trio
from attrs import frozen
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from benchmarks.client.__main__ import running_server
from benchmarks.client.batch import SAMPLE_LENGTH
from tinkex_actors import Settings, open_tinker
from tinkex_actors.activity import working_on
from tinkex_actors.actors.call_span import begin_call, end_when_settled
from tinkex_actors.actors.pending import Audience, Slot
from tinkex_actors.clients.sampling import SamplingClient
from tinkex_actors.metrics import Metrics
from tinkex_actors.tracing import Tracing
from tinkex_actors.tracing.otel import OpenTelemetry
from tinkex_actors.transport import stack as transport_stack
from tinkex_actors.transport.endpoints import RETRIEVE_FUTURE, SAMPLE
from tinkex_actors.transport.metered import Metered
from tinkex_actors.transport.seam import Answer, Body, Route, Transport
from tinkex_actors.transport.standing import Standing
from tinkex_actors.transport.traced import Traced
from tinkex_actors.types import ModelInput, SamplingParams

_CONCURRENCY = 100
_SAMPLED = 0.01
"""One call in a hundred is recorded."""
_REACH = 0.03
PROMPT = ModelInput.from_ints(np.arange(SAMPLE_LENGTH, dtype=np.int32))
PARAMS = SamplingParams(max_tokens=SAMPLE_LENGTH)


@frozen
class Arm:
    """One way to be watched."""

    name: str
    is_metered: bool
    ratio: float | None
    """The share of calls that are recorded; None without tracing."""


ARMS = (
    Arm("nothing", is_metered=False, ratio=None),
    Arm("nothing again (A/A)", is_metered=False, ratio=None),
    Arm("metrics and logs", is_metered=True, ratio=None),
    Arm(f"everything, {_SAMPLED:.0%} of calls traced", is_metered=True, ratio=_SAMPLED),
    Arm("everything, every call traced", is_metered=True, ratio=1.0),
)


@asynccontextmanager
async def open_arm(arm: Arm, url: str) -> AsyncGenerator[SamplingClient]:
    """Open a client that is watched so."""
    settings = Settings.from_environ({}, api_key="tml-bench", base_url=url)
    async with AsyncExitStack() as held:
        with _metered(is_on=arm.is_metered):
            tracing = None if arm.ratio is None else _tracing(arm.ratio)
            client = await held.enter_async_context(open_tinker(settings, tracing=tracing))
        yield await client.create_sampling_client(base_model="m")


@contextmanager
def _metered(*, is_on: bool) -> Generator[None]:
    """Leave the layer out that counts: there is no setting for it, since nobody has asked for one."""

    def not_metered(inner: Transport, _: Metrics) -> Transport:
        return inner

    if is_on:
        yield
        return
    with patch.object(transport_stack, "Metered", not_metered):
        yield


def _tracing(ratio: float) -> Tracing:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_Forgetful()))
    return OpenTelemetry(provider, ratio=ratio)


class _Forgetful(InMemorySpanExporter):
    """Exports to nowhere."""

    def export(self, spans: object) -> object:  # type: ignore[override]  # what comes of it is not looked at
        """Forget them."""
        del spans
        return None


async def take(sampler: SamplingClient, count: int) -> float:
    """Take so many samples; return microseconds of CPU for each."""

    async def one() -> None:
        for _ in range(count // _CONCURRENCY):
            await sampler.sample(PROMPT, 1, PARAMS)

    began = time.process_time()
    async with trio.open_nursery() as nursery:
        for _ in range(_CONCURRENCY):
            nursery.start_soon(one)
    return (time.process_time() - began) / count * 1e6


class _Answering:
    """A transport that answers at once."""

    def __init__(self) -> None:
        self._answer = Answer(status=200)

    async def send(self, route: Route, body: Body, /) -> Answer:
        """Answer."""
        del route, body
        return self._answer


async def pass_layers(tracing: Tracing | None, *, is_metered: bool, count: int) -> float:
    """Do what watching adds to a sample, and nothing of the sample; return microseconds of CPU for each."""
    layers: Transport = _Answering()
    layers = Metered(layers, Metrics()) if is_metered else layers
    layers = layers if tracing is None else Traced(layers, tracing)
    owner = {"client": "sampler-0", "session_id": "s", "sampling_session_id": "q"}
    began = time.process_time()
    for _ in range(count):
        standing, slot = Standing(owner=owner, operation=SAMPLE.name), Slot[object](Audience(SAMPLE.name))
        if tracing is not None and (span := begin_call(tracing, owner, [standing])) is not None:
            end_when_settled([span], [slot])
        body = Body(standing=standing)
        with working_on(standing, "Sampler.sample"):
            await layers.send(SAMPLE, body)
            await layers.send(RETRIEVE_FUTURE, body)
        slot.succeed(None)
    return (time.process_time() - began) / count * 1e6


async def measure_added(rounds: int, count: int) -> list[float]:
    """Measure what each arm adds, by itself: the least of the rounds, over that of the first arm."""
    least = [math.inf for _ in ARMS]
    tracings = [None if arm.ratio is None else _tracing(arm.ratio) for arm in ARMS]
    for _ in range(rounds):
        for place, arm in enumerate(ARMS):
            taken = await pass_layers(tracings[place], is_metered=arm.is_metered, count=count)
            least[place] = min(least[place], taken)
    return [one - least[0] for one in least]


async def measure(url: str, rounds: int, count: int) -> list[list[float]]:
    """Let the arms take turns; return what each took, round by round."""
    taken: list[list[float]] = [[] for _ in ARMS]
    async with AsyncExitStack() as held:
        samplers = [await held.enter_async_context(open_arm(arm, url)) for arm in ARMS]
        for sampler in samplers:
            await take(sampler, _CONCURRENCY)
        for number in range(rounds):
            order = range(len(ARMS))
            for place in reversed(order) if number % 2 else order:
                taken[place].append(await take(samplers[place], count))
    return taken


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client.watched", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--count", type=int, default=200, help="samples in a block")
    options = parser.parse_args()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(io.StringIO()),
    )
    with running_server() as port:
        taken = trio.run(measure, f"http://127.0.0.1:{port}", options.rounds, options.count)
    added = trio.run(measure_added, 10, 3000)
    print("| watched by | CPU us a sample, least | median | added, by itself | of a sample |")
    print("|---|---:|---:|---:|---:|")
    for arm, mine, more in zip(ARMS, taken, added, strict=True):
        reach = f" (reach {_REACH:.0%})" if arm.ratio == _SAMPLED else ""
        share = more / min(taken[0])
        print(f"| {arm.name} | {min(mine):.0f} | {median(mine):.0f} | {more:+.1f} us | {share:+.1%}{reach} |")


if __name__ == "__main__":
    main()

"""One client doing one kind of work once, in a process of its own: ``python -m benchmarks.client.subject ours sample …``.

Prints what it took as one line of JSON: CPU seconds of all threads and wall seconds for each operation, after a warm-up
that is not counted, and the peak of the process's memory. The official SDK runs on asyncio, and nothing else here does.
"""

import argparse
import asyncio  # noqa: TID251 - the official SDK's loop
import json
import os
import resource
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from statistics import median
from typing import Any

import httpx
import numpy as np
import trio
from attrs import define

from benchmarks.client.batch import SAMPLE_LENGTH, batch
from tinkex_actors import Settings, open_tinker
from tinkex_actors.clients.tinker import TinkerClient
from tinkex_actors.transport.lean.dialing import Origin
from tinkex_actors.transport.lean.limits import Limits, Timeouts
from tinkex_actors.transport.lean.pool import open_pool
from tinkex_actors.transport.lean.request import LeanRequest
from tinkex_actors.transport.lean.transport import LeanTransport
from tinkex_actors.types import Datum, ModelInput, SamplingParams, SamplingSessionId
from tinkex_actors.wire import SampleRequest, encode_json

OK = 200
Deed = Callable[[], Awaitable[object]]


@define
class Watch:
    """Time since it was started."""

    cpu: float = 0.0
    wall: float = 0.0
    began: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        """Begin."""
        self.began = time.process_time(), time.perf_counter()

    def stop(self) -> None:
        """End."""
        self.cpu, self.wall = time.process_time() - self.began[0], time.perf_counter() - self.began[1]


@define(eq=False)
class LongestStep(trio.abc.Instrument):
    """How long the loop was held by one step of one task, at most, in seconds: of wall time, and of the loop's own CPU.

    Wall time is what everybody else waits for, the worker thread's turns at the interpreter's lock included; on a busy
    machine it also holds what other processes took. The CPU time holds neither.
    """

    wall: float = 0.0
    cpu: float = 0.0
    _began: tuple[float, float] | None = None

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A step begins."""
        del task
        self._began = time.perf_counter(), time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """It ends."""
        del task
        if self._began is not None:  # the step in which the watching began has no beginning
            self.wall = max(self.wall, time.perf_counter() - self._began[0])
            self.cpu = max(self.cpu, time.thread_time() - self._began[1])

    def cut(self) -> tuple[float, float]:
        """Take what was the longest since the last cut."""
        longest, self.wall, self.cpu = (self.wall, self.cpu), 0.0, 0.0
        return longest


# ---------------------------------------------------------------------- ours


async def ours(options: argparse.Namespace, watch: Watch) -> dict[str, float]:
    """Our client: as it is, or over a user's own httpx client."""
    trusted = {"SSL_CERT_FILE": os.environ.get("SSL_CERT_FILE", "")}
    settings = Settings.from_environ(trusted, api_key="tml-bench", base_url=options.url)
    async with AsyncExitStack() as stack:
        below = None
        if options.who == "ours-httpx":
            transport = LeanTransport(limits={"sample": Limits(connections=2048), "retrieve": Limits(connections=2048)})
            below = await stack.enter_async_context(httpx.AsyncClient(transport=transport))
        client = await stack.enter_async_context(open_tinker(settings, below=below))
        if options.work == "sample":
            return await _our_samples(client, options, watch)
        return await _our_steps(client, options, watch)


async def _our_samples(client: TinkerClient, options: argparse.Namespace, watch: Watch) -> dict[str, float]:
    sampler = await client.create_sampling_client(base_model="m")
    prompt = ModelInput.from_ints(np.arange(SAMPLE_LENGTH, dtype=np.int32))
    params = SamplingParams(max_tokens=SAMPLE_LENGTH)

    async def deed() -> None:
        answer = await sampler.sample(prompt, num_samples=1, sampling_params=params)
        assert len(answer.sequences[0].tokens) == SAMPLE_LENGTH

    await _repeat_side_by_side(deed, options, watch)
    return {}


async def _repeat_side_by_side(deed: Deed, options: argparse.Namespace, watch: Watch) -> None:
    """Do it as often as is asked, so many at once, after one round that is not counted."""

    async def one(count: int) -> None:
        for _ in range(count):
            await deed()

    async def crowd(count: int) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(options.concurrency):
                nursery.start_soon(one, count // options.concurrency)

    await crowd(options.concurrency)
    watch.start()
    await crowd(options.count)
    watch.stop()


async def _our_steps(client: TinkerClient, options: argparse.Namespace, watch: Watch) -> dict[str, float]:
    trainer = await client.create_lora_training_client("m", rank=8)
    data = [Datum(ModelInput.from_ints(t), {"target_tokens": y, "weights": w}) for t, y, w in batch()]

    stall = LongestStep()
    stalls: list[tuple[float, float]] = []

    async def steps(count: int) -> None:
        before: list[Any] = []
        for _ in range(count):
            now = [trainer.forward_backward(data, "cross_entropy"), trainer.optim_step()]
            for pending in before:
                await pending
            before = now
            stalls.append(stall.cut())
        for pending in before:
            await pending

    await steps(2)
    watch.start()
    await steps(options.count)
    watch.stop()
    stalls.clear()
    trio.lowlevel.add_instrument(stall)
    await steps(options.count)
    trio.lowlevel.remove_instrument(stall)
    wall, cpu = zip(*stalls, strict=True)
    return {"stall_ms": median(wall) * 1e3, "stall_cpu_ms": max(cpu) * 1e3}


# ---------------------------------------------------------------------- the network alone

_HEAD = (
    b"POST /api/v1/%b HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip, deflate, zstd\r\n"
    b"User-Agent: tinkex-actors/0.0.0 (AsyncTinker/Python 0.38.0)\r\nX-API-Key: tml-bench\r\n"
    b"X-Stainless-Package-Version: 0.38.0\r\nX-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\n"
    b"X-Stainless-Runtime: CPython\r\nX-Stainless-Runtime-Version: 3.11.0\r\nAccept: application/json\r\n"
    b"Content-Type: application/json\r\nX-Idempotency-Key: tinkex-Q-0\r\nContent-Length: %d\r\n\r\n%b"
)


async def pool(options: argparse.Namespace, watch: Watch) -> dict[str, float]:
    """What a sample cannot do without: its two exchanges over our pool, as bytes that are ready, and nothing read."""
    prompt, params = ModelInput.from_ints(np.arange(SAMPLE_LENGTH, dtype=np.int32)), SamplingParams(SAMPLE_LENGTH)
    asked = encode_json(SampleRequest(1, prompt, params, SamplingSessionId("Q"), 0))
    requests = [
        LeanRequest(head=_HEAD % (name, len(body), body), is_repeatable=True)
        for name, body in ((b"asample", asked), (b"retrieve_future", b'{"request_id":"s1","allow_metadata_only":true}'))
    ]
    url, timeouts = httpx.URL(options.url), Timeouts(connect=5.0, read=60.0, write=60.0, pool=60.0)
    async with open_pool() as opened:
        lanes = [opened.lane(Origin.of(url.scheme, url.host, url.port), name) for name in ("sample", "retrieve")]

        async def deed() -> None:
            for lane, request in zip(lanes, requests, strict=True):
                connection = await opened.begin(lane, request, timeouts, is_whole=True)
                assert connection.reader.status == OK
                lane.put(connection)

        await _repeat_side_by_side(deed, options, watch)
    return {}


# ---------------------------------------------------------------------- the official SDK


async def sdk(options: argparse.Namespace, watch: Watch) -> dict[str, float]:
    """The official client, as its users get it."""
    import tinker  # noqa: PLC0415 - ours must not pay for importing it

    service = tinker.ServiceClient(api_key="tml-bench", base_url=options.url)
    if options.work == "sample":
        sampler = await service.create_sampling_client(base_model="m")
        prompt = tinker.ModelInput.from_ints(list(range(SAMPLE_LENGTH)))
        params = tinker.SamplingParams(max_tokens=SAMPLE_LENGTH)
        await _sdk_samples(partial(sampler.sample, prompt, 1, params), options, watch)
    else:
        trainer = await service.create_lora_training_client("m", rank=8)
        given = [
            tinker.Datum(tinker.ModelInput.from_ints(t.tolist()), {"target_tokens": y, "weights": w})
            for t, y, w in batch()
        ]
        await _sdk_steps(trainer, given, tinker.AdamParams(learning_rate=1e-4), options, watch)
    return {}


async def _sdk_samples(deed: Deed, options: argparse.Namespace, watch: Watch) -> None:
    async def one(count: int) -> None:
        for _ in range(count):
            await deed()

    async def crowd(count: int) -> None:
        await asyncio.gather(*(one(count // options.concurrency) for _ in range(options.concurrency)))

    await crowd(options.concurrency)
    watch.start()
    await crowd(options.count)
    watch.stop()


async def _sdk_steps(trainer: Any, data: Sequence[Any], adam: Any, options: argparse.Namespace, watch: Watch) -> None:
    async def steps(count: int) -> None:
        before: list[Any] = []
        for _ in range(count):
            now = [trainer.forward_backward(data, "cross_entropy"), trainer.optim_step(adam)]
            for future in before:
                await future
            before = now
        for future in before:
            await future

    await steps(2)
    watch.start()
    await steps(options.count)
    watch.stop()


def main() -> None:
    """Do the work and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client.subject", description=__doc__)
    parser.add_argument("who", choices=["ours", "ours-httpx", "pool", "sdk"])
    parser.add_argument("work", choices=["sample", "train"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=100)
    options = parser.parse_args()
    watch = Watch()
    if options.who == "sdk":
        more = asyncio.run(sdk(options, watch))
    else:
        more = trio.run(pool if options.who == "pool" else ours, options, watch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    taken = {"cpu_ms": watch.cpu * 1e3 / options.count, "wall_ms": watch.wall * 1e3 / options.count, "peak_mb": peak}
    print(json.dumps(taken | more))


if __name__ == "__main__":
    main()

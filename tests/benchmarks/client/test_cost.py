"""What the client costs, in what has no noise: function calls, descriptors, pieces of memory. Timings are not tested.

The full table is ``python -m benchmarks.client``.
"""

import gc
import sys
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

import numpy as np
import pytest
import trio

from benchmarks.client.__main__ import running_server
from tests.tinkex_actors.transport.lean.stage import count_files
from tinkex_actors import Settings, open_tinker
from tinkex_actors.clients.sampling import SamplingClient
from tinkex_actors.clients.tinker import TinkerClient
from tinkex_actors.types import ModelInput, SamplingParams

SAMPLES = 200
PROMPT = ModelInput.from_ints(np.arange(256, dtype=np.int32))


@pytest.fixture(scope="module")
def url() -> Generator[str, None, None]:
    """The benchmark's own server, in a process of its own."""
    with running_server() as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def counted_calls() -> Generator[list[int], None, None]:
    """Count the function calls of this thread, Python's and C's, within the block."""
    calls = [0]

    def count(_: FrameType, event: str, __: object) -> None:
        calls[0] += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


@asynccontextmanager
async def open_client(url: str) -> AsyncGenerator[TinkerClient, None]:
    async with open_tinker(Settings.from_environ({}, api_key="tml-bench", base_url=url)) as client:
        yield client


async def sample_many(sampler: SamplingClient, count: int) -> None:
    async def one() -> None:
        await sampler.sample(PROMPT, num_samples=1, sampling_params=SamplingParams(max_tokens=256))

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(one)


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer makes calls of its own")
def test_a_sample_is_at_most_900_function_calls(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two exchanges over the network, encoding and decoding included."""
    # Hypothesis has trio sort its tasks, which costs calls that no user's program makes.
    monkeypatch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", False)

    async def measure() -> float:
        async with open_client(url) as client:
            sampler = await client.create_sampling_client(base_model="m")
            await sample_many(sampler, SAMPLES)
            with counted_calls() as calls:
                await sample_many(sampler, SAMPLES)
        return calls[0] / SAMPLES

    assert trio.run(measure) <= 900


async def test_descriptors_and_threads_are_flat_over_twenty_lifetimes(url: str) -> None:
    """The official SDK leaves some twenty descriptors behind with each client that is closed."""

    async def live() -> None:
        async with open_client(url) as client:
            await sample_many(await client.create_sampling_client(base_model="m"), 20)

    await live()
    gc.collect()
    files, threads = count_files(), threading.active_count()
    for _ in range(20):
        await live()
    gc.collect()
    assert count_files() <= files
    assert threading.active_count() <= threads


async def test_objects_are_flat_over_many_samples(url: str) -> None:
    """What a sample leaves behind in the client, ten thousand leave ten thousand times."""
    async with open_client(url) as client:
        sampler = await client.create_sampling_client(base_model="m")
        await sample_many(sampler, 100)
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(5):
            await sample_many(sampler, 100)
        gc.collect()
        assert len(gc.get_objects()) - before < 100

"""Memory and descriptors over a long life and over many short ones: ``python -m benchmarks.client.endurance``.

A hundred samples at once, a hundred thousand in all; then a hundred clients opened, used and closed. Prints what the
process holds after each tenth: after the first, nothing may grow.
"""

import argparse
import gc
import os
from pathlib import Path

import numpy as np
import trio

from benchmarks.client.__main__ import running_server
from tinkex_actors import Settings, open_tinker
from tinkex_actors.clients.sampling import SamplingClient
from tinkex_actors.types import ModelInput, SamplingParams

AT_ONCE = 100
PROMPT = ModelInput.from_ints(np.arange(256, dtype=np.int32))


def held() -> str:
    """What this process holds: memory and descriptors."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    files = len(list(Path("/proc/self/fd").iterdir()))
    return f"{pages * os.sysconf('SC_PAGE_SIZE') / 1e6:.1f} MB, {files} descriptors"


async def sample_many(sampler: SamplingClient, count: int) -> None:
    """Draw *count* samples, a hundred at once."""

    async def some() -> None:
        for _ in range(count // AT_ONCE):
            await sampler.sample(PROMPT, num_samples=1, sampling_params=SamplingParams(max_tokens=256))

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(some)


async def endure(port: int, samples: int, lifetimes: int) -> None:
    """Live long, then often."""
    settings = Settings.from_environ({}, api_key="tml-bench", base_url=f"http://127.0.0.1:{port}")
    async with open_tinker(settings) as client:
        sampler = await client.create_sampling_client(base_model="m")
        for tenth in range(1, 11):
            await sample_many(sampler, samples // 10)
            print(f"after {samples * tenth // 10:,} samples: {held()}", flush=True)
    for number in range(1, lifetimes + 1):
        async with open_tinker(settings) as client:
            await sample_many(await client.create_sampling_client(base_model="m"), AT_ONCE)
        if number % max(lifetimes // 10, 1) == 0:
            print(f"after {number} lifetimes: {held()}", flush=True)


def main() -> None:
    """Run against the scripted server."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client.endurance", description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--lifetimes", type=int, default=100)
    options = parser.parse_args()
    with running_server() as port:
        trio.run(endure, port, options.samples, options.lifetimes)


if __name__ == "__main__":
    main()

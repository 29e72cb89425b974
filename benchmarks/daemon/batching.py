"""Requests together beside requests one at a time, over a line of 100 ms: ``python -m benchmarks.daemon.batching``.

The embedded server, in a process of its own as servers are, answers every request 100 ms late. The work itself is small,
so what is measured is waiting.
"""

import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from statistics import median

import trio
from rich import print as show
from rich.table import Table

from tinkex_actors.clients import TrainingClient, open_tinker
from tinkex_actors.clients.batches import forward_backward_batch
from tinkex_actors.local.faults import Fault, FaultKind, FaultPlan
from tinkex_actors.local.options import ServerOptions
from tinkex_actors.local.server import open_server
from tinkex_actors.settings import Settings
from tinkex_actors.types import Datum, ForwardBackwardInput, ModelInput

LATENCY = 0.1
DATUM = Datum(ModelInput.from_ints([1, 2, 3]), {"target_tokens": [2, 3, 4]})


async def one_at_a_time(trainer: TrainingClient, items: list[ForwardBackwardInput]) -> None:
    """Submit, fetch, submit, fetch."""
    for item in items:
        await trainer.forward_backward(item.data, item.loss_fn)


async def pipelined(trainer: TrainingClient, items: list[ForwardBackwardInput]) -> None:
    """Submit all, then fetch all."""
    for pending in [trainer.forward_backward(item.data, item.loss_fn) for item in items]:
        await pending


async def together(trainer: TrainingClient, items: list[ForwardBackwardInput]) -> None:
    """Submit all at once."""
    for pending in forward_backward_batch(trainer, items):
        await pending


async def serve() -> None:
    """Serve until killed, and say where."""
    faults = FaultPlan([Fault(kind=FaultKind.DELAY, seconds=LATENCY)])
    async with open_server(ServerOptions(faults=faults)) as server:
        print(server.url, flush=True)
        await trio.sleep_forever()


@asynccontextmanager
async def open_late_server() -> AsyncGenerator[str]:
    """Start it in a process of its own; its address."""
    command = [sys.executable, "-m", "benchmarks.daemon.batching", "serve"]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(partial(trio.run_process, command, stdout=subprocess.PIPE, check=False))
        yield (await process.stdout.receive_some()).decode().strip()
        nursery.cancel_scope.cancel()


async def measure(way: Callable[[], Awaitable[None]]) -> float:
    """Go it three times; the seconds of the middle one."""
    seconds = list[float]()
    for _ in range(3):
        began = time.perf_counter()
        await way()
        seconds.append(time.perf_counter() - began)
    return median(seconds)


async def main() -> None:
    """Measure, and print a table."""
    table = Table("items", "one at a time", "pipelined", "together", "saved")
    async with open_late_server() as url, open_tinker(Settings.local(url)) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=2)
        for count in (1, 3, 16):
            items = [ForwardBackwardInput((DATUM,), "cross_entropy")] * count
            seconds = [await measure(partial(way, trainer, items)) for way in (one_at_a_time, pipelined, together)]
            table.add_row(str(count), *(f"{one:.2f} s" for one in seconds), f"{1 - seconds[2] / seconds[0]:.0%}")
    show(table)


if __name__ == "__main__":
    trio.run(serve if sys.argv[1:] == ["serve"] else main)

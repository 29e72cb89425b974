"""Requests together beside requests one at a time, over a line of 100 ms: ``python -m benchmarks.daemon.batching``.

The embedded server answers every request 100 ms late. The work itself is small, so what is measured is waiting.
"""

import time

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


async def main() -> None:
    """Measure, and print a table."""
    table = Table("items", "one at a time", "pipelined", "together", "saved")
    faults = FaultPlan([Fault(kind=FaultKind.DELAY, seconds=LATENCY)])
    async with open_server(ServerOptions(faults=faults)) as server, open_tinker(Settings.local(server.url)) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=2)
        for count in (1, 3, 16):
            items = [ForwardBackwardInput((DATUM,), "cross_entropy")] * count
            seconds = list[float]()
            for way in (one_at_a_time, pipelined, together):
                began = time.perf_counter()
                await way(trainer, items)
                seconds.append(time.perf_counter() - began)
            table.add_row(str(count), *(f"{one:.2f} s" for one in seconds), f"{1 - seconds[2] / seconds[0]:.0%}")
    show(table)


if __name__ == "__main__":
    trio.run(main)

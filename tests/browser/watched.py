"""A program with a page, for a browser to look at: it does what its stdin says, a word a line."""

import sys
from functools import partial
from pathlib import Path

import trio

from supervisors import Actor, Supervisor
from tinkex_actors.clients import TrainingClient, open_tinker
from tinkex_actors.observer import ObserverSettings, Watch, open_observer
from tinkex_actors.types import AdamParams, Datum, ModelInput


class Worker(Actor):
    """One of many."""

    async def rest(self) -> None:
        """Do nothing."""


async def main(runs: Path) -> None:
    """Open everything, print the address, and obey."""
    watch = Watch()
    async with open_tinker(local=True, observers=[watch]) as tinker:
        watch.add_client(tinker)
        settings = ObserverSettings(allow_control=True, runs=(runs,))
        async with open_observer(watch, settings) as page, trio.open_nursery() as nursery:
            trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=4)
            nursery.start_soon(_train, trainer)
            print(page.url, flush=True)
            await _obey(trainer, tinker.supervisor)
            nursery.cancel_scope.cancel()


async def _train(trainer: TrainingClient) -> None:
    datum = Datum(ModelInput.from_ints([1, 2, 3]), {"target_tokens": [2, 3, 4], "weights": [1.0, 1.0, 1.0]})
    while True:
        gradients = trainer.forward_backward([datum], "cross_entropy")
        await trainer.optim_step(AdamParams(learning_rate=1e-3))
        await gradients
        await trio.sleep(0.2)


async def _obey(trainer: TrainingClient, root: Supervisor) -> None:
    many = await root.start_supervisor("many", dynamic=True)
    while word := (await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)).strip():
        if word == "crash":
            trainer.crash("on purpose, to see it come back")
        elif word.isdecimal():
            for _ in range(int(word)):
                await many.start_child(Worker)


trio.run(partial(main, Path(sys.argv[1])))

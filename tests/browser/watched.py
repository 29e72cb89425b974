"""A daemon that trains for a browser to look at: two real runs on the embedded server. It does what its stdin says, a word a line."""

import sys
from functools import partial
from pathlib import Path

import trio

import tinkex_actors.local
from supervisors import Actor
from tinkex_actors.daemon.daemon import Daemon, open_daemon
from tinkex_actors.daemon.plan import CheckpointPlan, LoraPlan, ObserverPlan, Plan, RunPlan, ServerPlan

QUESTIONS = Path(tinkex_actors.local.__file__).with_name("data") / "questions.jsonl"


class Worker(Actor):
    """One of many."""

    async def rest(self) -> None:
        """Do nothing."""


def make_plan(folder: Path) -> Plan:
    """Two runs that differ in the rank of their adapters."""
    runs = {
        f"rank-{rank}": RunPlan(
            base_model="tinkex/tiny",
            data=QUESTIONS,
            steps=steps,
            batch_size=4,
            learning_rate=0.01,
            lora=LoraPlan(rank=rank),
            checkpoints=CheckpointPlan(every_steps=20),
        )
        for rank, steps in ((16, 600), (2, 400))
    }
    return Plan(folder=folder, runs=runs, server=ServerPlan(local=True), observer=ObserverPlan(allow_control=True))


async def main(folder: Path) -> None:
    """Train, print the address, and obey."""
    async with open_daemon(make_plan(folder)) as daemon:
        print((await daemon.wait_for_page()).url, flush=True)
        await _obey(daemon)


async def _obey(daemon: Daemon) -> None:
    many = await daemon.root.start_supervisor("many", dynamic=True)
    while word := (await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)).strip():
        crash = daemon.runs["rank-16"].crash_door
        if word == "crash" and crash is not None:
            crash("trainer-0", "on purpose, to see it come back")
        elif word.isdecimal():
            for _ in range(int(word)):
                await many.start_child(Worker)


if __name__ == "__main__":
    trio.run(partial(main, Path(sys.argv[1])))

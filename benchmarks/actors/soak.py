"""Random crashes for minutes, and nothing that grows: ``python -m benchmarks.actors.soak --minutes 10``.

A tree of supervisors and workers is asked, crashed, killed, stopped and restarted by chance. Every so often it is left
alone until it is quiet, and counted: tasks, memory and file descriptors must not be more than they were after the first
tenth of the time. Ends with status 1 if they are.
"""

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

import trio
import trio.testing
from attrs import frozen

from benchmarks.actors.memory import resident_bytes
from supervisors import Actor, CallError, Mailbox, Overflow, Ref, Supervisor, SupervisorError, open_supervisor

MEMORY_MARGIN = 4 * 2**20
"""Bytes that memory may grow: allocators do not give everything back at once."""


class Worker(Actor):
    """Does what a busy actor does, and fails."""

    def __init__(self) -> None:
        self.seen = 0

    async def on_start(self) -> None:
        self.send_every(0.05, Worker.tick)
        if random.random() < 0.05:  # noqa: S311 - any order of failures will do
            raise LookupError("would not start")

    async def tick(self) -> None:
        self.seen += 1

    async def answer(self) -> int:
        return self.seen

    async def wait(self, seconds: float) -> None:
        async with self.off_turn():
            await trio.sleep(seconds)

    async def crash(self) -> None:
        raise LookupError("on purpose")


@frozen
class Count:
    """What may not grow."""

    tasks: int
    memory: int
    descriptors: int

    def __str__(self) -> str:
        return f"{self.tasks} tasks, {self.memory / 2**20:.1f} MB, {self.descriptors} file descriptors"


def count() -> Count:
    """Count now."""
    return Count(
        trio.lowlevel.current_statistics().tasks_living, resident_bytes(), len(list(Path("/proc/self/fd").iterdir()))
    )


def find_growth(first: Count, last: Count) -> list[str]:
    """What *last* has more of than *first*, in words."""
    grown = [name for name in ("tasks", "descriptors") if getattr(last, name) > getattr(first, name)]
    return grown + (["memory"] if last.memory > first.memory + MEMORY_MARGIN else [])


async def disturb(workers: list[Ref[Worker]], done: Counter[str]) -> None:
    """One random deed."""
    worker = random.choice(workers)  # noqa: S311 - any order will do
    deed = random.choices(("answer", "wait", "crash", "kill", "stop", "cast"), (50, 10, 10, 2, 2, 26))[0]  # noqa: S311 - the same
    done[deed] += 1
    try:
        with trio.move_on_after(0.2):
            match deed:
                case "answer":
                    await worker.call(Worker.answer)
                case "wait":
                    await worker.call(Worker.wait, 0.002)
                case "crash":
                    await worker.call(Worker.crash)
                case "kill":
                    worker.kill()
                case "stop":
                    await worker.stop()
                case _:
                    await worker.cast(Worker.tick)
    except CallError:
        done["refused"] += 1


async def soak(seconds: float) -> tuple[Count, Count, Counter[str]]:
    """Disturb a tree for *seconds*.

    Returns:
        The counts after a tenth of the time and at the end, and what was done.
    """
    done: Counter[str] = Counter()
    end = trio.current_time() + seconds
    async with open_supervisor("root", max_restarts=100_000, max_seconds=1.0) as root:
        workers = await _plant(root)
        await _disturb_until(end - 0.9 * seconds, workers, done)
        first = await _count_quiet()
        await _disturb_until(end, workers, done)
        return first, await _count_quiet(), done


async def _plant(root: Supervisor) -> list[Ref[Worker]]:
    workers: list[Ref[Worker]] = []
    for strategy in ("one_for_one", "one_for_all", "rest_for_one"):
        team = await root.start_supervisor(strategy, strategy=strategy, max_restarts=100_000, max_seconds=1.0)
        while len(workers) % 10 or not workers or team.count_children().specs == 0:
            try:
                workers.append(await team.start_child(Worker, mailbox=Mailbox(10, Overflow.DROP_OLDEST)))
            except SupervisorError:
                continue
    return workers


async def _disturb_until(end: float, workers: list[Ref[Worker]], done: Counter[str]) -> None:
    async def one() -> None:
        while trio.current_time() < end:
            await disturb(workers, done)
            await trio.sleep(0.001)

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(one)


async def _count_quiet() -> Count:
    for _ in range(3):
        await trio.testing.wait_all_tasks_blocked()
    return count()


def main() -> None:
    """Soak, and say what grew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.actors.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    began = time.monotonic()
    first, last, done = trio.run(soak, parser.parse_args().minutes * 60)
    print(
        f"{time.monotonic() - began:.0f} s: {', '.join(f'{number:,} x {deed}' for deed, number in done.most_common())}"
    )
    print(f"after a tenth: {first}\nat the end:    {last}")
    grown = find_growth(first, last)
    if grown:
        sys.exit(f"grown: {', '.join(grown)}")
    print("nothing has grown")


if __name__ == "__main__":
    main()

"""Large numbers: ``python -m benchmarks.actors.scale`` runs every measure at full size and prints what it took.

The measures are functions of their size, and check what they promise: a smaller size runs in the ordinary tests.
"""

import time
from collections.abc import Awaitable, Callable

import trio
from attrs import frozen

from benchmarks.actors.memory import resident_bytes
from supervisors import Actor, CallError, Mailbox, Overflow, Ref, open_supervisor


@frozen
class Result:
    """What one measure took and saw."""

    size: int
    cpu_seconds: float
    grown_bytes: int
    """Resident memory at the end, more than at the beginning."""
    note: str


class Cell(Actor):
    """Answers, passes on, or crashes."""

    def __init__(self) -> None:
        self.next: Ref[Cell] | None = None
        self.seen = 0

    async def answer(self) -> int:
        self.seen += 1
        return self.seen

    async def join(self, following: "Ref[Cell]") -> None:
        self.next = following

    async def hop(self, left: int, done: trio.Event) -> None:
        if left == 0:
            done.set()
        elif self.next is not None:
            self.next.cast_nowait(Cell.hop, left - 1, done)

    async def crash(self) -> None:
        raise LookupError


async def crowd(size: int) -> str:
    """*size* actors under one tree start, answer once each, and stop."""
    async with open_supervisor("root") as root:
        dynamic = await root.start_supervisor("crowd", dynamic=True)
        actors = [await dynamic.start_child(Cell) for _ in range(size)]
        answers = sum([await actor.call(Cell.answer) for actor in actors])
    assert answers == size
    assert not any(actor.is_alive for actor in actors)
    return f"{answers:,} answers, all stopped"


async def ring(size: int, rounds: int = 100) -> str:
    """A message goes round *size* actors *rounds* times."""
    async with open_supervisor("root") as root:
        actors = [await root.start_child(Cell) for _ in range(size)]
        for actor, following in zip(actors, actors[1:] + actors[:1], strict=True):
            await actor.call(Cell.join, following)
        done = trio.Event()
        actors[0].cast_nowait(Cell.hop, size * rounds, done)
        await done.wait()
    return f"{size * rounds:,} hops"


async def crashes(size: int) -> str:
    """*size* crashes of one child among a hundred under a large budget; every one is followed by an answer."""
    async with open_supervisor("root", max_restarts=size, max_seconds=1e9) as root:
        victim = await root.start_child(Cell)
        others = [await root.start_child(Cell) for _ in range(99)]
        for _ in range(size):
            try:
                await victim.call(Cell.crash)
            except CallError:
                assert await victim.call(Cell.answer) == 1
        assert victim.life == size + 1
        assert all(other.life == 1 for other in others)
    return f"{size:,} restarts, siblings untouched"


async def flood(size: int) -> str:
    """*size* casts offered to a bounded mailbox by ten senders: all served, never more than a hundred in memory."""
    async with open_supervisor("root") as root:
        actor = await root.start_child(Cell, mailbox=Mailbox(100, Overflow.WAIT))

        async def send() -> None:
            for _ in range(size // 10):
                await actor.cast(Cell.answer)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(send)
        served = await actor.call(Cell.answer) - 1
        assert served == size // 10 * 10
        assert actor.snapshot().dropped == 0
    return f"{served:,} served"


def measure(fn: Callable[[int], Awaitable[str]], size: int) -> Result:
    """Run one measure in a trio run of its own."""
    before, began = resident_bytes(), time.process_time()
    note = trio.run(fn, size)
    return Result(size, time.process_time() - began, resident_bytes() - before, note)


def main() -> None:
    """Run all at full size."""
    print("| measure | CPU s | µs each | memory after | |\n|---|---:|---:|---:|---|")
    for title, fn, size in (
        ("crowd of 100,000", crowd, 100_000),
        ("ring of 1,000, 100 rounds", ring, 1_000),
        ("10,000 crashes", crashes, 10_000),
        ("1,000,000 casts, bounded", flood, 1_000_000),
    ):
        result = measure(fn, size)
        each = result.cpu_seconds / (size * 100 if fn is ring else size) * 1e6
        grown = result.grown_bytes / 2**20
        print(f"| {title} | {result.cpu_seconds:.1f} | {each:.1f} | {grown:+.1f} MB | {result.note} |", flush=True)


if __name__ == "__main__":
    main()

"""What features cost those who do not use them (nothing), and those who do: a call, with more and more around it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
import trio.testing

from benchmarks.actors.ours import Counter
from benchmarks.measure import Stopwatch
from supervisors import Event, Mailbox, Ref, Registry, Supervisor, Watchdog, open_supervisor


class Busybody(Counter):
    """Uses what an actor can use, and keeps it pending."""

    def __init__(self, other: Ref[Counter]) -> None:
        super().__init__()
        self.other = other

    async def on_start(self) -> None:
        self.start_soon(trio.sleep_forever)
        self.monitor(self.other, Busybody.note)
        for number in range(1_000):
            self.send_after(1e6 + number, Busybody.tick)

    async def note(self, down: object) -> None:
        """Nobody goes down here."""

    async def stay_away(self) -> None:
        async with self.off_turn():
            await trio.sleep_forever()


class Listener:
    """An observer."""

    def notify(self, event: Event, /) -> None:
        """Hear it."""


async def _ask(counter: Ref[Counter], count: int) -> float:
    with Stopwatch() as watch:
        for _ in range(count):
            await counter.call(Counter.add, 1)
    return watch.seconds


@asynccontextmanager
async def open_busy_tree() -> AsyncGenerator[tuple[Supervisor, Ref[Counter]]]:
    """A plain actor, in a tree where all others use everything."""
    registry: Registry[str, Busybody, None] = Registry("busy")
    async with open_supervisor("root", observers=[Listener()]) as root:
        counter = await root.start_child(Counter)
        await root.start_child(lambda: Watchdog(root, limit=1e6))
        for number in range(10):
            busy = await root.start_child(
                lambda: Busybody(counter), name=registry.via(f"{number}"), mailbox=Mailbox(10), keep_mailbox=True
            )
            busy.trace(lambda _: None)
            busy.start_statistics()
            busy.cast_nowait(Busybody.stay_away)
        await trio.testing.wait_all_tasks_blocked()
        yield root, counter


async def unused(count: int) -> float:
    """A call to a plain actor, among others that use everything: monitored, observed, never doing so itself."""
    async with open_busy_tree() as (_, counter):
        return await _ask(counter, count)


async def put_away(count: int) -> float:
    """A call to an actor that was traced, counted and suspended, and is no more."""
    async with open_supervisor("root") as root:
        counter = await root.start_child(Counter)

        def hook(_: object) -> None:
            """Hear it."""

        counter.trace(hook)
        counter.start_statistics()
        await counter.call(Counter.add, 1)
        counter.untrace(hook)
        counter.stop_statistics()
        await counter.suspend()
        counter.resume()
        return await _ask(counter, count)


async def bounded(count: int) -> float:
    """A call to an actor with a bounded mailbox."""
    async with open_supervisor("root") as root:
        return await _ask(await root.start_child(Counter, mailbox=Mailbox(100)), count)


async def counted(count: int) -> float:
    """A call to an actor whose operations are traced for statistics."""
    async with open_supervisor("root") as root:
        counter = await root.start_child(Counter)
        counter.start_statistics()
        return await _ask(counter, count)

"""Programs with a tree each, and what must hold in them whatever goes wrong: each is a ``main`` of a simulation.

What holds in every tree (no two lives of a child at once, all ended at the end) is checked by ``simulate`` itself.
"""

import math
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio

from supervisors import (
    Actor,
    CallError,
    ChildCrashed,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    Down,
    Event,
    Exit,
    Mailbox,
    Overflow,
    Ref,
    Registry,
    Strategy,
    Supervisor,
    SupervisorSpec,
    TaskStopped,
    TaskSupervisor,
    open_supervisor,
)
from supervisors.testing import EventLog, InjectedCrash

TREES: dict[str, Callable[[], Awaitable[None]]] = {}


def tree(main: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Put a program on the list."""
    TREES[main.__name__] = main
    return main


@asynccontextmanager
async def open_tough(
    strategy: Strategy = Strategy.ONE_FOR_ONE, log: EventLog | None = None
) -> AsyncGenerator[Supervisor]:
    """A root that does not give up."""
    async with open_supervisor(
        strategy=strategy, max_restarts=10_000, max_seconds=1e6, observers=() if log is None else [log]
    ) as root:
        yield root


class Worker(Actor):
    """Adds to a sum that survives it, in ways that differ in when they may be interrupted."""

    def __init__(self, sums: Counter[str], name: str = "sum") -> None:
        self.sums = sums
        self.name = name
        self.is_busy = False

    async def add(self, by: int) -> int:
        assert not self.is_busy, "two turns at once"
        self.is_busy = True
        await trio.sleep(random.choice((0, 0, 0.01)))  # noqa: S311 - seeded
        self.sums[self.name] += by
        self.is_busy = False
        return self.sums[self.name]

    async def add_away(self, by: int) -> int:
        async with self.off_turn():
            await trio.sleep(0.02)
        return await self.add(by)

    async def on_stop(self, reason: Exit, /) -> None:  # noqa: ARG002 - it takes its time whatever the reason
        await trio.sleep(0.01)


async def ask(worker: Ref[Worker], times: int, outcomes: Counter[str], *, patience: float = math.inf) -> None:
    """Call *times*, and count each outcome."""
    for number in range(times):
        operation = Worker.add if number % 2 else Worker.add_away
        try:
            with trio.move_on_after(patience):
                await worker.call(operation, 1)
                outcomes["value"] += 1
                continue
            outcomes["timeout"] += 1
        except CallError as error:
            outcomes[type(error).__name__] += 1


@tree
async def every_call_has_one_outcome() -> None:
    """And what was answered was done: the sum is at least the answers, at most the calls."""
    sums: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    calls = 0
    try:
        async with open_tough() as root:
            worker = await root.start_child(lambda: Worker(sums), name="worker")
            async with trio.open_nursery() as nursery:
                for patience in (math.inf, 0.05, 0.5):
                    nursery.start_soon(partial(ask, worker, 8, outcomes, patience=patience))
            calls = 24
    finally:
        assert outcomes["value"] <= sums["sum"] <= 24
    assert outcomes.total() == calls, outcomes


@tree
async def a_group_stops_backward_and_starts_forward() -> None:
    """One for all: nobody begins anew while one that was started later has not ended."""
    await _keep_order(Strategy.ONE_FOR_ALL)


@tree
async def the_rest_restarts_in_order() -> None:
    """Rest for one: the same for those behind the one that failed."""
    await _keep_order(Strategy.REST_FOR_ONE)


async def _keep_order(strategy: Strategy) -> None:
    log = EventLog()
    names = ["a", "b", "c"]
    try:
        async with open_tough(strategy, log) as root:
            sums: Counter[str] = Counter()
            workers = [await root.start_child(lambda: Worker(sums), name=name) for name in names]
            async with trio.open_nursery() as nursery:
                for worker in workers:
                    nursery.start_soon(ask, worker, 6, Counter[str]())
    finally:
        check_order(log.events, [f"root/{name}" for name in names])


def check_order(events: tuple[Event, ...], order: list[str]) -> None:
    """Judge from the events that no child of a group starts while a later one of it is still alive."""
    alive: set[str] = set()
    for event in events:
        match event:
            case ChildStarted(path=path):
                later = order[order.index(path) :]
                assert alive.isdisjoint(later), (event, alive)
                alive.add(path)
            case ChildStopped(path=path) | ChildCrashed(path=path):
                alive.discard(path)
            case _:
                pass


@tree
async def supervisors_restart_with_their_children() -> None:
    """Nested: the inner supervisor gives up after two crashes, and comes back with exactly its declared children."""
    sums: Counter[str] = Counter()
    inner = SupervisorSpec(
        "inner",
        children=[ChildSpec(lambda: Worker(sums, "x"), name="x"), ChildSpec(lambda: Worker(sums, "y"), name="y")],
        max_restarts=1,
        max_seconds=1e6,
    )
    async with open_tough() as root:
        handle = await root.start_supervisor(inner)
        workers: list[Ref[Worker]] = [child for name in "xy" if isinstance(child := handle.child(name), Ref)]
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(ask, worker, 10, Counter[str]())
        names = [child.name for child in handle.which_children()]
        assert names in (["x", "y"], ["x"], []), names  # at most between two lives of it


@tree
async def a_bounded_mailbox_never_holds_more() -> None:
    """Senders wait: nothing is dropped, and the queue keeps its bound."""
    sums: Counter[str] = Counter()

    async def send(worker: Ref[Worker]) -> None:
        for _ in range(10):
            await worker.cast(Worker.add, 1)
            snapshot = worker.snapshot()
            assert snapshot.queued <= 2, snapshot
            assert snapshot.dropped == 0, snapshot

    async with open_tough() as root:
        worker = await root.start_child(lambda: Worker(sums), name="worker", mailbox=Mailbox(2, Overflow.WAIT))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, worker)
            nursery.start_soon(send, worker)
    assert sums["sum"] <= 20


class Watcher(Actor):
    """Counts the ends it is told of."""

    def __init__(self, downs: list[Down]) -> None:
        self.downs = downs

    async def watch(self, worker: Ref[Worker]) -> None:
        self.monitor(worker, Watcher.note)

    async def note(self, down: Down) -> None:
        self.downs.append(down)


@tree
async def monitors_tell_each_end_once() -> None:
    """Never twice for one watch, and only of lives that are over."""
    downs: list[Down] = []
    watches = 0
    async with open_tough() as root:
        worker = await root.start_child(lambda: Worker(Counter()), name="worker")
        watcher = await root.start_child(lambda: Watcher(downs), name="watcher")
        for _ in range(6):
            watches += 1
            try:
                await watcher.call(Watcher.watch, worker)
                await worker.call(Worker.add, 1)
            except CallError:
                continue
        assert all(down.life < worker.life or not worker.is_alive for down in downs), downs
    assert len(downs) <= watches


class Caller(Actor):
    """Calls another from within its own turn."""

    def __init__(self, callee: Ref[Worker]) -> None:
        self.callee = callee

    async def relay(self) -> int:
        return await self.callee.call(Worker.add, 1)


@tree
async def calls_through_calls_end() -> None:
    """Whoever of the three crashes, everybody is answered."""
    sums: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    async with open_tough(Strategy.REST_FOR_ONE) as root:
        worker = await root.start_child(lambda: Worker(sums), name="worker")
        caller = await root.start_child(lambda: Caller(worker), name="caller")
        for _ in range(10):
            try:
                await caller.call(Caller.relay)
                ends["value"] += 1
            except CallError:
                ends["error"] += 1
    assert ends.total() == 10
    assert ends["value"] <= sums["sum"] <= 10


@tree
async def keys_go_with_their_life() -> None:
    """A registered key names a live child or nobody; after the tree, nobody."""
    registry: Registry[str, Worker, None] = Registry("workers")
    async with open_tough() as root:
        worker = await root.start_child(lambda: Worker(Counter()), name=registry.via("w"))
        await ask(worker, 8, Counter())
        assert all(entry.owner == worker for entry in registry.lookup_all("w"))
    assert registry.count() == 0


@tree
async def a_dynamic_crowd_comes_and_goes() -> None:
    """Children are started and stopped while others crash; none is left, and none is counted twice."""
    async with open_tough() as root:
        crowd = await root.start_supervisor("crowd", dynamic=True, max_restarts=10_000, max_seconds=1e6)
        for number in range(12):
            worker = await crowd.start_child(lambda: Worker(Counter()), name=f"w{number}")
            worker.cast_nowait(Worker.add, 1)
            if number % 3 == 0:
                await crowd.terminate_child(worker)
        counts = crowd.count_children()
        assert counts.specs == 8, counts


@tree
async def tasks_end_once_and_leave_nothing() -> None:
    """Whatever happens to a task, whoever waits for it hears it once; what was answered was done."""
    done: list[int] = []
    ends: Counter[str] = Counter()

    async def work(number: int) -> int:
        await trio.sleep(random.choice((0, 0.01)))  # noqa: S311 - seeded
        done.append(number)
        return number

    async def ask_for(number: int) -> None:
        try:
            assert await tasks.run(work, number) == number
            ends["value"] += 1
        except (InjectedCrash, TaskStopped) as error:
            ends[type(error).__name__] += 1

    async with open_tough() as root:
        tasks = TaskSupervisor(await root.start_supervisor("tasks", dynamic=True, max_restarts=10_000, max_seconds=1e6))
        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(ask_for, number)
        assert tasks.supervisor.count_children().specs == 0
        assert ends.total() == 12, ends
        assert ends["value"] <= len(done)


def stops_of(log: EventLog) -> list[str]:
    """The paths of those that were stopped, in order."""
    return [event.path for event in log.of(ChildStopped)]


@tree
async def a_tree_stops_backward() -> None:
    """In reverse order of start, whatever was restarted meanwhile."""
    log = EventLog()
    async with open_tough(log=log) as root:
        workers = [await root.start_child(lambda: Worker(Counter()), name=name) for name in "abc"]
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(ask, worker, 4, Counter[str]())
        await trio.sleep(1)
        log.entries.clear()
    assert stops_of(log) == ["root/c", "root/b", "root/a"]

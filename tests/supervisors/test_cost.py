"""What a call costs, in function calls: these have no noise, so they can be a promise. Timings are not tested.

The full table is `python -m benchmarks.actors`.
"""

import subprocess
import sys
from types import FrameType
from typing import Self

import pytest
import trio

from benchmarks.actors.extras import open_busy_tree
from benchmarks.actors.ours import Counter
from supervisors import Actor, open_supervisor
from supervisors._runtime import INTERCEPTOR

CALLS = 100


class Echo(Actor):
    async def echo(self, value: int) -> int:
        return value


class Calls:
    """Counts function calls, Python's and C's, within a block."""

    def __init__(self) -> None:
        self.number = 0

    def __enter__(self) -> Self:
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _count(self, _: FrameType, event: str, __: object) -> None:
        self.number += event in {"call", "c_call"}


async def count_calls() -> float:
    """Function calls for each ``ref.call``, trio's two task switches included."""
    async with open_supervisor() as root:
        echo = await root.start_child(Echo)
        await echo.call(Echo.echo, 0)
        with Calls() as calls:
            for number in range(CALLS):
                await echo.call(Echo.echo, number)
    return calls.number / CALLS


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer makes calls of its own")
def test_a_call_is_at_most_95_function_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bare task switches are 71 of them. What grows here is paid by every call of every user."""
    # Hypothesis has trio sort its tasks, which costs calls that no user's program makes.
    monkeypatch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", False)
    assert trio.run(count_calls) <= 95


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer makes calls of its own")
def test_features_that_others_use_cost_no_function_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing, statistics, bounds, timers, monitors, off-turn work, registries and observers: who has none pays none."""
    monkeypatch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", False)

    async def count_among_busybodies() -> float:
        async with open_busy_tree() as (_, counter):
            await counter.call(Counter.add, 0)
            with Calls() as calls:
                for number in range(CALLS):
                    await counter.call(Counter.add, number)
        return calls.number / CALLS

    assert trio.run(count_among_busybodies) == pytest.approx(trio.run(count_calls), abs=0.5)


def test_nothing_stands_between_mailbox_and_actor_unless_asked_for() -> None:
    """The door for fault injection costs a tree one look when it opens, and a message nothing."""

    async def main() -> bool:
        async with open_supervisor() as root:
            echo = await root.start_child(Echo)
            life = echo._cell.server
            assert life is not None
            return life.performer is life.actor and INTERCEPTOR.get() is None

    assert trio.run(main)


def test_the_package_needs_nothing_but_trio_attrs_and_outcome() -> None:
    """It stands alone: who never heard of Tinker pays for no HTTP, no arrays and no wire format."""
    code = (
        "import sys, supervisors; print(*sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'httpx', 'httptools', 'numpy', 'google', 'cattrs', 'structlog', 'tokenizers', 'hypothesis', 'asyncio'}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []


def test_an_idle_actor_has_no_queue() -> None:
    """An empty deque would be a third of its memory."""

    async def main() -> object:
        async with open_supervisor() as root:
            echo = await root.start_child(Echo)
            await echo.call(Echo.echo, 1)
            return echo._cell.queue

    assert trio.run(main) is None


async def test_a_call_to_a_busy_actor_keeps_its_place_among_casts() -> None:
    """The short way into a busy actor's queue is the same queue."""
    order: list[int] = []

    class Slow(Actor):
        async def note(self, number: int) -> None:
            await trio.lowlevel.checkpoint()
            order.append(number)

    async with open_supervisor() as root:
        slow = await root.start_child(Slow)

        async def ask() -> None:
            await slow.call(Slow.note, 2)

        async with trio.open_nursery() as nursery:
            slow.cast_nowait(Slow.note, 0)
            await trio.lowlevel.checkpoint()
            slow.cast_nowait(Slow.note, 1)
            nursery.start_soon(ask)
            await trio.lowlevel.checkpoint()
            slow.cast_nowait(Slow.note, 3)
        await slow.call(Slow.note, 4)

    assert sorted(order) == [0, 1, 2, 3, 4]
    assert order.index(1) < order.index(3)
    assert order[-1] == 4

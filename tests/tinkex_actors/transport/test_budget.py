"""Budgets let through what fits, in order, and give everything back whatever happens."""

from contextlib import nullcontext

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tinkex_actors.transport.budget import Budgeted, ByteBudget
from tinkex_actors.transport.seam import Answer, Body, Lane, Route


@pytest.mark.tinkex("T74")
async def test_the_budget_may_go_below_zero_but_then_everyone_waits(nursery: trio.Nursery) -> None:
    """A request larger than what is left passes; the one after it waits until the balance is positive again."""
    budget, entered, release = ByteBudget(1000), list[str](), {name: trio.Event() for name in "abc"}

    async def hold(name: str, size: int) -> None:
        async with budget.hold(size):
            entered.append(name)
            await release[name].wait()

    for name, size in (("a", 500), ("b", 600), ("c", 100)):
        nursery.start_soon(hold, name, size)
        await trio.testing.wait_all_tasks_blocked()
    assert entered == ["a", "b"]
    release["a"].set()
    await trio.testing.wait_all_tasks_blocked()
    assert entered == ["a", "b", "c"]
    release["b"].set()
    release["c"].set()


@pytest.mark.tinkex("T73", "T90")
async def test_who_waits_for_room_is_woken_in_the_moment_there_is_some(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Nobody asks now and then: neither too late nor in vain."""
    budget, entered = ByteBudget(100), list[float]()

    async def hold(size: int) -> None:
        async with budget.hold(size):
            entered.append(autojump_clock.current_time())
            await trio.sleep(3.7)

    for _ in range(3):
        nursery.start_soon(hold, 101)
        await trio.testing.wait_all_tasks_blocked()
    await trio.sleep(12)
    assert entered == [0.0, 3.7, 7.4]


async def test_a_newcomer_does_not_overtake_the_line(nursery: trio.Nursery) -> None:
    """First come, first served: a stream of small requests cannot starve a large one."""
    budget, entered = ByteBudget(100), list[str]()
    first, second = budget.hold(200), budget.hold(200)
    await first.__aenter__()

    async def wait_in_line() -> None:
        async with second:
            entered.append("line")

    async def overtake() -> None:
        async with budget.hold(1):
            entered.append("newcomer")

    nursery.start_soon(wait_in_line)
    await trio.testing.wait_all_tasks_blocked()
    await first.__aexit__(None, None, None)
    nursery.start_soon(overtake)
    await trio.testing.wait_all_tasks_blocked()
    assert entered == ["line", "newcomer"]


async def test_all_who_find_room_enter_at_once(nursery: trio.Nursery) -> None:
    """A large request that leaves makes room for many small ones, not for one after the other."""
    budget, entered = ByteBudget(100), list[int]()
    large = budget.hold(300)
    await large.__aenter__()

    async def stay(number: int) -> None:
        async with budget.hold(40):
            entered.append(number)
            await trio.sleep_forever()

    for number in range(5):
        nursery.start_soon(stay, number)
        await trio.testing.wait_all_tasks_blocked()
    await large.__aexit__(None, None, None)
    await trio.testing.wait_all_tasks_blocked()
    assert entered == [0, 1, 2]
    nursery.cancel_scope.cancel()


@given(
    steps=st.lists(st.tuples(st.integers(0, 300), st.sampled_from(["leave", "fail", "cancel"])), max_size=12),
)
@pytest.mark.tinkex("T75")
async def test_the_budget_neither_loses_nor_invents_bytes(steps: list[tuple[int, str]]) -> None:
    """Whether holders leave, fail or are cancelled, waiting or inside, the balance ends where it began."""
    budget = ByteBudget(250)

    async def use(size: int, end: str, scope: trio.CancelScope) -> None:
        with scope, pytest.raises(LookupError) if end == "fail" else nullcontext():
            async with budget.hold(size):
                await trio.testing.wait_all_tasks_blocked()
                if end == "fail":
                    raise LookupError

    async with trio.open_nursery() as users:
        for size, end in steps:
            scope = trio.CancelScope()
            users.start_soon(use, size, end, scope)
            if end == "cancel":
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
    assert budget.in_use_bytes == 0


class Gate:
    """A transport that answers when told, and counts who is inside."""

    def __init__(self) -> None:
        self.inside = 0
        self.open = trio.Event()

    async def send(self, route: Route, body: Body, /) -> Answer:
        del route, body
        self.inside += 1
        await self.open.wait()
        self.inside -= 1
        return Answer(status=200)


@pytest.mark.tinkex("T70", "T89")
async def test_a_lane_keeps_its_count_and_the_others_do_not_notice(nursery: trio.Nursery) -> None:
    """A flood of samples leaves heartbeats and polls alone."""
    gate = Gate()
    layer = Budgeted(gate, counts={Lane.SAMPLE: 2}, sizes={})
    sample, beat = Route(name="asample", path="/s", lane=Lane.SAMPLE), Route(name="heartbeat", path="/h")
    for _ in range(5):
        nursery.start_soon(layer.send, sample, Body())
    await trio.testing.wait_all_tasks_blocked()
    assert gate.inside == 2
    nursery.start_soon(layer.send, beat, Body())
    await trio.testing.wait_all_tasks_blocked()
    assert gate.inside == 3
    gate.open.set()


async def test_a_cancelled_request_leaves_the_lane_free() -> None:
    """Giving up while sending returns the place and the bytes."""
    gate = Gate()
    layer = Budgeted(gate, counts={Lane.SAMPLE: 1}, sizes={Lane.SAMPLE: 10})
    route = Route(name="asample", path="/s", lane=Lane.SAMPLE)
    async with trio.open_nursery() as doomed:
        doomed.start_soon(layer.send, route, Body(weight_bytes=100))
        await trio.testing.wait_all_tasks_blocked()
        doomed.cancel_scope.cancel()
    gate.open.set()
    with trio.fail_after(1):
        assert (await layer.send(route, Body(weight_bytes=100))).status == 200

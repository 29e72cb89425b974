"""What looking costs the process that is looked at, as shares of its own processor time."""

import time

import orjson
import pytest
import trio
from attrs import frozen

from tests.tinkex_actors.observer.scene import Worker, open_lines, open_scene
from tinkex_actors.observer.run_view import RunView
from tinkex_actors.observer.state import State
from tinkex_actors.observer.tree_view import Opened


@frozen
class Cost:
    """Of an open page over a quiet tree."""

    looks: int
    share: float
    """Processor seconds a second."""


async def _watch_quiet(actors: int, seconds: float, monkeypatch: pytest.MonkeyPatch) -> Cost:
    """Keep a page open over so many actors, and measure what the process spends, sockets and all."""
    looks = 0
    look = State.trees

    def count(state: State, opened: Opened) -> dict[str, object]:
        nonlocal looks
        looks += 1
        return look(state, opened)

    monkeypatch.setattr(State, "trees", count)
    async with open_scene() as scene:
        many = await scene.root.start_supervisor("many", dynamic=True)
        for _ in range(actors):
            await many.start_child(Worker)
        async with open_lines(scene) as lines:
            await lines.wait_for("event: events")
            with trio.move_on_after(1.5):  # the first looks, when the tree was just built
                await lines.wait_for("nothing")
            looks, began = 0, time.process_time()
            with trio.move_on_after(seconds):
                await lines.wait_for("nothing")
            return Cost(looks, (time.process_time() - began) / seconds)


async def test_an_idle_page_costs_less_than_one_per_cent_of_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also over ten thousand actors: what takes long is looked at less often. The one test that must let time pass."""
    cost = await _watch_quiet(10_000, 4.0, monkeypatch)

    assert cost.looks > 0
    assert cost.share < 0.01


async def test_what_is_asked_for_is_what_is_shown_and_no_more() -> None:
    """Ten thousand actors are half a kilobyte until they are opened, and a page of them fifteen."""
    async with open_scene() as scene:
        many = await scene.root.start_supervisor("many", dynamic=True)
        for _ in range(10_000):
            await many.start_child(Worker)
        state = State(scene.watch, RunView(()), allow_control=False)
        views = {"shut": Opened(), "open": Opened(frozenset(["root/many"]))}
        sizes = {name: len(orjson.dumps(state.trees(view))) for name, view in views.items()}

    assert sizes["shut"] < 1_000
    assert sizes["open"] < 20_000


async def test_a_watch_that_nobody_looks_at_keeps_a_bounded_past() -> None:
    """A program runs for months; the page remembers its last minutes."""
    async with open_scene() as scene:
        for _ in range(500):
            await scene.root.start_child(Worker)

    assert len(scene.watch.events) == 300
    assert scene.watch.numbered > 500

"""What a spec promises, computed before anything runs, and held against what happens."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import math
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    BRUTAL_KILL,
    Actor,
    Backoff,
    ChildSpec,
    Exit,
    RestartLimitExceeded,
    SupervisorSpec,
    explain,
    open_supervisor,
)


class Slow(Actor):
    """Stops as slowly as it can."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    async def on_stop(self, _: Exit, /) -> None:
        self.log.append(self.name)
        await trio.sleep_forever()


class Faulty(Actor):
    """Fails as soon as it lives."""

    async def on_start(self) -> None:
        self.send_after(0, Faulty.fail)

    async def fail(self) -> None:
        raise LookupError


def spec_of(log: list[str]) -> SupervisorSpec:
    """A tree with every kind of budget."""
    pool = SupervisorSpec(
        "pool",
        children=[ChildSpec(partial(Slow, name, log), name=name, shutdown=2.0) for name in ("p1", "p2")],
        dynamic=True,
    )
    return SupervisorSpec(
        "root",
        children=[
            ChildSpec(partial(Slow, "a", log), name="a", shutdown=1.0),
            pool,
            ChildSpec(partial(Slow, "b", log), name="b", shutdown=BRUTAL_KILL),
            SupervisorSpec(
                "inner", children=[ChildSpec(partial(Slow, "c", log), name="c", shutdown=4.0)], shutdown=3.0
            ),
        ],
    )


async def test_order_and_time_of_a_stop_are_as_explained(autojump_clock: MockClock) -> None:
    """A sum for those stopped one after the other, the longest for those stopped together, limits from above."""
    log: list[str] = []
    spec = spec_of(log)
    explained = explain(spec)
    assert explained.start_order == ("root/a", "root/pool/p1", "root/pool/p2", "root/b", "root/inner/c")
    assert explained.stop_order == tuple(reversed(explained.start_order))
    async with open_supervisor(spec.name, children=spec.children):
        pass
    assert trio.current_time() == explained.stop_seconds == 1 + 2 + 0 + 3
    assert [log[0], *sorted(log[1:3]), log[3]] == ["c", "p1", "p2", "a"]


@pytest.mark.parametrize(
    ("backoff", "seconds"),
    [(None, 0.0), (Backoff(1.0, factor=1.0), 3.0), (Backoff(0.5, factor=2.0), 3.5), (Backoff(2.0), math.inf)],
)
async def test_the_time_to_give_up_is_as_explained(
    backoff: Backoff | None, seconds: float, autojump_clock: MockClock
) -> None:
    """Pauses that are longer than the window outrun the limit: such a child is retried for ever."""
    child = ChildSpec(Faulty, name="faulty", backoff=backoff)
    spec = SupervisorSpec("root", children=[child], max_restarts=3, max_seconds=5.0)
    assert explain(spec).give_up_seconds == seconds
    gave_up = False
    try:
        with trio.move_on_after(100):
            async with open_supervisor("root", children=[child]):
                await trio.sleep_forever()
    except RestartLimitExceeded:
        gave_up = True
    assert (gave_up, trio.current_time()) == ((True, seconds) if seconds < math.inf else (False, 100))


def test_an_explanation_reads_as_a_text() -> None:
    """For a reviewer of a spec."""
    spec = SupervisorSpec("root", children=[ChildSpec(Faulty, name="x"), SupervisorSpec("empty")])
    assert str(explain(spec)).splitlines() == [
        "root starts: root/x",
        "stops in reverse, within 5 s",
        "gives up 0 s after a child begins to fail at once",
    ]
    assert "never gives up" in str(explain(SupervisorSpec("root")))
    assert "starts: nothing" in str(explain(SupervisorSpec("root")))

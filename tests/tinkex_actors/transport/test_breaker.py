"""A server that does not answer is asked by one request at a time, and everybody else is told at once."""

from math import inf

import pytest
import trio
import trio.testing
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.tinkex_actors.transport.script import Script, Step, late, lost
from tinkex_actors.settings import Figures
from tinkex_actors.transport.breaker import Breaker, Breaking
from tinkex_actors.transport.seam import Answer, Body, Lane, Route
from tinkex_actors.types.errors import APIConnectionError, CircuitOpen

FIGURES = Figures(breaker_failures=3, breaker_open_base=10.0, breaker_open_max=40.0)
STEP = Route(name="optim_step", path="/o", lane=Lane.SUBMIT)
POLL = Route(name="retrieve_future", path="/r", lane=Lane.RETRIEVE)
REPORT = Route(name="telemetry", path="/t", lane=Lane.TELEMETRY)
BEAT = Route(name="session_heartbeat", path="/h", is_vital=True)


async def try_once(layer: Breaking, route: Route = STEP) -> object:
    """Send one request, and return its status or the class of its failure."""
    try:
        return (await layer.send(route, Body())).status
    except APIConnectionError as error:
        return type(error)


def breaking(clock: MockClock, *steps: Step) -> tuple[Breaking, Breaker, Script]:
    script, breaker = Script.on(clock, *steps), Breaker(FIGURES)
    return Breaking(script, breaker), breaker, script


@pytest.mark.tinkex("T91", "T92")
async def test_failures_in_a_row_open_it_and_a_success_after_its_time_closes_it(autojump_clock: MockClock) -> None:
    """Three are the limit here: closed, open, half-open, closed; nothing is sent while it is open."""
    layer, breaker, script = breaking(autojump_clock, 500, lost(), late(), 200, 200)
    assert [await try_once(layer) for _ in range(4)][-1] is CircuitOpen
    assert breaker.state(trio.current_time()) == "open"
    await trio.sleep(10)
    assert breaker.state(trio.current_time()) == "half-open"
    assert [await try_once(layer), await try_once(layer)] == [200, 200]
    assert breaker.state(trio.current_time()) == "closed"
    assert script.times == [0.0, 0.0, 0.0, 10.0, 10.0]


@pytest.mark.tinkex("T93")
async def test_a_refusal_is_an_answer_and_breaks_the_row(autojump_clock: MockClock) -> None:
    """A server that says no is there."""
    layer, breaker, _ = breaking(autojump_clock, 500, 500, 404, 500, 429, 500)
    for _ in range(6):
        await try_once(layer)
    assert breaker.state(trio.current_time()) == "closed"


async def test_each_probe_that_fails_doubles_the_time_up_to_a_cap(autojump_clock: MockClock) -> None:
    """A long outage is asked about rarely."""
    layer, _, script = breaking(autojump_clock, *[500] * 7)
    while len(script.sent) < 7:
        await try_once(layer)
        await trio.sleep(1)
    assert script.times == [0.0, 1.0, 2.0, 12.0, 32.0, 72.0, 112.0]


def test_a_failure_of_a_request_from_before_tells_nothing_new() -> None:
    """A crowd was on its way when the server went down; each of their failures would put the next try off further."""
    breaker = Breaker(FIGURES)
    for now in (0.0, 0.0, 0.0, 5.0, 9.0):
        breaker.fail(now, is_probe=False)
    assert (breaker.openings, breaker.open_until) == (1, 10.0)
    assert breaker.state(10.0) == "half-open"


async def test_one_probe_at_a_time_and_the_others_are_told(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """A crowd that waits must not all try at once; the error says when the next one may."""
    hold = trio.Event()

    class Slow:
        async def send(self, _: Route, __: Body, /) -> Answer:
            await hold.wait()
            return Answer(status=200)

    breaker = Breaker(FIGURES, failures=3, openings=1, open_until=0.0)
    layer = Breaking(Slow(), breaker)
    nursery.start_soon(layer.send, STEP, Body())
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(CircuitOpen, match=r"optim_step was not sent: .* when the one request on its way is answered"):
        await layer.send(STEP, Body())
    hold.set()
    await trio.testing.wait_all_tasks_blocked()
    assert (await layer.send(STEP, Body())).status == 200
    assert autojump_clock.current_time() == 0


async def test_a_cancelled_probe_makes_room_for_the_next(autojump_clock: MockClock) -> None:
    """Else one impatient caller would keep the breaker open for ever."""

    class Silent:
        async def send(self, _: Route, __: Body, /) -> Answer:
            await trio.sleep_forever()
            raise AssertionError

    breaker = Breaker(FIGURES, failures=3, openings=1, open_until=0.0)
    for _ in range(2):
        with trio.move_on_after(1) as scope:
            await Breaking(Silent(), breaker).send(STEP, Body())
        assert scope.cancelled_caught
    assert autojump_clock.current_time() == 2


async def test_polls_reports_and_heartbeats_have_rules_of_their_own(autojump_clock: MockClock) -> None:
    """A long poll may time out and a result be broken; a dead telemetry server concerns nobody; a beat is always sent."""
    steps: list[Step] = [late(), 500] * 3
    layer, breaker, script = breaking(autojump_clock, *steps, *[500] * 5, *[lost()] * 3, 200)
    for _ in range(6):
        await try_once(layer, POLL)
    for _ in range(5):
        await try_once(layer, REPORT)
    assert breaker.failures == 0
    assert [await try_once(layer, POLL) for _ in range(4)][-1] is CircuitOpen
    assert await try_once(layer, BEAT) == 200
    assert breaker.state(trio.current_time()) == "closed"
    assert len(script.sent) == 15


@pytest.mark.tinkex("T95")
@given(st.lists(st.sampled_from(["admit", "fail", "succeed", "wait"]), max_size=60))
def test_whatever_happens_there_is_one_probe_and_a_way_back(steps: list[str]) -> None:
    """Never two probes, never longer open than the cap, and a success always closes."""
    breaker, now, on_their_way = Breaker(FIGURES), 0.0, list[bool]()
    for step in steps:
        if step == "admit":
            admitted = breaker.admit(now)
            on_their_way += [] if admitted is None else [admitted]
        elif step == "wait":
            now += 7.0
        elif on_their_way:
            is_probe = on_their_way.pop(0)
            breaker.is_probing = breaker.is_probing and not is_probe
            breaker.fail(now, is_probe=is_probe) if step == "fail" else breaker.succeed()
            assert step == "fail" or breaker.state(now) == "closed"
        assert sum(on_their_way) <= 1
        assert breaker.open_until - now <= FIGURES.breaker_open_max


def test_it_can_be_turned_off() -> None:
    """Infinity is never reached."""
    breaker = Breaker(evolve(FIGURES, breaker_failures=inf))
    for _ in range(1000):
        breaker.fail(0.0, is_probe=False)
    assert breaker.state(0.0) == "closed"

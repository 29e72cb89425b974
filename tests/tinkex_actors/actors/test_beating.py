"""Beats fall on a grid: never sooner after a failure, never in a burst after a pause."""

import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import FIGURES, SETTINGS, FakeTinker, Say, open_fake
from tests.tinkex_actors.transport.script import Script
from tinkex_actors.actors.beating import Pulse, keep_beating, next_beat
from tinkex_actors.types.ids import SessionId


@given(st.floats(0, 1e6), st.floats(0, 1e4), st.floats(0.01, 100))
def test_the_next_beat_is_the_first_of_the_grid_that_is_not_past(due: float, late: float, interval: float) -> None:
    """A naive model: add intervals until the time has come."""
    now = due + late
    found = next_beat(due, now, interval)
    assert found >= due + interval * 0.999
    assert now - interval * 1e-3 <= found <= max(now, due) + interval * 1.001


async def test_an_hour_asleep_is_one_beat_and_not_360(autojump_clock: MockClock) -> None:
    """A laptop that wakes up must not flood the server with what it has missed."""
    pulse, script = Pulse(), Script.on(autojump_clock, *[200] * 5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_beating, SessionId("S"), script, FIGURES, pulse, lambda: None)
        await trio.sleep(5)
        autojump_clock.jump(3600)
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert [round(at) for at in script.times] == [3605, 3610, 3620]
    assert pulse.heard == 3


@pytest.mark.tinkex("T06")
async def test_failures_beyond_the_limit_lose_the_session(autojump_clock: MockClock) -> None:
    """With a limit of none, the first failure ends it: what hung on it fails, and a new session is opened."""
    fake = FakeTinker()
    fake.fail("session_heartbeat", Say(500))
    settings = evolve(SETTINGS, figures=evolve(FIGURES, heartbeat_failures_max=0))
    async with open_fake(fake, settings) as tinker:
        await trio.sleep(11)
        assert tinker.session_id == "S1"
        assert tinker._tree.record.missed_beats == 0
    assert autojump_clock.current_time() < 20


async def test_missed_beats_are_counted_and_forgiven(autojump_clock: MockClock) -> None:
    """How the session stands can be read at any time."""
    fake = FakeTinker()
    fake.fail("session_heartbeat", Say(500), Say(401))
    async with open_fake(fake) as tinker:
        await trio.sleep(25)
        assert tinker._tree.record.missed_beats == 2
        await trio.sleep(10)
        assert tinker._tree.record.missed_beats == 0
    assert autojump_clock.current_time() < 40

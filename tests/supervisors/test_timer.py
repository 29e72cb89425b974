"""Timers of an actor: never early, in order, owned by the life, and gone once cancelled."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import gc
import math
import weakref

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from supervisors import Actor, ActorCrashed, LifeTimer, Ref, open_supervisor
from supervisors._timer import Timers


class Waker(Actor):
    """Notes when its timers fire."""

    def __init__(self, log: list[tuple[float, str]] | None = None) -> None:
        self.log = [] if log is None else log
        self.timers: dict[str, LifeTimer] = {}

    async def ring(self, name: str) -> None:
        self.log.append((trio.current_time(), name))

    async def arm(self, delay: float, name: str) -> None:
        self.timers[name] = self.send_after(delay, Waker.ring, name)

    async def arm_every(self, interval: float, name: str) -> None:
        self.timers[name] = self.send_every(interval, Waker.ring, name)

    async def cancel(self, name: str) -> bool:
        return self.timers[name].cancel()

    async def remaining(self, name: str) -> float | None:
        return self.timers[name].remaining

    async def be_busy(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def ring_on(self, times: int) -> None:
        """A zero timer set from a timer's operation."""
        await self.ring(f"{times}")
        if times:
            self.send_after(0, Waker.ring_on, times - 1)


async def log_of(waker: Ref[Waker]) -> list[tuple[float, str]]:
    """What has rung."""
    return await waker.get_state(lambda it: list(it.log))


@pytest.mark.otp("TM-01", "TM-02")
async def test_a_timer_fires_on_time_and_knows_how_long_it_has(autojump_clock: MockClock) -> None:
    """Never early; what is over says so."""
    async with open_supervisor() as root:
        waker = await root.start_child(Waker)
        await waker.call(Waker.arm, 1.0, "a")
        await trio.sleep(0.4)
        assert await waker.call(Waker.remaining, "a") == pytest.approx(0.6)
        assert await waker.get_state(lambda it: it.timers["a"].is_pending)
        await trio.sleep(1)
        assert await waker.call(Waker.remaining, "a") is None
        assert not await waker.get_state(lambda it: it.timers["a"].is_pending)
        assert await waker.call(Waker.cancel, "a") is False
        assert await log_of(waker) == [(1.0, "a")]


@pytest.mark.otp("TM-03", "TM-11")
async def test_timers_fire_in_the_order_of_their_times(autojump_clock: MockClock) -> None:
    """Not in the order they were armed."""
    async with open_supervisor() as root:
        waker = await root.start_child(Waker)
        for delay in (5.0, 0.0, 0.2, 0.1, 0.5, 0.3, 0.4):
            await waker.call(Waker.arm, delay, "t")
        await trio.sleep(6)
        assert [time for time, _ in await log_of(waker)] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 5.0]


@pytest.mark.otp("TM-04", "TM-15", "TM-18")
async def test_a_cancelled_timer_does_nothing_even_when_its_message_is_queued(autojump_clock: MockClock) -> None:
    """Stronger than OTP: there the message may already be on its way."""
    async with open_supervisor() as root:
        waker = await root.start_child(Waker)
        await waker.call(Waker.arm, 1.0, "never")
        assert await waker.call(Waker.cancel, "never") is True
        await waker.call(Waker.arm, 1.0, "queued")
        timer = await waker.get_state(lambda it: it.timers["queued"])
        waker.cast_nowait(Waker.be_busy, 3.0)
        await trio.sleep(2)
        assert timer.cancel() is True
        assert timer.cancel() is False
        await trio.sleep(3)
        assert await log_of(waker) == []


@pytest.mark.otp("TM-05")
@pytest.mark.parametrize("delay", [-1.0, -0.001, math.nan])
async def test_an_impossible_delay_is_refused_at_once(delay: float) -> None:
    """The message names it."""
    async with open_supervisor() as root:
        waker = await root.start_child(Waker, restart="temporary")
        with pytest.raises(ActorCrashed, match="delay must be seconds >= 0"):
            await waker.call(Waker.arm, delay, "a")


@pytest.mark.otp("TM-05")
@pytest.mark.parametrize("interval", [0.0, -1.0, math.nan])
async def test_an_impossible_interval_is_refused_at_once(interval: float) -> None:
    """A zero interval would never let go of the clock."""
    async with open_supervisor() as root:
        waker = await root.start_child(Waker, restart="temporary")
        with pytest.raises(ActorCrashed, match="interval must be seconds > 0"):
            await waker.call(Waker.arm_every, interval, "a")


@pytest.mark.otp("TM-06")
async def test_a_very_long_timer_is_fine(autojump_clock: MockClock) -> None:
    """Time is a float of seconds; nothing wraps."""
    async with open_supervisor() as root:
        waker = await root.start_child(Waker)
        await waker.call(Waker.arm, 2.0**31, "far")
        await trio.sleep(10)
        assert await waker.call(Waker.remaining, "far") == 2.0**31 - 10


@pytest.mark.otp("TM-07")
async def test_timers_end_with_the_life_and_leave_nothing(autojump_clock: MockClock) -> None:
    """Neither a message for the next life nor memory."""
    log: list[tuple[float, str]] = []
    async with open_supervisor() as root:
        waker = await root.start_child(lambda: Waker(log))
        await waker.call(Waker.arm, 10.0, "old")
        await waker.call(Waker.arm_every, 1.0, "old too")
        first = await waker.get_state(weakref.ref)
        waker.kill()
        await waker.call(Waker.ring, "new")
        gc.collect()
        assert first() is None
        await trio.sleep(20)
        assert [name for _, name in log] == ["new"]
        assert len(root._team.runtime.timers) == 0


@pytest.mark.otp("TM-09")
async def test_very_many_timers_at_one_instant_all_arrive(autojump_clock: MockClock) -> None:
    """In the order they were armed."""
    async with open_supervisor() as root:
        waker = await root.start_child(Waker)
        for number in range(2000):
            waker.cast_nowait(Waker.arm, 5.0, f"{number}")
        await trio.sleep(6)
        log = await log_of(waker)
        assert [name for _, name in log] == [f"{number}" for number in range(2000)]
        assert {time for time, _ in log} == {5.0}


@pytest.mark.otp("TM-10")
async def test_zero_timers_set_by_timers_starve_nobody(autojump_clock: MockClock) -> None:
    """Each passes through the clock's task, so others run in between."""
    async with open_supervisor() as root:
        waker = await root.start_child(Waker)
        waker.cast_nowait(Waker.ring_on, 1000)
        ticks = 0
        while len(await log_of(waker)) < 1001:
            ticks += 1
            await trio.lowlevel.checkpoint()
        assert ticks > 10


@pytest.mark.otp("TM-13")
async def test_an_interval_does_not_drift_and_stops_when_cancelled(autojump_clock: MockClock) -> None:
    """The k-th tick comes at k times the interval, whatever each took."""
    async with open_supervisor() as root:
        waker = await root.start_child(Waker)
        await waker.call(Waker.arm_every, 1.0, "tick")
        await trio.sleep(1.5)
        waker.cast_nowait(Waker.be_busy, 0.7)
        await trio.sleep(3)
        assert await waker.call(Waker.cancel, "tick") is True
        await trio.sleep(5)
        assert [round(time, 6) for time, _ in await log_of(waker)] == [1.0, 2.2, 3.0, 4.0]


async def test_ticks_of_a_busy_actor_do_not_pile_up(autojump_clock: MockClock) -> None:
    """One queued tick says all there is to say."""
    async with open_supervisor() as root:
        waker = await root.start_child(Waker)
        await waker.call(Waker.arm_every, 1.0, "tick")
        await waker.call(Waker.be_busy, 10.5)
        assert [time for time, _ in await log_of(waker)] == [10.5]


@pytest.mark.otp("TM-19", "TM-08")
async def test_a_timer_is_for_its_life_and_a_ref_for_whoever_lives_then(autojump_clock: MockClock) -> None:
    """To reach the next life, send to the address at the time."""
    log: list[tuple[float, str]] = []
    async with open_supervisor() as root, trio.open_nursery() as nursery:
        waker = await root.start_child(lambda: Waker(log))
        await waker.call(Waker.arm, 2.0, "to the life")

        async def send_later() -> None:
            await trio.sleep(2)
            waker.cast_nowait(Waker.ring, "to the address")

        nursery.start_soon(send_later)
        waker.kill()
        await trio.sleep(3)
        assert log == [(2.0, "to the address")]


async def test_the_heap_forgets_what_was_cancelled(autojump_clock: MockClock) -> None:
    """A million armed and cancelled timers are not a million entries."""
    timers = Timers()
    for _ in range(10_000):
        timers.cancel(timers.at(1000.0, lambda: None))
    assert len(timers) == 0
    assert len(timers._heap) < 200

"""Pauses before restarts: how long, what ends them, what goes on meanwhile."""
# ruff: noqa: ARG001, PT012 - a test has virtual time by naming the clock; what escapes a whole block is the point

import random

import pytest
import trio
from trio.testing import MockClock

from supervisors import Backoff, ChildStarted, Ref, RestartLimitExceeded, RestartScheduled, Supervisor, open_supervisor
from tests.supervisors.otp.actors import Diary, EventLog, Part, Worker, cast_of, crash

DOUBLING = Backoff(initial=1.0, factor=2.0, maximum=5.0, reset_after=60.0)


def ref_of(supervisor: Supervisor, name: str) -> "Ref[Worker]":
    ref = supervisor.child(name)
    assert isinstance(ref, Ref)
    return ref


async def test_pauses_grow_up_to_the_maximum(autojump_clock: MockClock) -> None:
    """What keeps failing is tried less and less often, but never given up by the pause alone."""
    log = EventLog()
    part = Part(Diary(), "a")
    async with open_supervisor(max_restarts=100, children=[part.spec(backoff=DOUBLING)], observers=[log]) as root:
        part.failing_starts = 4
        await crash(ref_of(root, "a"))
        await trio.sleep(100)
        assert [event.delay for event in log.of(RestartScheduled)] == [1, 2, 4, 5, 5]
        assert log.of(ChildStarted)[-1].at == pytest.approx(1 + 2 + 4 + 5 + 5)


async def test_a_quiet_life_ends_the_row(autojump_clock: MockClock) -> None:
    """A crash after an hour is not the continuation of the trouble of this morning."""
    log = EventLog()
    async with open_supervisor(children=[Part(Diary(), "a").spec(backoff=DOUBLING)], observers=[log]) as root:
        for pause in (1, 59.9, 60, 0):
            await crash(ref_of(root, "a"))
            await trio.sleep(10 + pause)
        assert [event.delay for event in log.of(RestartScheduled)] == [1, 2, 1, 1]


async def test_an_order_to_restart_ends_the_row(autojump_clock: MockClock) -> None:
    """Somebody has looked at it."""
    log = EventLog()
    async with open_supervisor(children=[Part(Diary(), "a").spec(backoff=DOUBLING)], observers=[log]) as root:
        for _ in range(2):
            await crash(ref_of(root, "a"))
            await trio.sleep(10)
        await root.terminate_child("a")
        await root.restart_child("a")
        await crash(ref_of(root, "a"))
        assert [event.delay for event in log.of(RestartScheduled)] == [1, 2, 1]


async def test_attempts_count_in_spite_of_pauses(autojump_clock: MockClock) -> None:
    """D-10: a pause makes attempts rarer, and so fewer of them fall into the window; those that do are counted."""
    part = Part(Diary(), "a")
    with pytest.raises(RestartLimitExceeded):
        async with open_supervisor(max_restarts=3, max_seconds=10, children=[part.spec(backoff=DOUBLING)]) as root:
            part.failing_starts = 100
            await crash(ref_of(root, "a"))
            await trio.sleep_forever()
    assert trio.current_time() == pytest.approx(1 + 2 + 4)


async def test_chance_lengthens_a_pause_and_keeps_children_out_of_step(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred children that lost one server must not all come back at one moment."""
    monkeypatch.setattr(random, "random", iter([0.0, 0.5, 0.99]).__next__)
    log = EventLog()
    parts = cast_of(Diary(), "abc")
    backoff = Backoff(initial=2.0, jitter=0.5)
    async with open_supervisor(children=[part.spec(backoff=backoff) for part in parts], observers=[log]) as root:
        for part in parts:
            await crash(ref_of(root, part.name))
        assert [event.delay for event in log.of(RestartScheduled)] == pytest.approx([2.0, 2.5, 2.99])


async def test_a_child_in_its_pause_is_restarting_and_can_be_terminated(autojump_clock: MockClock) -> None:
    """A call waits for the next life meanwhile; a termination ends the pause and all hope."""
    part = Part(Diary(), "a")
    async with open_supervisor(children=[part.spec(backoff=DOUBLING)]) as root, trio.open_nursery() as nursery:
        await crash(ref_of(root, "a"))
        assert root.which_child("a").status == "restarting"
        nursery.start_soon(ref_of(root, "a").call, Worker.ping)
        await trio.sleep(1.5)
        assert (trio.current_time(), root.which_child("a").life) == (1.5, 2)
        await crash(ref_of(root, "a"))
        await root.terminate_child("a")
        await trio.sleep(100)
        assert part.diary.entries == ["a starts", "a stops", "a starts", "a stops"]


async def test_a_group_waits_down_for_the_pause_of_the_child_that_crashed(autojump_clock: MockClock) -> None:
    """Its siblings stop at once, and all start together after the pause."""
    first, second = cast_of(Diary(), "ab")
    children = [first.spec(backoff=DOUBLING), second.spec()]
    async with open_supervisor(strategy="one_for_all", children=children) as root:
        await crash(ref_of(root, "a"))
        assert first.diary.take() == ["a starts", "b starts", "a stops", "b stops"]
        await trio.sleep(0.9)
        assert first.diary.take() == []
        await trio.sleep(0.2)
        assert first.diary.take() == ["a starts", "b starts"]


async def test_a_stop_does_not_wait_for_a_pause(autojump_clock: MockClock) -> None:
    """Nothing of the child is there to be stopped."""
    async with open_supervisor(children=[Part(Diary(), "a").spec(backoff=DOUBLING)]) as root:
        await crash(ref_of(root, "a"))
    assert trio.current_time() == 0

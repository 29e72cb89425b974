"""Telemetry: delivered when it can be, dropped and counted when it cannot, and never in anybody's way."""

from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import SETTINGS, FakeTinker, LoseRequest, Say, Stall, make_trainer, open_fake
from tinkex_actors.actors.failure_report import find_user_error
from tinkex_actors.actors.telemetry import TELEMETRY_NAME, Telemetry, TelemetryQueue
from tinkex_actors.types import (
    APIStatusError,
    BadRequestError,
    InternalServerError,
    RequestErrorCategory,
    RequestFailedError,
)
from tinkex_actors.types.telemetry import SessionStartEvent

LOUD = evolve(SETTINGS, telemetry=True)


def events(fake: FakeTinker) -> list[dict[str, object]]:
    return [event for body in fake.sent("telemetry") for event in body["events"]]


@pytest.mark.tinkex("T101", "T103")
async def test_the_session_is_reported_and_what_is_left_goes_at_the_end(autojump_clock: MockClock) -> None:
    """The first batch leaves after ten seconds or when the client closes, whichever comes first."""
    fake = FakeTinker()
    async with open_fake(fake, LOUD) as tinker:
        trainer = await make_trainer(tinker)
        trainer.crash("look")
        await trainer.optim_step()
    (batch,) = fake.sent("telemetry")
    assert [(event["event"], event["event_session_index"]) for event in batch["events"]] == [
        ("SESSION_START", 0),
        ("GENERIC_EVENT", 1),
        ("SESSION_END", 2),
    ]
    assert batch["events"][2]["duration"].startswith("0:00:0")
    assert batch["session_id"] == "S0"
    assert batch["events"][1]["event_data"]["error_type"] == "InjectedCrash"
    assert autojump_clock.current_time() < 10


async def test_a_report_holds_no_secret_and_no_words_of_an_error(autojump_clock: MockClock) -> None:
    """An error's words may quote a user's data."""
    fake = FakeTinker()
    async with open_fake(fake, LOUD) as tinker:
        tinker.crash("poller", "the user's secret")
        await trio.sleep(11)
    said = str(fake.sent("telemetry"))
    assert "tinker/session/poller" in said
    assert "secret" not in said
    assert "tml-" not in said
    assert autojump_clock.current_time() < 20


@pytest.mark.tinkex("T104", "T105")
async def test_a_batch_that_was_not_taken_is_sent_again_later(autojump_clock: MockClock) -> None:
    """Once, and in order: a server that is down for a while misses nothing."""
    fake = FakeTinker()
    fake.fail("telemetry", Say(500), LoseRequest(), Say(500))
    async with open_fake(fake, LOUD):
        await trio.sleep(55)
    assert len(fake.times["telemetry"]) == 5
    assert [event["event"] for event in events(fake)] == ["SESSION_START", "SESSION_END"]
    assert autojump_clock.current_time() > 50


async def test_a_dead_reporter_endpoint_delays_no_call(autojump_clock: MockClock) -> None:
    """A black hole for telemetry: training takes as long as without, and closing is bounded."""
    fake = FakeTinker()
    fake.fail("telemetry", *[Stall(1000.0)] * 20)
    async with open_fake(fake, LOUD) as tinker:
        await trio.sleep(10.5)
        trainer = await make_trainer(tinker)
        began = trio.current_time()
        for _ in range(10):
            await trainer.optim_step()
        assert trio.current_time() - began < 1
        began = trio.current_time()
    assert trio.current_time() - began <= LOUD.figures.last_flush_timeout + 0.1
    assert autojump_clock.current_time() < 20


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_batch_that_is_refused_for_good_does_not_stop_the_others(
    status: int, autojump_clock: MockClock
) -> None:
    """It is dropped and counted; a drain ends; what comes later arrives."""
    fake = FakeTinker()
    fake.fail("telemetry", Say(status))
    async with open_fake(fake, LOUD) as tinker:
        with trio.fail_after(5):
            await tinker.drain_telemetry()
        assert (tinker.snapshot().telemetry_queued, tinker.snapshot().telemetry_dropped) == (0, 1)
        tinker.crash("poller", "a test")
    assert [event["event"] for event in events(fake)] == ["GENERIC_EVENT", "SESSION_END"]
    assert autojump_clock.current_time() < 20


async def test_a_key_that_is_refused_costs_no_event(autojump_clock: MockClock) -> None:
    """The next one may be right: a token is replaced, an account is paid."""
    fake = FakeTinker()
    fake.fail("telemetry", Say(401), Say(402), Say(403))
    async with open_fake(fake, LOUD) as tinker:
        await trio.sleep(45)
        assert tinker.snapshot().telemetry_dropped == 0
    assert [event["event"] for event in events(fake)] == ["SESSION_START", "SESSION_END"]
    assert autojump_clock.current_time() < 60


@pytest.mark.parametrize("status", [404, 405])
async def test_a_server_without_telemetry_is_not_asked_again(status: int, autojump_clock: MockClock) -> None:
    """404 means that it has no such endpoint, and so does 405."""
    fake = FakeTinker()
    fake.fail("telemetry", Say(status))
    async with open_fake(fake, LOUD) as tinker:
        await trio.sleep(100)
        assert not tinker._tree.record.capabilities.telemetry
    assert len(fake.times["telemetry"]) == 1
    assert autojump_clock.current_time() > 100


@pytest.mark.tinkex("T110")
async def test_telemetry_can_be_switched_off(autojump_clock: MockClock) -> None:
    """No actor, no request."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        assert "telemetry" not in str(tinker.tree())
        await trio.sleep(30)
    assert not fake.times["telemetry"]
    assert autojump_clock.current_time() > 30


async def test_a_crash_of_the_reporter_loses_no_event(autojump_clock: MockClock) -> None:
    """The queue is plain data: the next life sends it."""
    fake = FakeTinker()
    async with open_fake(fake, LOUD) as tinker:
        await trio.sleep(1)
        tinker.crash("telemetry", "on purpose")
        await trio.sleep(15)
        assert [event["event"] for event in events(fake)] == ["SESSION_START"]
    assert [event["event"] for event in events(fake)] == ["SESSION_START", "SESSION_END"]
    assert autojump_clock.current_time() > 15


@pytest.mark.tinkex("T102", "T109", "T65", "T106", "T108")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyError("the user's data"), ("UNHANDLED_EXCEPTION", "KeyError", None)),
        (InternalServerError("down", status_code=500), ("UNHANDLED_EXCEPTION", "InternalServerError", None)),
        (BadRequestError("the user's data", status_code=400), ("GENERIC_EVENT", "BadRequestError", 400)),
    ],
)
async def test_what_ends_the_block_is_at_the_server_when_it_is_left(
    error: Exception, told: tuple[str, str, int | None], autojump_clock: MockClock
) -> None:
    """Once, before the session's end, without a word of it; a user's error as such."""
    fake = FakeTinker()
    with pytest.raises(type(error)):
        async with open_fake(fake, LOUD):
            raise error
    start, failure, end = events(fake)
    detail: Any = failure.get("event_data", failure)
    assert (failure["event"], detail["error_type"], detail.get("status_code")) == told
    assert (start["event"], end["event"]) == ("SESSION_START", "SESSION_END")
    assert "data" not in str(failure).replace("event_data", "")
    assert autojump_clock.current_time() < 5


async def test_enough_events_leave_at_once_and_a_drain_waits_for_the_server(autojump_clock: MockClock) -> None:
    """A hundred do not wait for the interval; whoever asks hears when all have arrived."""
    fake = FakeTinker()
    async with open_fake(fake, LOUD) as tinker:
        telemetry = tinker._tree.root.whereis(TELEMETRY_NAME)
        for number in range(99):
            await telemetry.call(Telemetry.note, "n", {"number": number})
        await trio.sleep(1)
        assert len(events(fake)) == 100
        fake.fail("telemetry", Say(503), Say(503))
        await telemetry.call(Telemetry.note, "last", {})
        began = trio.current_time()
        await tinker.drain_telemetry()
        assert 5 < trio.current_time() - began < 25
        assert (tinker.snapshot().telemetry_queued, tinker._tree.events.delivered) == (0, 101)
    assert autojump_clock.current_time() < 40


async def test_a_batch_holds_a_hundred_events_at_most(autojump_clock: MockClock) -> None:
    """As the service takes them, however many have gathered while it was away."""
    fake = FakeTinker()
    fake.fail("telemetry", *[LoseRequest()] * 4)
    async with open_fake(fake, LOUD) as tinker:
        telemetry = tinker._tree.root.whereis(TELEMETRY_NAME)
        for number in range(249):
            await telemetry.call(Telemetry.note, "n", {"number": number})
        await trio.sleep(60)
    assert [len(body["events"]) for body in fake.sent("telemetry")] == [100, 100, 50, 1]
    assert autojump_clock.current_time() < 80


@pytest.mark.tinkex("T107")
def test_a_user_error_is_found_behind_anything() -> None:
    """Cause, context, group, a chain of a thousand, a ring."""
    user = RequestFailedError("no", category=RequestErrorCategory.USER)
    ring = KeyError()
    ring.__cause__ = ring.__context__ = ValueError()
    ring.__cause__.__cause__ = ring
    deep: Exception = user
    for _ in range(1000):
        outer = RuntimeError()
        outer.__context__ = deep
        deep = outer
    group = ExceptionGroup("all", [ring, ExceptionGroup("some", [KeyError(), user])])
    assert find_user_error(deep) is find_user_error(group) is user
    assert find_user_error(ring) is None
    assert find_user_error(APIStatusError("late", status_code=408)) is None


def test_a_full_queue_drops_the_newest_and_counts_it() -> None:
    """Bounded memory, and an honest number instead of a guess."""
    queue = TelemetryQueue(2)
    for _ in range(5):
        queue.put(lambda index: SessionStartEvent(event_id="e", event_session_index=index, timestamp="t"))
    assert [event.event_session_index for event in queue.events] == [0, 1]
    assert queue.dropped == 3
    queue.events.clear()
    queue.put(lambda index: SessionStartEvent(event_id="e", event_session_index=index, timestamp="t"))
    assert [event.event_session_index for event in queue.events] == [2]


def test_a_batch_that_two_have_delivered_is_gone_once() -> None:
    """A drain and the regular flush may send the same one; what waits behind it is not taken along."""
    queue = TelemetryQueue(9)
    for _ in range(3):
        queue.put(lambda index: SessionStartEvent(event_id="e", event_session_index=index, timestamp="t"))
    batch = tuple(queue.events)[:2]
    for _ in range(2):
        queue.forget(batch, is_taken=True)
    assert [event.event_session_index for event in queue.events] == [2]
    assert (queue.delivered, queue.gone, queue.dropped) == (2, 2, 0)

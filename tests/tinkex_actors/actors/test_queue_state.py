"""The server's queue: each change to every observer, and to the log once a minute at most."""

from contextlib import suppress

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import FakeTinker, Say, make_trainer, open_fake
from tinkex_actors.actors.queue_state import Kind, QueueChange, QueueWatch
from tinkex_actors.types import ModelInput, RequestFailedError
from tinkex_actors.types.futures import QueueState


@pytest.mark.tinkex("T149")
@pytest.mark.parametrize(
    ("kind", "state", "reason", "told"),
    [
        ("sampling", QueueState.PAUSED_RATE_LIMIT, None, "the limit of sampler weights in use at once is reached"),
        ("training", QueueState.PAUSED_RATE_LIMIT, None, "the limit of training clients at work at once is reached"),
        ("sampling", QueueState.PAUSED_CAPACITY, None, "the service is short of capacity"),
        ("training", QueueState.PAUSED_CAPACITY, "maintenance", "maintenance"),
        ("training", QueueState.ACTIVE, None, None),
        ("sampling", QueueState.UNKNOWN, "who knows", None),
    ],
)
def test_a_pause_is_logged_with_the_servers_reason_or_the_usual_one(
    kind: Kind, state: QueueState, reason: str | None, told: str | None
) -> None:
    """What is no pause is no news."""
    watch = QueueWatch("c", kind)
    with capture_logs() as logs:
        watch.note(state, reason, 0.0)
        watch.note(QueueState.ACTIVE, None, 30.0)
        watch.note(state, reason, 59.0)
    assert [line["reason"] for line in logs] == ([told] if told else [])


@pytest.mark.tinkex("T24")
async def test_two_pauses_in_a_minute_are_one_warning_and_four_changes(autojump_clock: MockClock) -> None:
    """The log is for people, the observer for programs."""
    fake, changes = FakeTinker(), list[QueueChange]()
    pause = Say(408, b'{"type": "try_again", "queue_state": "paused_rate_limit", "queue_state_reason": "r"}')
    active = Say(408, b'{"type": "try_again", "queue_state": "ACTIVE"}')
    with capture_logs() as logs:
        async with open_fake(fake) as tinker:
            trainer = await make_trainer(tinker)
            leave = trainer.on_queue_state_change(changes.append)
            fake.fail("retrieve_future", pause, pause, active, pause, active)
            await trainer.optim_step()
            leave()
            leave()
            fake.fail("retrieve_future", pause)
            await trainer.optim_step()
    assert [(change.client, change.state.value, change.reason) for change in changes] == [
        ("trainer-0", "paused_rate_limit", "r"),
        ("trainer-0", "active", ""),
    ] * 2
    assert [line["event"] for line in logs if "paused" in line["event"]] == ["training is paused"]
    assert autojump_clock.current_time() < 60


def test_observers_leave_one_by_one_and_in_the_middle() -> None:
    """Whoever has seen enough leaves as it is told, and takes nobody along."""
    watch, told = QueueWatch("c", "training"), list[str]()

    def leave_at_once(change: QueueChange) -> None:
        told.append(f"first {change.state.value}")
        leave()

    leave = watch.observe(leave_at_once)
    leave_later = watch.observe(lambda change: told.append(f"second {change.state.value}"))
    watch.observe(lambda change: told.append(f"third {change.state.value}"))
    watch.note(QueueState.ACTIVE, None, 0.0)
    leave_later()
    watch.note(QueueState.PAUSED_CAPACITY, None, 1.0)
    assert told == ["first active", "second active", "third active", "third paused_capacity"]


@pytest.mark.parametrize("end", [None, Say(200, b'{"error": "out of memory"}')])
async def test_a_pause_ends_with_the_operation_that_met_it(end: Say | None, autojump_clock: MockClock) -> None:
    """Servers name the state while there is no result: with the result there is nobody left to take the pause back."""
    fake, changes = FakeTinker(), list[str]()
    pause = Say(408, b'{"type": "try_again", "queue_state": "paused_capacity"}')
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        trainer.on_queue_state_change(lambda change: changes.append(change.state.value))
        fake.fail("retrieve_future", pause, *([end] if end else []))
        with suppress(RequestFailedError):
            await trainer.optim_step()
        await trainer.optim_step()
    assert changes == ["paused_capacity", "active"]
    assert autojump_clock.current_time() < 60


async def test_an_observer_that_fails_disturbs_nobody(autojump_clock: MockClock) -> None:
    """Neither the operation nor the other observers."""
    fake, heard = FakeTinker(), trio.Event()

    def fail(change: QueueChange) -> None:
        raise ZeroDivisionError(change)

    with capture_logs() as logs:
        async with open_fake(fake) as tinker:
            sampler = await tinker.create_sampling_client(base_model="fake/model")
            sampler.on_queue_state_change(fail)
            sampler.on_queue_state_change(lambda _: heard.set())
            fake.fail("retrieve_future", Say(408, b'{"type": "try_again", "queue_state": "paused_capacity"}'))
            await sampler.sample(ModelInput.from_ints([1]))
    assert heard.is_set()
    assert any("an observer of the queue has failed" in line["event"] for line in logs)
    assert autojump_clock.current_time() < 60

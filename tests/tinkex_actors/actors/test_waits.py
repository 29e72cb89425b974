"""Every pending operation says why it waits: on demand, and in the log when it takes long."""

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import FakeTinker, LoseRequest, Say, Stall, a_datum, make_trainer, open_fake
from tinkex_actors.actors.waits import Wait, WaitLog
from tinkex_actors.types import ModelInput
from tinkex_actors.types.futures import QueueState

PAUSED = (
    b'{"type": "try_again", "queue_state": "paused_capacity", "queue_state_reason": "no room", "retry_after_ms": 9000}'
)


async def test_a_submission_says_what_holds_it_up(autojump_clock: MockClock) -> None:
    """Where it is in line, what went wrong, and when it is tried again: the questions of someone who waits."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("optim_step", Say(503), LoseRequest(), Stall(50))
        first, second = trainer.optim_step(), trainer.forward_backward([a_datum()], "cross_entropy")
        await trio.sleep(1)
        stuck, behind = tinker.snapshot().waits
        assert (stuck.client, stuck.operation, stuck.number) == ("trainer-0", "optim_step", 1)
        assert (stuck.waits_for, stuck.attempts) == ("the next attempt", 2)
        assert "no answer from http://fake" in (stuck.last_error or "")
        assert 0 < (stuck.next_try_in or 0) < 1
        assert (behind.operation, behind.number, behind.waits_for) == ("forward_backward", None, "its turn")
        await trio.sleep(3)
        assert tinker.snapshot().waits[0].waits_for == "the server's answer"
        await first
        await second
        assert tinker.snapshot().waits == ()
    assert autojump_clock.current_time() < 60


async def test_a_poll_says_what_the_server_says_of_its_queue(autojump_clock: MockClock) -> None:
    """State and reason, with the promise to quote to whoever runs the server."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        fake.fail("retrieve_future", Say(408, PAUSED), Say(502))
        pending = sampler.sample(ModelInput.from_ints([1]))
        await trio.sleep(2)
        (wait,) = tinker.snapshot().waits
        assert (wait.queue_state, wait.queue_state_reason) == (QueueState.PAUSED_CAPACITY, "no room")
        assert wait.request_id is not None
        assert str(wait).startswith("sampler-0 asample 0: for 1 s, waits for the result; attempt 1; next in ")
        assert wait.next_try_in is not None
        assert 6.5 < wait.next_try_in < 9.6  # the server's eight seconds, drawn out by chance
        assert "the server's queue is paused_capacity (no room)" in str(tinker.snapshot())
        note = "1 pending, the first waits for the result, the server's queue is paused_capacity (no room)"
        assert f"sampler-0 Sampler (running, {note})" in str(tinker.tree())
        await trio.sleep(wait.next_try_in + 0.1)
        assert tinker.snapshot().waits[0].last_error == "a poll was answered with 502"
        await pending
        assert "sampler-0 Sampler (running)" in str(tinker.tree())
    assert autojump_clock.current_time() < 60


async def test_a_long_wait_is_logged_and_again_whenever_it_has_doubled(autojump_clock: MockClock) -> None:
    """Neither silence for a quarter of an hour nor a line a second."""
    fake = FakeTinker()
    with capture_logs() as logs:
        async with open_fake(fake) as tinker:
            trainer = await make_trainer(tinker)
            fake.fail("retrieve_future", *[Say(503)] * 1000)
            trainer.optim_step()
            await trio.sleep(500)
            fake.faults.clear()
            await trio.sleep(20)
    told = [line for line in logs if line["event"] == "optim_step waits for the result"]
    assert [line["seconds"] for line in told] == [30, 60, 120, 240, 480]
    assert {line["last_error"] for line in told} == {"a poll was answered with 503"}
    assert {(line["client"], line["waiting"], line["log_level"]) for line in told} == {("trainer-0", 1, "warning")}
    assert autojump_clock.current_time() > 500


async def test_a_thousand_waits_are_one_line(autojump_clock: MockClock) -> None:
    """The oldest speaks for all, with their number."""
    fake = FakeTinker(latency=45)
    with capture_logs() as logs:
        async with open_fake(fake) as tinker:
            sampler = await tinker.create_sampling_client(base_model="fake/model")
            pending = [sampler.sample(ModelInput.from_ints([1])) for _ in range(1000)]
            await trio.sleep(40)
            assert str(tinker.snapshot()).endswith("and 980 more")
            for each in pending:
                await each
    told = [line for line in logs if "waits for" in line["event"]]
    assert {line["waiting"] for line in told} == {1000}
    assert len(told) == len({line["seconds"] for line in told}) < 3
    assert autojump_clock.current_time() < 300


async def test_a_snapshot_names_a_server_that_does_not_answer(autojump_clock: MockClock) -> None:
    """Session, heartbeat, breaker and pause, without asking anybody."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        fake.fail("get_server_capabilities", *[Say(500)] * 9)
        fake.fail("session_heartbeat", Say(500), Say(500))
        fake.fail("asample", Say(429, headers={"retry-after": "50"}))
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        pending = sampler.sample(ModelInput.from_ints([1]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tinker.get_server_capabilities)
            await trio.sleep(21)
            text = str(tinker.snapshot())
            assert "session S0, heard 21 s ago, 2 heartbeats missed" in text
            assert "the server does not answer: the breaker is open" in text
            assert "sampling is paused for 29." in text
            assert "waits for the end of the pause that the server asked for (429)" in text
            nursery.cancel_scope.cancel()
        await pending
    assert autojump_clock.current_time() < 100


def wait(age: float, client: str = "c") -> Wait:
    return Wait(
        client=client,
        operation="o",
        number=None,
        request_id=None,
        age=age,
        waits_for="x",
        attempts=0,
        next_try_in=None,
        last_error=None,
        queue_state=QueueState.UNKNOWN,
        queue_state_reason=None,
    )


@given(st.integers(1, 5000))
def test_the_number_of_lines_grows_with_the_logarithm_of_the_time(seconds: int) -> None:
    """A wait of a day is a dozen lines."""
    log = WaitLog(30.0)
    told = sum(len(log.choose([wait(float(age))])) for age in range(seconds + 1))
    assert told == len([1 for step in range(20) if 30 * 2**step <= seconds])


def test_the_oldest_speaks_for_its_group() -> None:
    """Its reason is the one that holds; the youngest has just begun to wait."""
    (group,) = WaitLog(30.0).choose([wait(31.0), wait(50.0), wait(40.0)])
    assert [one.age for one in group] == [50.0, 40.0, 31.0]


def test_a_wait_that_ends_may_be_told_anew() -> None:
    """Another operation of the same client is another wait."""
    log = WaitLog(30.0)
    assert len(log.choose([wait(31.0), wait(40.0), wait(29.0)])[0]) == 2
    assert not log.choose([wait(41.0)])
    assert not log.choose([])
    assert log.choose([wait(30.0)])


@pytest.mark.parametrize("age", [0.0, 29.9])
def test_what_is_not_long_is_not_told(age: float) -> None:
    """Most operations take seconds."""
    assert not WaitLog(30.0).choose([wait(age)])

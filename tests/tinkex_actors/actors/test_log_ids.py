"""Whatever is logged while an operation is worked on says which it is: in a turn, in a retry, in the poller, after a crash."""

from collections.abc import Generator
from typing import Any

import pytest
import structlog
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import FakeTinker, LoseAnswer, Say, a_datum, make_trainer, open_fake
from tinkex_actors.log import get_log
from tinkex_actors.types import ModelInput

PROMPT = ModelInput.from_ints([1, 2])
Records = list[dict[str, Any]]


@pytest.fixture
def records() -> Generator[Records]:
    """What is logged, in a program that has configured structlog."""
    structlog.configure()
    with capture_logs() as found:
        # capture_logs types its list as of a mapping that is a dict.
        yield found  # type: ignore[misc]
    structlog.reset_defaults()


def _fake() -> FakeTinker:
    """A server whose every request is logged from within, as a transport of the user's may do."""
    return FakeTinker(before=lambda route: get_log().info("request", route=route))


def _of(records: Records, route: str) -> Records:
    return [record for record in records if record.get("route") == route]


async def test_a_model_of_another_process_is_named_as_ones_own(autojump_clock: MockClock, records: Records) -> None:
    """Whoever reads the log of a run that went on after a crash looks for its model."""
    fake = _fake()
    async with open_fake(fake) as tinker:
        model_id = (await make_trainer(tinker)).model_id
        again = await tinker.attach_training_client(model_id, next_number=1, model_number=1)
        await again.forward_backward([a_datum()], "cross_entropy")
    (sent,) = _of(records, "forward_backward")
    assert (sent["model_id"], sent["client"]) == (model_id, "trainer-1")
    assert autojump_clock.current_time() < 60


async def test_a_request_in_a_trainers_turn_names_session_client_model_and_number(
    autojump_clock: MockClock, records: Records
) -> None:
    """Also its repetitions: the first answer is lost here."""
    fake = _fake()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("forward_backward", Say(500), LoseAnswer())
        await trainer.forward_backward([a_datum()], "cross_entropy")
        want = {
            "session_id": tinker.session_id,
            "client": "trainer-0",
            "model_id": trainer.model_id,
            "operation": "forward_backward",
            "number": 1,
        }
    sent = _of(records, "forward_backward")
    assert len(sent) == 3
    assert all(record.items() >= want.items() for record in sent)
    assert autojump_clock.current_time() < 60


async def test_a_poll_names_the_request_it_asks_after(autojump_clock: MockClock, records: Records) -> None:
    """Side by side, each its own, though one actor asks for all."""
    fake = _fake()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        records.clear()
        passes = [trainer.forward_backward([a_datum()], "cross_entropy") for _ in range(3)]
        for one in passes:
            await one
        ids = {request_id for one in passes for request_id in one.request_ids}
    polls = _of(records, "retrieve_future")
    assert {record["request_id"] for record in polls} == ids
    assert {(record["client"], record["session_id"]) for record in polls} == {("trainer-0", "S0")}
    assert {record["number"] for record in polls} == {1, 2, 3}
    assert autojump_clock.current_time() < 60


async def test_a_sample_is_named_in_both_of_its_halves(autojump_clock: MockClock, records: Records) -> None:
    """Its submission and its poll, with the sampling session."""
    fake = _fake()
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        (pending,) = [sampler.sample(PROMPT)]
        await pending
    want = {"client": "sampler-0", "sampling_session_id": "Q0", "session_id": "S0", "number": 0, "operation": "asample"}
    (submitted,), (polled,) = _of(records, "asample"), _of(records, "retrieve_future")
    assert submitted.items() >= want.items()
    assert polled.items() >= {**want, "request_id": pending.request_ids[0]}.items()
    assert autojump_clock.current_time() < 60


async def test_the_next_life_names_it_too(autojump_clock: MockClock, records: Records) -> None:
    """What is known of an operation lies beside it and not in the actor that crashed."""
    fake = _fake()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        records.clear()
        pending = trainer.forward_backward([a_datum()], "cross_entropy")
        await pending.accepted()
        trainer.crash("on purpose")
        await pending
    polls = _of(records, "retrieve_future")
    assert polls
    assert {record["request_id"] for record in polls} == set(pending.request_ids)
    (crash,) = [record for record in records if record["event"] == "actor crashed"]
    assert (crash["session_id"], crash["operation"], crash["life"]) == ("S0", "crash_on_purpose", 1)
    assert autojump_clock.current_time() < 60


async def test_what_a_custom_loss_logs_is_named_in_its_thread(autojump_clock: MockClock, records: Records) -> None:
    """A user's own words, in a worker thread, about the step they belong to."""

    def loss(_: Any, logprobs: Any) -> tuple[float, list[Any]]:
        get_log("mine").warning("a strange loss")
        return 0.0, [0 * row for row in logprobs]

    fake = _fake()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        await trainer.forward_backward_custom([a_datum()], loss)
    (said,) = [record for record in records if record["event"] == "a strange loss"]
    assert (said["client"], said["model_id"], said["operation"]) == ("trainer-0", "S0:train:0", "forward_backward")
    assert autojump_clock.current_time() < 60


async def test_heartbeats_name_the_session_and_the_users_own_block_names_nothing(
    autojump_clock: MockClock, records: Records
) -> None:
    """The ids go with the work, and not with whoever happens to hold a client."""
    fake = _fake()
    async with open_fake(fake) as tinker:
        await trio.sleep(25)
        get_log().info("mine")
        assert tinker.session_id == "S0"
    beats = _of(records, "session_heartbeat")
    assert beats
    assert {record["session_id"] for record in beats} == {"S0"}
    assert [record for record in records if record["event"] == "mine"] == [{"event": "mine", "log_level": "info"}]
    assert autojump_clock.current_time() < 60

"""A session is opened once, kept alive, and replaced knowingly when the server ends it."""

import pytest
import trio
from attrs import evolve
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import (
    FIGURES,
    SETTINGS,
    FakeTinker,
    LoseAnswer,
    LoseRequest,
    Say,
    Stall,
    a_datum,
    make_trainer,
    open_fake,
)
from tinkex_actors.actors.errors import SessionEnded
from tinkex_actors.types import (
    APIConnectionError,
    AuthenticationError,
    InternalServerError,
    PermissionDeniedError,
    SessionId,
)


@pytest.mark.tinkex("T01")
async def test_a_session_is_opened_and_beats_while_it_lives(autojump_clock: MockClock) -> None:
    """Every ten seconds, with the session's id, and one finish at the end."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        await trio.sleep(35)
        assert tinker.session_id == "S0"
    assert [round(at) for at in fake.times["session_heartbeat"]] == [10, 20, 30]
    assert fake.sent("session_heartbeat")[0]["session_id"] == "S0"
    assert fake.finished == ["success"]
    assert autojump_clock.current_time() < 40


@pytest.mark.tinkex("T02", "F016")
async def test_the_session_carries_what_the_settings_say(autojump_clock: MockClock) -> None:
    """Project, tags, name and metadata, each only where it is set."""
    fake = FakeTinker()
    settings = evolve(SETTINGS, project_id="p", tags=("t",), display_name="n", user_metadata={"a": "b"})
    async with open_fake(fake, settings):
        pass
    assert fake.sent("create_session")[0] == {
        "tags": ["t"],
        "user_metadata": {"a": "b"},
        "sdk_version": "0.38.0",
        "project_id": "p",
        "display_name": "n",
        "type": "create_session",
    }
    assert autojump_clock.current_time() < 5


async def test_what_the_server_has_to_say_at_the_opening_is_logged(autojump_clock: MockClock) -> None:
    """To people, at the level it says, with the session it is about."""
    fake = FakeTinker()
    words = b'{"session_id": "S0", "info_message": "hello", "warning_message": "soon", "error_message": "gone"}'
    fake.fail("create_session", Say(200, words))
    with capture_logs() as logs:
        async with open_fake(fake):
            pass
    told = [(line["log_level"], line["message"], line["session_id"]) for line in logs if "message" in line]
    assert told == [("info", "hello", "S0"), ("warning", "soon", "S0"), ("error", "gone", "S0")]
    assert autojump_clock.current_time() < 5


async def test_opening_twice_on_the_way_is_one_session(autojump_clock: MockClock) -> None:
    """Only the idempotency key tells a repeat from a second session."""
    fake = FakeTinker()
    fake.fail("create_session", LoseAnswer(), LoseAnswer())
    async with open_fake(fake):
        pass
    assert len(fake.sessions) == 1
    assert len(fake.times["create_session"]) == 3
    assert autojump_clock.current_time() < 10


async def test_an_opening_that_takes_long_says_why(autojump_clock: MockClock) -> None:
    """A wrong port is a minute of retries: not a minute of silence."""
    fake = FakeTinker()
    fake.fail("client/config", *[LoseRequest()] * 8)
    with capture_logs() as logs:
        async with open_fake(fake):
            opened = trio.current_time()
            await trio.sleep(300)
    told = [line for line in logs if "not open yet" in line["event"]]
    assert 30 < opened < 60
    assert [(line["waits_for"], line["seconds"]) for line in told] == [("the next attempt", 30)]
    assert 6 <= told[0]["attempts"] <= 8  # chance shortens the delays between them
    assert "no answer from http://fake" in told[0]["last_error"]
    assert 0 < told[0]["next_try_in"] <= 10
    assert autojump_clock.current_time() > 300


async def test_a_refused_key_is_one_clear_error(autojump_clock: MockClock) -> None:
    """Not a group, not a start error of some supervisor: what the server said."""
    fake = FakeTinker()
    fake.fail("client/config", Say(401, b'{"detail": "unknown key"}'))
    with pytest.raises(AuthenticationError, match="unknown key; check the API key"):
        async with open_fake(fake):
            raise AssertionError
    assert autojump_clock.current_time() < 1


async def test_a_server_that_is_not_there_is_one_clear_error(autojump_clock: MockClock) -> None:
    """Named, after the retries that the settings allow."""
    fake = FakeTinker()
    fake.fail("client/config", *[LoseRequest()] * 10)
    settings = evolve(SETTINGS, figures=evolve(FIGURES, max_retries=2))
    with pytest.raises(APIConnectionError, match="no answer from http://fake"):
        async with open_fake(fake, settings):
            raise AssertionError
    assert autojump_clock.current_time() < 3


@pytest.mark.parametrize("route", ["client/config", "client/dynamic_config", "create_session"])
async def test_a_server_in_trouble_for_a_moment_delays_the_opening(route: str, autojump_clock: MockClock) -> None:
    """Each of the three requests is sent again: a program does not end because its server was just restarted."""
    fake = FakeTinker()
    fake.fail(route, Say(503), LoseRequest())
    async with open_fake(fake) as tinker:
        assert tinker.session_id == "S0"
    assert len(fake.times[route]) == 3
    assert 0.5 < autojump_clock.current_time() < 5


async def test_the_end_is_told_again_to_a_server_in_trouble(autojump_clock: MockClock) -> None:
    """A session that nobody finishes holds its models for minutes; closing stays bounded all the same."""
    fake = FakeTinker()
    fake.fail("finish", LoseRequest(), Say(503))
    async with open_fake(fake):
        pass
    assert fake.finished == ["success"]
    assert autojump_clock.current_time() <= FIGURES.close_timeout


async def test_a_session_is_not_given_up_because_its_server_is_in_trouble(autojump_clock: MockClock) -> None:
    """Whether it still lives is asked again: only its server can say that it is over."""
    fake = FakeTinker()
    fake.fail("session_heartbeat", Say(503), LoseRequest())
    async with open_fake(fake, taken_over=SessionId("S7")) as tinker:
        assert tinker.session_id == "S7"
        fake.fail("finish", *[Say(500)] * 20)
        with pytest.raises(InternalServerError, match="sessions/finish was answered with 500"):
            await tinker.finish_session(SessionId("S6"))
        fake.faults["finish"].clear()
    fake.fail("session_heartbeat", Say(403))
    with pytest.raises(PermissionDeniedError):
        async with open_fake(fake, taken_over=SessionId("S7")):
            raise AssertionError
    assert autojump_clock.current_time() < 200


@pytest.mark.parametrize("status", [404, 405])
async def test_an_older_server_without_switches_is_served_too(status: int, autojump_clock: MockClock) -> None:
    """404 on both configurations means defaults, and is not asked again; so does the 405 of some frameworks."""
    fake = FakeTinker()
    fake.fail("client/config", Say(status))
    fake.fail("client/dynamic_config", Say(status))
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        await trainer.optim_step()
        await trio.sleep(1000)
    assert len(fake.times["client/dynamic_config"]) == 1
    assert autojump_clock.current_time() > 1000


async def test_switches_that_turn_are_read_again(autojump_clock: MockClock) -> None:
    """Every interval the server names; a failed reading keeps the last."""
    fake = FakeTinker(dynamic_config={"refresh_interval_sec": 60.0})
    async with open_fake(fake) as tinker:
        fake.dynamic_config["sample_cancel_enabled"] = True
        await trio.sleep(61)
        fake.fail("client/dynamic_config", Say(500))
        await trio.sleep(60)
        assert tinker._tree.record.dynamic_config.sample_cancel_enabled
    assert len(fake.times["client/dynamic_config"]) == 3
    assert autojump_clock.current_time() > 120


@pytest.mark.tinkex("T03", "T04")
async def test_failing_heartbeats_warn_after_two_minutes_and_keep_the_session(autojump_clock: MockClock) -> None:
    """A server that does not hear us for a while is not a reason to drop what it holds."""
    fake = FakeTinker()
    fake.fail("session_heartbeat", *[Say(401)] * 14)
    with capture_logs() as logs:
        async with open_fake(fake) as tinker:
            await trio.sleep(115)
            assert not logs
            await trio.sleep(30)
            assert tinker.session_id == "S0"
            await trio.sleep(200)
    warnings = [line for line in logs if line["log_level"] == "warning"]
    assert [(line["event"], line["seconds"]) for line in warnings] == [
        ("the server has not heard our heartbeat", 120),
        ("the server has not heard our heartbeat", 130),
        ("the server has not heard our heartbeat", 140),
    ]
    assert autojump_clock.current_time() > 300


async def test_a_404_to_a_heartbeat_is_no_end(autojump_clock: MockClock) -> None:
    """A server may have lost the route, or a proxy the server: only a 410 says that the session is over."""
    fake = FakeTinker()
    fake.fail("session_heartbeat", *[Say(404)] * 5)
    async with open_fake(fake) as tinker:
        await trio.sleep(75)
        assert tinker.session_id == "S0"
    assert len(fake.times["session_heartbeat"]) == 7
    assert autojump_clock.current_time() < 80


async def test_a_late_report_about_the_last_session_does_not_end_the_next(autojump_clock: MockClock) -> None:
    """The heart of the old one may still be heard to stop."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        fake.ended.add("S0")
        await trio.sleep(15)
        trainer = await make_trainer(tinker)
        tinker._tree.end_session(SessionId("S0"), "late")
        await trio.sleep(1)
        await trainer.optim_step()
        assert tinker.session_id == "S1"
    assert autojump_clock.current_time() < 60


@pytest.mark.tinkex("T08")
async def test_a_slow_heartbeat_is_not_repeated_sooner(autojump_clock: MockClock) -> None:
    """One at a time: a server that answers late is not sent a second one meanwhile."""
    fake = FakeTinker()
    fake.fail("session_heartbeat", Stall(25.0))
    async with open_fake(fake):
        await trio.sleep(45)
    assert [round(at) for at in fake.times["session_heartbeat"]] == [10, 40]
    assert autojump_clock.current_time() > 40


async def test_a_session_that_the_server_ends_is_replaced_knowingly(autojump_clock: MockClock) -> None:
    """What hung on it fails with that reason; what is made next has a new session and numbers from zero."""
    fake = FakeTinker(latency=30.0)
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        lost = trainer.forward_backward([a_datum()], "cross_entropy")
        fake.ended.add("S0")
        with pytest.raises(SessionEnded, match="begin again from a checkpoint"):
            await lost
        with pytest.raises(SessionEnded):
            trainer.optim_step()
        fake.latency = 0.01
        await trio.sleep(1)
        assert tinker.session_id == "S1"
        fresh = await make_trainer(tinker)
        await fresh.optim_step()
        assert fresh.model_id == "S1:train:0"
    assert fake.models["S1:train:0"].executed == [(1, "optim_step")]
    assert autojump_clock.current_time() < 200


async def test_a_session_that_the_server_ends_stays_ended_where_the_settings_say_so(autojump_clock: MockClock) -> None:
    """Some programs would rather end than go on under another session."""
    fake = FakeTinker()
    async with open_fake(fake, evolve(SETTINGS, reopens_session=False)) as tinker:
        trainer = await make_trainer(tinker)
        fake.ended.add("S0")
        await trio.sleep(15)
        with pytest.raises(SessionEnded, match="reopens_session"):
            await make_trainer(tinker)
        with pytest.raises(SessionEnded, match="begin again from a checkpoint"):
            trainer.optim_step()
        await trio.sleep(100)
    assert len(fake.sessions) == 1
    assert autojump_clock.current_time() < 200


@pytest.mark.parametrize(
    ("error", "reason"), [(KeyError("bug"), "errored"), (KeyboardInterrupt(), "interrupted"), (None, "success")]
)
async def test_the_server_is_told_how_the_session_ended(
    error: BaseException | None, reason: str, autojump_clock: MockClock
) -> None:
    """Success, an error of the program, or an interruption; and the program's own error goes on unchanged."""
    fake = FakeTinker()
    caught: BaseException | None = None
    try:
        async with open_fake(fake):
            if error is not None:
                raise error
    except (KeyError, KeyboardInterrupt) as raised:
        caught = raised
    assert caught is error
    assert fake.finished == [reason]
    assert autojump_clock.current_time() < 5


async def test_a_cancelled_program_tells_the_server_too(autojump_clock: MockClock) -> None:
    """The cancellation is what ends the block, and not what is said to the server about it."""
    fake = FakeTinker()
    with trio.CancelScope() as scope:
        async with open_fake(fake):
            scope.cancel()
            await trio.sleep(1)
    assert scope.cancelled_caught
    assert fake.finished == ["interrupted"]
    assert autojump_clock.current_time() < 2


@pytest.mark.parametrize(("failures", "session"), [(2, "S0"), (3, "S1")])
async def test_a_session_counts_as_lost_after_more_failures_than_the_figure_says(
    failures: int, session: str, autojump_clock: MockClock
) -> None:
    """Where a program would rather begin anew than wait for a server that may have forgotten it."""
    fake = FakeTinker()
    fake.fail("session_heartbeat", *[LoseRequest()] * failures)
    settings = evolve(SETTINGS, figures=evolve(FIGURES, heartbeat_failures_max=2))
    async with open_fake(fake, settings) as tinker:
        await trio.sleep(45)
        assert tinker.session_id == session
    assert autojump_clock.current_time() < 60


async def test_a_server_that_does_not_answer_the_finish_delays_nobody(autojump_clock: MockClock) -> None:
    """Closing is bounded, whatever hangs."""
    fake = FakeTinker()
    fake.fail("finish", Stall(100.0))
    async with open_fake(fake):
        await trio.sleep(1)
        began = trio.current_time()
    assert trio.current_time() - began <= FIGURES.close_timeout
    assert autojump_clock.current_time() < 10

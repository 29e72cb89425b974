"""The retry layer sends the same request again, at the right times, and hands over what came last."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.transport.script import Script, Step, late, lost
from tinkex_actors.settings import Figures
from tinkex_actors.transport.retry import Retrying
from tinkex_actors.transport.seam import Answer, Body, Persistence, Route
from tinkex_actors.types.errors import APITimeoutError, CircuitOpen

FIGURES = Figures(max_retries=3)
ROUTE = Route(name="get_info", path="/api/v1/get_info")
PATIENT = evolve(ROUTE, persistence=Persistence.PATIENCE)


def retrying(script: Script, figures: Figures = FIGURES) -> Retrying:
    return Retrying(script, figures, chance=lambda: 0.0)


@pytest.mark.tinkex("T85")
async def test_the_caller_sees_only_the_success(autojump_clock: MockClock) -> None:
    """Passing trouble of every kind stays below the seam."""
    script = Script.on(autojump_clock, 503, lost(), late(), 200)
    answer = await retrying(script).send(ROUTE, Body())
    assert (answer.status, answer.attempts) == (200, 4)
    assert script.times == [0.0, 0.5, 1.5, 3.5]


async def test_every_attempt_is_the_same_request(autojump_clock: MockClock) -> None:
    """One idempotency key for all attempts makes a repeated submission harmless; the count tells the server."""
    script = Script.on(autojump_clock, 500, 500, 200)
    await retrying(script).send(ROUTE, Body(content=b"x", idempotency_key="key"))
    assert {body.idempotency_key for body in script.sent} == {"key"}
    assert [body.attempt for body in script.sent] == [0, 1, 2]


async def test_what_the_breaker_held_back_was_no_attempt(autojump_clock: MockClock) -> None:
    """It was not sent: the server is told, and the caller, how often it truly was."""
    script = Script.on(autojump_clock, CircuitOpen("held back"), 503, CircuitOpen("held back"), 200)
    answer = await retrying(script).send(ROUTE, Body())
    assert answer.attempts == 2
    assert [body.attempt for body in script.sent] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("before", "is_after_doubt"),
    [([503], True), ([lost()], True), ([408], True), ([429, 409], False), ([CircuitOpen("held back")], False)],
)
async def test_a_refusal_says_whether_an_earlier_attempt_may_have_arrived(
    before: list[Step],
    is_after_doubt: bool,  # noqa: FBT001 - a parameter
    autojump_clock: MockClock,
) -> None:
    """Who numbers requests must know: the number of one that may have been carried out is not free."""
    answer = await retrying(Script.on(autojump_clock, *before, 401)).send(ROUTE, Body())
    assert (answer.status, answer.is_after_doubt) == (401, is_after_doubt)


@pytest.mark.tinkex("T85")
async def test_a_final_answer_comes_through_whatever_its_status(autojump_clock: MockClock) -> None:
    """What a refusal means is for the caller to say."""
    answer = await retrying(Script.on(autojump_clock, 500, 404)).send(ROUTE, Body())
    assert (answer.status, answer.attempts) == (404, 2)


@pytest.mark.tinkex("T86")
async def test_the_last_failure_is_raised_and_knows_the_attempts(autojump_clock: MockClock) -> None:
    """A report that says how often it was tried saves a person from trying again."""
    with pytest.raises(APITimeoutError) as failure:
        await retrying(Script.on(autojump_clock, 503, lost(), lost(), late())).send(ROUTE, Body())
    assert failure.value.attempts == 4


async def test_patience_outlives_the_retries(autojump_clock: MockClock) -> None:
    """A server that is away for four minutes does not cost a training run its order."""
    script = Script.on(autojump_clock, *[503] * 14, 200)
    answer = await retrying(script).send(PATIENT, Body())
    assert answer.status == 200
    assert 200 < autojump_clock.current_time() < 300


async def test_patience_ends(autojump_clock: MockClock) -> None:
    """After five minutes somebody has to know."""
    script = Script.on(autojump_clock, *[503] * 100)
    assert (await retrying(script).send(PATIENT, Body())).status == 503
    assert autojump_clock.current_time() == 300


async def test_cancelling_ends_the_waiting_at_once(autojump_clock: MockClock) -> None:
    """Nothing is sent for a caller who has gone."""
    script = Script.on(autojump_clock, *[Answer(status=503, headers={"retry-after": "60"})] * 3)
    with trio.move_on_after(5):
        await retrying(script).send(ROUTE, Body())
    assert autojump_clock.current_time() == 5
    assert len(script.sent) == 1

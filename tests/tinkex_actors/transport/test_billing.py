"""A 402 is a pause that everyone keeps, and an error once it has lasted too long."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.tinkex_actors.transport.script import Script
from tinkex_actors.settings import Figures
from tinkex_actors.transport.billing import Billed
from tinkex_actors.transport.seam import Body, Lane, Route

STEP = Route(name="optim_step", path="/o", lane=Lane.SUBMIT)


@pytest.mark.parametrize("lane", [Lane.SUBMIT, Lane.SAMPLE, Lane.RETRIEVE])
async def test_the_same_request_goes_on_when_the_account_can_pay_again(lane: Lane, autojump_clock: MockClock) -> None:
    """Ten minutes without credit cost ten minutes and not the run; one warning a minute says why."""
    script = Script.on(autojump_clock, *[402] * 121, 200)
    body = Body(idempotency_key="k")
    with capture_logs() as logs:
        route = Route(name="optim_step", path="/o", lane=lane)
        answer = await Billed(script, Figures(), lambda: 3600).send(route, body)
    assert answer.status == 200
    assert script.times[:3] == [0.0, 5.0, 10.0]
    assert {sent.idempotency_key for sent in script.sent} == {"k"}
    assert [line["paused_seconds"] for line in logs] == [60 * minute for minute in range(11)]
    assert "402" in str(body.standing.last_error)


async def test_after_the_longest_pause_it_is_an_error(autojump_clock: MockClock) -> None:
    """The server says how long it makes sense to wait."""
    script = Script.on(autojump_clock, *[402] * 100)
    with capture_logs() as logs:
        answer = await Billed(script, Figures(), lambda: 60).send(STEP, Body())
    assert (answer.status, autojump_clock.current_time()) == (402, 60.0)
    assert logs[-1]["log_level"] == "error"


async def test_a_later_incident_begins_anew(autojump_clock: MockClock) -> None:
    """Yesterday's pause does not shorten today's."""
    billed = Billed(Script.on(autojump_clock, *[402] * 13, 402, 200), Figures(), lambda: 60)
    assert (await billed.send(STEP, Body())).status == 402
    await trio.sleep(301)
    assert (await billed.send(STEP, Body())).status == 200


async def test_opening_a_session_does_not_wait(autojump_clock: MockClock) -> None:
    """Someone is in front of it, and should know."""
    script = Script.on(autojump_clock, 402)
    route = Route(name="create_session", path="/s", lane=Lane.CONTROL)
    assert (await Billed(script, Figures(), lambda: 3600).send(route, Body())).status == 402
    assert autojump_clock.current_time() == 0

"""A 429 pauses everyone who samples, for as long as the larger of two rules says, and nobody else."""

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.tinkex_actors.transport.script import Script
from tinkex_actors.settings import Figures
from tinkex_actors.transport.pacing import Paced
from tinkex_actors.transport.seam import Answer, Body, Lane, Route

FIGURES = Figures()
SAMPLE = Route(name="asample", path="/api/v1/asample", lane=Lane.SAMPLE)
STEP = Route(name="optim_step", path="/api/v1/optim_step", lane=Lane.SUBMIT)
SMALL, LARGE = Body(weight_bytes=1000, idempotency_key="s"), Body(weight_bytes=150_000, idempotency_key="l")


def too_many(**headers: str) -> Answer:
    return Answer(status=429, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.tinkex("T67", "T68")
@pytest.mark.parametrize(
    ("body", "refused", "pause"),
    [
        (SMALL, too_many(), 1.0),
        (LARGE, too_many(), 5.0),
        (SMALL, too_many(retry_after_ms="500"), 1.0),
        (SMALL, too_many(retry_after="7"), 7.0),
        (LARGE, too_many(retry_after="3600"), 5.0),
    ],
)
async def test_the_pause_is_the_larger_of_two_rules(
    body: Body, refused: Answer, pause: float, autojump_clock: MockClock
) -> None:
    """The server's wish counts up to a cap, and a large sample waits longer than a small one."""
    script = Script.on(autojump_clock, refused, 200)
    assert (await Paced(script, FIGURES).send(SAMPLE, body)).status == 200
    assert script.times == [0.0, pause]


async def test_the_same_sample_is_sent_again(autojump_clock: MockClock) -> None:
    """A pause is not a new request: key and number stay."""
    script = Script.on(autojump_clock, too_many(), too_many(), 200)
    await Paced(script, FIGURES).send(SAMPLE, SMALL)
    assert [(body.idempotency_key, body.attempt) for body in script.sent] == [("s", 0), ("s", 1), ("s", 2)]


@pytest.mark.tinkex("T77")
async def test_everyone_sampling_keeps_the_pause_and_nobody_else(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Training goes on while sampling waits."""
    script = Script.on(autojump_clock, too_many(), 200, 200, 200)
    paced = Paced(script, FIGURES)
    nursery.start_soon(paced.send, SAMPLE, LARGE)
    await trio.testing.wait_all_tasks_blocked()
    nursery.start_soon(paced.send, SAMPLE, SMALL)
    nursery.start_soon(paced.send, STEP, SMALL)
    await trio.sleep(6)
    assert script.times == [0.0, 0.0, 5.0, 5.0]


async def test_a_pause_only_grows(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """A short pause ordered later does not end a longer one, nor does a success of an earlier request."""
    script = Script.on(autojump_clock, too_many(retry_after="30"), too_many(), 200, 200)
    paced = Paced(script, FIGURES)
    nursery.start_soon(paced.send, SAMPLE, SMALL)
    nursery.start_soon(paced.send, SAMPLE, SMALL)
    await trio.testing.wait_all_tasks_blocked()
    assert paced.paused_until == 30.0
    await trio.sleep(31)
    assert script.times == [0.0, 0.0, 30.0, 30.0]


async def test_who_waits_already_keeps_a_pause_that_grows(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """A request that was on its way is told to wait longer: so do those that slept to the old end."""
    early = trio.Event()

    class Slow(Script):
        async def send(self, route: Route, body: Body, /) -> Answer:
            answer = await super().send(route, body)
            if body.idempotency_key == "l":
                await early.wait()
            return answer

    script = Slow(autojump_clock, [too_many(retry_after="10"), too_many(), 200, 200])
    paced = Paced(script, FIGURES)
    nursery.start_soon(paced.send, SAMPLE, LARGE)
    await trio.testing.wait_all_tasks_blocked()
    nursery.start_soon(paced.send, SAMPLE, SMALL)
    await trio.sleep(0.5)
    early.set()
    await trio.sleep(20)
    assert script.times == [0.0, 0.0, 10.5, 10.5]


@pytest.mark.tinkex("T72")
async def test_after_a_pause_a_sample_weighs_twenty_times_as_much(autojump_clock: MockClock) -> None:
    """The budget below lets few through while the server recovers, and many once it has."""
    script = Script.on(autojump_clock, too_many(), 200, 200)
    paced = Paced(script, FIGURES)
    await paced.send(SAMPLE, SMALL)
    await trio.sleep(11)
    await paced.send(SAMPLE, SMALL)
    assert [body.weight_bytes for body in script.sent] == [1000, 20_000, 1000]


async def test_a_pause_that_grows_while_somebody_sleeps_is_kept_by_them_too(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """A sample that was under way is refused later and longer: whoever waits already must not run into it."""
    sent = list[tuple[str, float]]()

    class Server:
        async def send(self, _route: Route, body: Body, /) -> Answer:
            sent.append((body.idempotency_key, trio.current_time()))
            if body.attempt:
                return Answer(status=200)
            await trio.sleep(0.5 if body is LARGE else 0)
            return too_many(retry_after="7") if body is LARGE else too_many()

    paced = Paced(Server(), FIGURES)
    nursery.start_soon(paced.send, SAMPLE, LARGE)
    await trio.sleep(0.1)
    await paced.send(SAMPLE, SMALL)
    assert [at for key, at in sent if key == "s"] == [0.1, 7.5]
    assert autojump_clock.current_time() == 7.5
    nursery.cancel_scope.cancel()

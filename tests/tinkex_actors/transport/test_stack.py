"""All layers together: what the server narrows, what the user narrows, and where a request stands meanwhile."""

from contextlib import AbstractAsyncContextManager

import httpx
import pytest
import trio
import trio.testing
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import FIGURES, SETTINGS, FakeTinker, LoseAnswer, Say, make_trainer, open_fake
from tinkex_actors.settings import Figures
from tinkex_actors.transport.seam import Body, Lane, Route
from tinkex_actors.transport.stack import Line, open_transport
from tinkex_actors.types import BillingError, ClientConfigResponse, InternalServerError

SAMPLE = Route(name="asample", path="/api/v1/asample", lane=Lane.SAMPLE)
SUBMIT = Route(name="forward_backward", path="/api/v1/forward_backward", lane=Lane.SUBMIT)


class Hold:
    """A server that answers when told, and counts who waits."""

    def __init__(self) -> None:
        self.inside = 0
        self.open = trio.Event()

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        self.inside += 1
        await self.open.wait()
        return httpx.Response(200, json={})


def line(hold: Hold, figures: Figures, config: ClientConfigResponse) -> AbstractAsyncContextManager[Line]:
    settings = evolve(SETTINGS, figures=figures)
    return open_transport(settings, below=httpx.MockTransport(hold), config=lambda: config)


@pytest.mark.parametrize("route", [SAMPLE, SUBMIT])
@pytest.mark.parametrize(
    ("figures", "config"),
    [
        (
            Figures(),
            ClientConfigResponse(sample_dispatch_bytes_semaphore_size=10, fwdbwd_dispatch_bytes_semaphore_size=10),
        ),
        (Figures(sample_dispatch_bytes=10, train_dispatch_bytes=10), ClientConfigResponse()),
    ],
)
async def test_the_smaller_of_the_servers_budget_and_ours_counts(
    route: Route, figures: Figures, config: ClientConfigResponse, nursery: trio.Nursery
) -> None:
    """Neither can be overdrawn by the other: one that is over the budget passes alone."""
    hold = Hold()
    async with line(hold, figures, config) as transport:
        bodies = [Body(weight_bytes=11) for _ in range(3)]
        for body in bodies:
            nursery.start_soon(transport.send, route, body)
        await trio.testing.wait_all_tasks_blocked()
        assert hold.inside == 1
        assert sorted(body.standing.waits_for for body in bodies) == [
            "room among the requests on their way",
            "room among the requests on their way",
            "the server's answer",
        ]
        hold.open.set()
        await trio.testing.wait_all_tasks_blocked()
        assert hold.inside == 3


async def test_a_budget_is_not_held_between_attempts(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """One request that waits out a Retry-After must not keep the others from being sent."""
    answers = [httpx.Response(503, headers={"retry-after": "50"}), httpx.Response(200), httpx.Response(200)]
    settings = evolve(SETTINGS, figures=evolve(FIGURES, train_dispatch_bytes=1))
    times = list[float]()

    def answer(_: httpx.Request) -> httpx.Response:
        times.append(trio.current_time())
        return answers.pop(0)

    async with open_transport(settings, below=httpx.MockTransport(answer)) as transport:
        patient = evolve(SUBMIT)
        nursery.start_soon(transport.send, patient, first := Body(weight_bytes=100))
        await trio.sleep(1)
        assert (first.standing.waits_for, first.standing.until) == ("the next attempt", 50.0)
        assert (first.standing.attempts, first.standing.last_error) == (1, "answered with 503")
        await transport.send(patient, Body(weight_bytes=100))
        assert times == [0.0, 1.0]
        await trio.sleep(60)
    assert autojump_clock.current_time() == 61


async def test_a_402_during_training_pauses_and_the_servers_limit_ends_it(autojump_clock: MockClock) -> None:
    """As the session's configuration says; the model's order survives the pause."""
    fake = FakeTinker(config={"billing_exception_max_pause_duration_sec": 20})
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("optim_step", *[Say(402)] * 3)
        await trainer.optim_step()
        await trio.sleep(400)
        fake.fail("optim_step", *[Say(402)] * 5)
        with pytest.raises(BillingError, match="check the account's billing"):
            await trainer.optim_step()
        await trainer.optim_step()
    assert fake.models["S0:train:0"].numbers == [1, 2]
    assert autojump_clock.current_time() < 600


async def test_a_submission_outlives_an_outage_of_minutes_with_few_requests(autojump_clock: MockClock) -> None:
    """The breaker asks rarely, the patience lasts, and the number is executed once."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("optim_step", *[LoseAnswer()] * 10)
        await trainer.optim_step()
    assert fake.models["S0:train:0"].numbers == [1]
    assert 30 < autojump_clock.current_time() < 300


async def test_what_is_handed_over_is_what_the_server_said_last(autojump_clock: MockClock) -> None:
    """Not that the breaker was open: the cause is what a person needs."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        fake.fail("get_server_capabilities", *[Say(500, b'{"detail": "disk full"}')] * 20)
        with pytest.raises(InternalServerError, match="disk full") as failed:
            await tinker.get_server_capabilities()
    assert (failed.value.attempts or 0) > 5
    assert autojump_clock.current_time() < 120

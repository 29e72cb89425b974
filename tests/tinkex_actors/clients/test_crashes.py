"""Actors crash at every step of a run, and whoever awaits a result never notices.

The server counts what it carries out and keeps a digest of the weights: every run here must end with the same three steps
and the same digest as a run that nobody disturbed.
"""

from collections.abc import Callable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from supervisors import ActorCrashed, ChildCrashed, ChildNotFound, Event, Name
from tests.tinkex_actors.fake_tinker import (
    FakeTinker,
    Fault,
    LoseAnswer,
    LoseRequest,
    Say,
    a_datum,
    make_trainer,
    open_fake,
)
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.clients import TinkerClient
from tinkex_actors.types import ModelInput

ACTORS = ["session", "heartbeat", "poller", "trainer-0", "roster"]
MOMENTS = ["create_model", "forward_backward", "optim_step", "retrieve_future", "get_info"]
STEPS = 3
Way = Callable[[TinkerClient, str], None]
"""How an actor is made to die, by name."""

Outcome = tuple[list[float], str, list[tuple[int, str]]]
"""The losses, the digest of the weights, and what the server carried out."""


async def run(fake: FakeTinker, disturb: Callable[[TinkerClient, int], None]) -> list[float]:
    """Train three steps, and return the losses; *disturb* is called between submitting a step and awaiting it."""
    losses = list[float]()
    async with open_fake(fake) as tinker:
        disturb(tinker, -1)
        trainer = await make_trainer(tinker)
        for step in range(STEPS):
            gradients = trainer.forward_backward([a_datum()] * (step + 1), "cross_entropy")
            update = trainer.optim_step()
            disturb(tinker, step)
            losses.append((await gradients).metrics["loss:sum"])
            await update
    return losses


def crash(tinker: TinkerClient, name: str) -> None:
    try:
        tinker.crash(name, "on purpose")
    except ChildNotFound:
        return


def kill(tinker: TinkerClient, name: str) -> None:
    try:
        tinker._tree.root.whereis(Name(name, Crashable)).kill()
    except ChildNotFound:
        return


@pytest.fixture(scope="module")
def undisturbed() -> Outcome:
    """What becomes of a run that nobody disturbs."""
    fake = FakeTinker()

    def leave_alone(tinker: TinkerClient, step: int) -> None:
        del tinker, step

    losses = trio.run(run, fake, leave_alone, clock=MockClock(autojump_threshold=0))
    return losses, fake.model.weights, fake.model.executed


@pytest.mark.tinkex("T13")
@pytest.mark.parametrize("way", [crash, kill])
@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("name", ACTORS)
async def test_a_crash_between_two_steps_is_not_noticed(
    name: str, step: int, way: Way, undisturbed: Outcome, autojump_clock: MockClock
) -> None:
    """With both of a step's requests under way, any actor may die, with or without a last word."""
    fake = FakeTinker()
    losses = await run(fake, lambda tinker, now: way(tinker, name) if now == step else None)
    assert (losses, fake.model.weights, fake.model.executed) == undisturbed
    assert len(fake.sessions) == 1
    assert autojump_clock.current_time() < 10


@pytest.mark.parametrize("way", [crash, kill])
@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", ACTORS)
async def test_a_crash_in_the_middle_of_a_request_is_not_noticed(
    name: str, moment: str, side: str, way: Way, undisturbed: Outcome, autojump_clock: MockClock
) -> None:
    """The request in doubt is sent again under its number: carried out once, whether it had arrived or not."""
    fake = FakeTinker()
    tinkers = list[TinkerClient]()

    def strike(route: str) -> None:
        if route == moment and tinkers and len(fake.times[route]) in {1, 3}:
            way(tinkers[0], name)

    setattr(fake, side, strike)

    def remember(tinker: TinkerClient, step: int) -> None:
        del step
        tinkers.append(tinker)

    losses = await run(fake, remember)
    assert (losses, fake.model.weights, fake.model.executed) == undisturbed
    assert autojump_clock.current_time() < 10


WEATHER: list[Fault | None] = [None, LoseRequest(), LoseAnswer(), Say(503)]


@given(
    plan=st.lists(
        st.tuples(st.sampled_from(WEATHER), st.sampled_from([*ACTORS, "nobody"]), st.sampled_from([crash, kill])),
        max_size=30,
    )
)
def test_any_storm_of_crashes_and_faults_ends_as_if_nothing_had_happened(
    plan: list[tuple[Fault | None, str, Way]], undisturbed: Outcome
) -> None:
    """Crashes and lost or refused requests in any mixture: numbers without gaps, every step once."""
    trio.run(ride_out, plan, undisturbed, clock=MockClock(autojump_threshold=0))


async def ride_out(plan: list[tuple[Fault | None, str, Way]], undisturbed: Outcome) -> None:
    fake = FakeTinker()
    tinkers = list[TinkerClient]()

    def strike(route: str) -> None:
        if tinkers and plan:
            fault, victim, way = plan.pop()
            way(tinkers[0], victim)
            if fault is not None:
                fake.fail(route, fault)

    fake.before = strike

    def remember(tinker: TinkerClient, step: int) -> None:
        if step >= 0:
            tinkers.append(tinker)

    with trio.fail_after(1000):
        losses = await run(fake, remember)
    assert fake.model.numbers == list(range(1, 2 * STEPS + 1))
    assert (losses, fake.model.weights, fake.model.executed) == undisturbed


async def test_samples_survive_crashes_of_everything_too(autojump_clock: MockClock) -> None:
    """A sample in doubt is sent again under its number, and an open one is asked for again."""
    fake = FakeTinker(latency=1.0)
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        pendings = [sampler.sample(ModelInput.from_ints([1, 2])) for _ in range(3)]
        for name in ["sampler-0", "poller", "session", "sampler-0", "roster"]:
            await trio.sleep(0.2)
            crash(tinker, name)
        answers = [await pending for pending in pendings]
    assert [answer.sequences[0].sequence_id for answer in answers] == ["Q0-0-0", "Q0-1-0", "Q0-2-0"]
    assert len(fake.samples) == 3
    assert autojump_clock.current_time() < 30


async def test_a_crash_is_an_event_for_whoever_observes(autojump_clock: MockClock) -> None:
    """What users of the results do not notice, operators do: path, life and reason."""
    events = list[Event]()

    class Watching:
        def notify(self, event: Event, /) -> None:
            events.append(event)

    fake = FakeTinker()
    async with open_fake(fake, observers=[Watching()]) as tinker:
        trainer = await make_trainer(tinker)
        trainer.crash("look at me")
        await trainer.optim_step()
        assert "1 restart" in str(tinker.tree())
    (crashed,) = [event for event in events if isinstance(event, ChildCrashed)]
    assert crashed.path == "tinker/session/clients/trainer-0"
    assert "look at me" in str(crashed.exit.error)
    assert not isinstance(crashed.exit.error, ActorCrashed)
    assert autojump_clock.current_time() < 5

"""Every call has exactly one outcome, whatever ends its actor and whenever (rule 4)."""

from typing import Any

import hypothesis.strategies as st
import pytest
import trio
import trio.testing
from hypothesis import given, settings

from supervisors import Actor, ActorCrashed, ActorNotAlive, Ref, RestartLimitExceeded, open_supervisor


class Target(Actor):
    """Takes its calls through every kind of wait."""

    expected_errors = (ValueError,)

    async def act(self, kind: str, first: float, second: float) -> str:
        """Wait in turn, then off turn, then in turn; end as *kind* says."""
        await trio.sleep(first)
        async with self.off_turn():
            await trio.sleep(second)
        await trio.sleep(first)
        match kind:
            case "refuse":
                raise ValueError("no")
            case "crash":
                raise LookupError("bug")
            case "stop":
                self.stop()
            case _:
                pass
        return "done"


Step = tuple[str, float, float, float]

times = st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0])
calls = st.lists(
    st.tuples(st.sampled_from(["done", "done", "refuse", "crash", "stop"]), times, times, times), min_size=1, max_size=8
)
blows = st.lists(st.tuples(st.sampled_from(["kill", "stop", "drain"]), times), max_size=3)
patience = st.sampled_from([0.15, 0.25, 100.0])

OUTCOMES = {"done", "ValueError", "ActorCrashed", "ActorNotAlive", "TooSlowError"}


async def call_once(ref: Ref[Target], step: Step, limit: float, outcomes: list[str]) -> None:
    """One call with a limit, at its time; note its one outcome."""
    kind, start, first, second = step
    await trio.sleep(start)
    try:
        with trio.fail_after(limit):
            outcomes.append(await ref.call(Target.act, kind, first, second))
    except (ValueError, ActorCrashed, ActorNotAlive, trio.TooSlowError) as error:
        outcomes.append(type(error).__name__)


async def strike(ref: Ref[Target], blow: str, at: float) -> None:
    """End the life in one of the ways from outside."""
    await trio.sleep(at)
    if blow == "kill":
        ref.kill()
        return
    with trio.move_on_after(50):
        try:
            await ref.stop(drain=blow == "drain")
        except ActorNotAlive:
            return


@pytest.mark.parametrize("restart", ["permanent", "temporary"])
@settings(max_examples=min(settings().max_examples, 500))  # each is a trio run of many tasks
@given(steps=calls, blows=blows, limit=patience)
def test_every_call_has_exactly_one_outcome(
    restart: str, steps: list[Step], blows: list[tuple[str, float]], limit: float
) -> None:
    """Crashes, kills, stops, drains and impatient callers, at every point of an operation: never none, never two."""
    outcomes: list[str] = []

    async def program() -> None:
        async with open_supervisor(max_restarts=1000) as root:
            ref = await root.start_child(Target, restart=restart)
            async with trio.open_nursery() as nursery:
                for step in steps:
                    nursery.start_soon(call_once, ref, step, limit, outcomes)
                for blow, at in blows:
                    nursery.start_soon(strike, ref, blow, at)

    trio.run(program, clock=trio.testing.MockClock(autojump_threshold=0))
    assert len(outcomes) == len(steps)
    assert set(outcomes) <= OUTCOMES


@settings(max_examples=min(settings().max_examples, 500))  # each is a trio run of many tasks
@given(steps=calls, limit=st.integers(0, 3))
def test_no_call_hangs_when_the_supervisor_gives_up(steps: list[Step], limit: int) -> None:
    """The budget may run out anywhere."""
    outcomes: list[str] = []

    async def program() -> None:
        async with trio.open_nursery() as nursery:
            try:
                async with open_supervisor(max_restarts=limit) as root:
                    ref = await root.start_child(Target)
                    for step in steps:
                        nursery.start_soon(call_once, ref, step, 100.0, outcomes)
                    await trio.sleep(50)
            except RestartLimitExceeded:
                pass

    trio.run(program, clock=trio.testing.MockClock(autojump_threshold=0))
    assert len(outcomes) == len(steps)
    assert set(outcomes) <= OUTCOMES


def test_the_values_are_those_of_their_own_calls() -> None:
    """No stray answer: what comes back belongs to what was asked."""

    class Echo(Actor):
        async def echo(self, value: Any, wait: float) -> Any:
            async with self.off_turn():
                await trio.sleep(wait)
            return value

    async def ask(ref: Ref[Echo], number: int) -> None:
        with trio.move_on_after(0.5 if number % 3 else 5):
            assert await ref.call(Echo.echo, number, (number * 7 % 10) / 10) == number

    async def program() -> None:
        async with open_supervisor() as root:
            ref = await root.start_child(Echo)
            async with trio.open_nursery() as nursery:
                for number in range(300):
                    nursery.start_soon(ask, ref, number)

    trio.run(program, clock=trio.testing.MockClock(autojump_threshold=0))

"""Disturbing somebody's tree: a sound one passes, and whatever is wrong with one is found and can be had again."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from supervisors import Actor, AutoShutdown, Backoff, ChildSpec, Name, StartError, SupervisorSpec
from supervisors.testing import (
    Ask,
    BrokenLaw,
    Crash,
    Disturbance,
    FailStarts,
    Finish,
    Kill,
    Revive,
    Terminate,
    TreeMachine,
    Wait,
    disturb,
)

SEARCH = settings(
    max_examples=300, stateful_step_count=20, deadline=None, phases=[Phase.generate], derandomize=True, database=None
)
"""Find it, do not shrink it."""


class Till(Actor):
    """Needs time for everything."""

    async def on_start(self) -> None:
        await trio.sleep(0.1)

    async def on_stop(self, _: object, /) -> None:
        await trio.sleep(0.2)


class Idle(Actor):
    """Needs no time for anything."""


def make_shop() -> SupervisorSpec:
    """Every strategy, a crowd, names, pauses and an end that matters."""
    return SupervisorSpec(
        "shop",
        children=[
            ChildSpec(Idle, name=Name("stock", Idle)),
            SupervisorSpec(
                "tills",
                children=[ChildSpec(Till, name=Name(f"till-{n}", Till)) for n in range(3)],
                strategy="rest_for_one",
                max_restarts=2,
            ),
            SupervisorSpec(
                "office",
                children=[ChildSpec(Till, name="a"), ChildSpec(Idle, name="b", restart="transient", significant=True)],
                strategy="one_for_all",
                auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
                restart="transient",
            ),
            SupervisorSpec("crowd", children=[ChildSpec(Idle, restart="temporary")] * 3, dynamic=True),
            ChildSpec(Till, name="clock", backoff=Backoff(initial=0.5)),
        ],
        max_restarts=4,
    )


class ShopMachine(TreeMachine):
    """As a user writes it."""

    def make_spec(self) -> SupervisorSpec:
        return make_shop()


TestShop = ShopMachine.TestCase
TestShop.settings = settings(stateful_step_count=20)

EVERYTHING: list[Disturbance] = [
    Crash(0),
    Ask(1),
    Kill(2),
    Wait(0.05),
    FailStarts(1, 1),
    Finish(3),
    Terminate(2),
    Ask(2),
    Revive(2),
    Wait(9),
]


def test_disturbances_are_had_again_by_their_list() -> None:
    """Two runs, one log; and the log shows what happened."""
    logs = [disturb(make_shop(), EVERYTHING).lines for _ in range(2)]
    assert logs[0] == logs[1]
    assert sum("RestartScheduled" in line for line in logs[0]) >= 2


def test_who_is_ordered_out_of_a_group_and_up_again_waits_for_nobody() -> None:
    """No law is broken by what the operator wants."""
    disturb(make_shop(), [Kill(15), Terminate(7), Revive(7)])


def test_a_tree_that_does_not_start_is_told_at_once() -> None:
    """It needs no disturbance."""

    class Broken(Actor):
        async def on_start(self) -> None:
            raise LookupError

    with pytest.raises(StartError):
        disturb(SupervisorSpec("root", children=[ChildSpec(Broken, name="a")]), [])


def test_a_tree_that_never_comes_to_rest_is_found() -> None:
    """An actor that starts for ever after a crash."""
    lives: list[int] = []

    class Stuck(Actor):
        async def on_start(self) -> None:
            lives.append(1)
            if len(lives) > 1:
                await trio.sleep_forever()

    spec = SupervisorSpec("root", children=[ChildSpec(Stuck, name="a")])
    with pytest.raises(BrokenLaw, match="60 s after the last disturbance, not at rest: root/a"):
        disturb(spec, [Crash(0)], patience=60)


def test_an_actors_own_assertion_is_a_broken_law() -> None:
    """What only its author knows to be wrong."""
    lives: list[int] = []

    class Once(Actor):
        async def on_start(self) -> None:
            lives.append(1)
            assert len(lives) < 3, "a third life"

    spec = SupervisorSpec("root", children=[ChildSpec(Once, name="a")], max_restarts=10)
    with pytest.raises(BrokenLaw, match="root/a failed an assertion: AssertionError: a third life"):
        disturb(spec, [Crash(0), Crash(0)])


def test_an_actor_that_never_ends_is_named_instead_of_waited_for() -> None:
    """A clean-up behind a shield that waits for ever: nothing can cancel it, and virtual time has no end."""

    class Stubborn(Actor):
        async def work(self) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep_forever()

        async def on_start(self) -> None:
            self.ref.cast_nowait(Stubborn.work)

    spec = SupervisorSpec("root", children=[ChildSpec(Stubborn, name="a")])
    with pytest.raises(BrokenLaw, match=r"root/a is there \d+ s after it was killed, in .* in work > .*sleep_forever"):
        disturb(spec, [Wait(1), Kill(0)], patience=1)


def no(*_: Any) -> bool:
    """A wrong answer."""
    return False


def yes(*_: Any) -> bool:
    """The other wrong answer."""
    return True


PLANTED: dict[str, tuple[str, Callable[..., bool], str]] = {
    "crashed children are not restarted": ("supervisors._restart.wants_restart", no, "crashed and was not restarted"),
    "there is no limit": ("supervisors._restart.RestartWindow.admits", yes, "beyond its limit"),
    "there is too much of a limit": ("supervisors._restart.RestartWindow.admits", no, "gave up below its limit"),
    "names are not freed": ("supervisors._runtime.Runtime.release", no, "names are not free"),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Laws that cannot be broken prove nothing."""
    target, wrong, words = PLANTED[bug]
    monkeypatch.setattr(target, wrong)
    with pytest.raises(BrokenLaw, match=words):
        run_state_machine_as_test(ShopMachine, settings=SEARCH)


def test_a_machine_without_a_tree_says_what_it_needs() -> None:
    """The only thing to write."""
    with pytest.raises(TypeError, match="needs a method make_spec"):
        TreeMachine().make_spec()

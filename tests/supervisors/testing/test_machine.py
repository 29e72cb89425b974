"""The supervisor against its model, and the model's power to find what is wrong."""

import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import Phase as Step
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from supervisors import testing
from supervisors.testing import SupervisorMachine

TestSupervisor = SupervisorMachine.TestCase
TestSupervisor.settings = settings(stateful_step_count=30)

SEARCH = settings(
    max_examples=500, stateful_step_count=25, deadline=None, phases=[Step.generate], derandomize=True, database=None
)
"""Find it, do not shrink it."""


def yes(*_: Any) -> bool:
    """A wrong answer."""
    return True


def no(*_: Any) -> bool:
    """The other wrong answer."""
    return False


def only_stop(team: Any, _: object) -> None:
    """Give up without saying so."""
    team.order_stop()


async def start_without_listing(team: Any, slots: Iterable[Any]) -> None:
    """Start them in order, and let nobody know who comes next."""
    for slot in tuple(slots):
        await team.begin_attended(slot)


PLANTED: dict[str, tuple[str, Callable[..., Any]]] = {
    "finished children are restarted": ("supervisors._restart.wants_restart", yes),
    "crashed children are not restarted": ("supervisors._restart.wants_restart", no),
    "there is no limit": ("supervisors._restart.RestartWindow.admits", yes),
    "nobody is forgotten": ("supervisors._team.Team._keeps", yes),
    "a terminated child leaves its group waiting": ("supervisors._group_restart.GroupRestart.is_awaiting", no),
    "starts are not cancelled": ("supervisors._team.Team.cancel_start", no),
    "orders overtake a supervisor's start": ("supervisors._team.Team.start_all", start_without_listing),
    "a supervisor below gives up in silence": ("supervisors._team.Team._give_up", only_stop),
    "a restarted supervisor keeps who was not declared": ("supervisors._team.Team._forget_strangers", no),
    "a failed start of a supervisor is no end of it": ("supervisors._team.Team._tell_start", no),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that cannot fail proves nothing: each of these must make it."""
    target, wrong = PLANTED[bug]
    monkeypatch.setattr(target, wrong)
    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(SupervisorMachine, settings=SEARCH)


def test_hypothesis_is_imported_only_for_the_machine() -> None:
    """A program that uses the package in production has no test library in it."""
    code = (
        "import sys, supervisors.testing as t; assert 'hypothesis' not in sys.modules;"
        "t.SupervisorMachine; assert 'hypothesis' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="no attribute 'Machine'"):
        _ = testing.Machine

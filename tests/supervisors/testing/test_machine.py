"""The supervisor against its model, and the model's power to find what is wrong."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase as Step
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from supervisors import testing
from supervisors.testing import SupervisorMachine

TestSupervisor = SupervisorMachine.TestCase

SEARCH = settings(max_examples=300, deadline=None, phases=[Step.generate], derandomize=True, database=None)
"""Find it, do not shrink it."""


def yes(*_: Any) -> bool:
    """A wrong answer."""
    return True


def no(*_: Any) -> bool:
    """The other wrong answer."""
    return False


PLANTED: dict[str, tuple[str, Callable[..., bool]]] = {
    "finished children are restarted": ("supervisors._restart.wants_restart", yes),
    "crashed children are not restarted": ("supervisors._restart.wants_restart", no),
    "there is no limit": ("supervisors._restart.RestartWindow.admits", yes),
    "nobody is forgotten": ("supervisors._team.Team._keeps", yes),
    "a terminated child leaves its group waiting": ("supervisors._group_restart.GroupRestart.is_awaiting", no),
    "starts are not cancelled": ("supervisors._team.Team.cancel_start", no),
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

"""The supervisor against its model, and the model's power to find what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from supervisors import testing
from supervisors.testing import SupervisorMachine
from tests.supervisors.testing.planted import PLANTED

ROOT = Path(__file__).parents[3]

TestSupervisor = SupervisorMachine.TestCase
TestSupervisor.settings = settings(stateful_step_count=30)


@pytest.fixture(scope="module")
def found() -> list[str]:
    """The planted bugs that the machine has found."""
    search = subprocess.run(
        [sys.executable, "-m", "tests.supervisors.testing.planted"],
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        cwd=ROOT,
        check=True,
    )
    return search.stdout.splitlines()


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str, found: list[str]) -> None:
    """A machine that cannot fail proves nothing: each of these must make it."""
    assert bug in found


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

"""Our own trees, searched: ``make simulate SEEDS=1000``; a slice of 20 seeds in every run of the suite."""

import os

import pytest

from supervisors.testing import Faults, simulate
from tests.supervisors.simulation.trees import TREES

SEEDS = int(os.environ.get("SEEDS", "20"))

STORM = Faults(crash=0.08, kill=0.04, delay=0.15, max_delay=0.3, fail_restart=0.2, cancel=0.004, most=12)


@pytest.mark.parametrize("name", sorted(TREES))
def test_a_tree_keeps_its_promises_whatever_goes_wrong(name: str) -> None:
    """The order of tasks and the faults are the seed's; a failure names the seed and the fewest faults."""
    injected = sum(len(simulate(TREES[name], seed=seed, faults=STORM, limit=600).faults) for seed in range(SEEDS))

    assert injected, "a search that injects nothing finds nothing"

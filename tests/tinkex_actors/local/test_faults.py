"""Which requests go wrong."""

from pathlib import Path

import pytest

from tinkex_actors.local.faults import Fault, FaultKind, FaultPlan


def kinds(plan: FaultPlan, *requests: str) -> list[str]:
    """What goes wrong with each of some requests."""
    decided = [plan.decide(*request.split(" ", 1)) for request in requests]
    return ["" if fault is None else fault.kind for fault in decided]


def test_a_fault_strikes_its_route_after_some_and_so_often() -> None:
    """The third and fourth step fail; everything else passes."""
    plan = FaultPlan([Fault(kind=FaultKind.DROP, route="POST optim_*", skip=2, count=2)])
    step, other = "POST optim_step", "POST asample"
    assert kinds(plan, step, other, step, step, step, step) == ["", "", "", "drop", "drop", ""]
    assert plan.struck == {0: 2}


def test_chance_is_repeatable() -> None:
    """The same seed goes wrong in the same way."""
    runs = [kinds(FaultPlan([Fault(kind=FaultKind.STATUS, chance=0.5)], 7), *["GET x"] * 50) for _ in range(2)]
    assert runs[0] == runs[1]
    assert 10 < runs[0].count("status") < 40


def test_the_first_fault_that_strikes_wins() -> None:
    """Later ones do not even count the request."""
    plan = FaultPlan([Fault(kind=FaultKind.DELAY, count=1), Fault(kind=FaultKind.DROP, skip=1)])
    assert kinds(plan, "GET x", "GET x", "GET x") == ["delay", "", "drop"]


def test_a_plan_is_read_from_a_file(tmp_path: Path) -> None:
    """Written by hand, so what is wrong is named."""
    path = tmp_path / "plan.toml"
    path.write_text('seed = 3\n[[fault]]\nroute = "POST *"\nkind = "delay"\nseconds = 0.5\n')
    plan = FaultPlan.read(path)
    assert (plan.seed, plan.faults) == (3, [Fault(kind=FaultKind.DELAY, route="POST *", seconds=0.5)])


@pytest.mark.parametrize("text", ["x", '[[fault]]\nkind = "no"', '[[fault]]\nkind = "drop"\ncount = 0', "[[fault]]"])
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    """With its name and the reason."""
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"plan\.toml: expected a plan of faults"):
        FaultPlan.read(path)

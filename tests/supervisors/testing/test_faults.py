"""What a seed picks, and how a fault is written."""

import pytest

from supervisors.testing import Fault, FaultKind, Faults
from supervisors.testing._faults import Listed


def test_a_fault_is_written_as_it_is_to_be_typed_in() -> None:
    """The report of a failure is copied into a test."""
    fault = Fault("root/a", 3, "crash before")

    assert repr(fault) == "Fault(path='root/a', number=3, kind='crash before', seconds=0.0)"
    assert eval(repr(fault)) == fault  # noqa: S307 - that is the promise


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault("root/a", 3, "delay", 0.5), "delay of 0.5 s at message 3 of root/a"),
        (Fault("root/a", 2, "fail start"), "fail start at life 2 of root/a"),
        (Fault("root/a", 1, "kill"), "kill at message 1 of root/a"),
    ],
)
def test_a_fault_says_what_it_is(fault: Fault, text: str) -> None:
    """It stands in logs and in tracebacks."""
    assert str(fault) == text


def test_every_message_has_its_own_dice() -> None:
    """Whether it fails must not depend on what happened before, or taking a fault away would change the others."""
    plan = Faults(crash=0.5).plan(seed=1)
    forward = [plan.at_message("root/a", number) for number in range(1, 20)]
    backward = [plan.at_message("root/a", number) for number in range(19, 0, -1)]

    assert forward == backward[::-1]
    assert 0 < sum(fault is not None for fault in forward) < 19


def test_chances_are_kept() -> None:
    """About as many faults of each kind as was asked for."""
    plan = Faults(crash=0.2, kill=0.1, delay=0.3, cancel=0.1).plan(seed=3)
    kinds = [fault.kind for number in range(1, 4001) if (fault := plan.at_message("root/a", number)) is not None]

    shares = {kind: round(kinds.count(kind) / 4000, 1) for kind in set(kinds)}
    assert shares == {
        FaultKind.CRASH_BEFORE: 0.1, FaultKind.CRASH_AFTER: 0.1, FaultKind.KILL: 0.1, FaultKind.DELAY: 0.3,
        FaultKind.CANCEL: 0.1,
    }  # fmt: skip


def test_first_starts_and_restarts_have_chances_of_their_own() -> None:
    """A program that cannot start shows nothing of how it recovers."""
    plan = Faults(fail_restart=1.0).plan(seed=1)

    assert plan.at_start("root/a", 1) is None
    assert plan.at_start("root/a", 2) == Fault("root/a", 2, "fail start")


def test_faults_keep_to_the_children_they_are_for() -> None:
    """To hurt the workers and spare the journal."""
    plan = Faults(crash=1.0, fail_restart=1.0, paths="root/workers/*").plan(seed=1)

    assert plan.at_message("root/workers/a", 1) is not None
    assert plan.at_message("root/journal", 1) is None
    assert plan.at_start("root/journal", 2) is None


def test_listed_faults_happen_where_they_say() -> None:
    """Message 2 and life 2 are different points."""
    crash, start = Fault("root/a", 2, "kill"), Fault("root/a", 2, "fail start")
    plan = Listed([crash, start])

    assert (plan.at_message("root/a", 2), plan.at_start("root/a", 2)) == (crash, start)
    assert (plan.at_message("root/a", 1), plan.at_start("root/b", 2)) == (None, None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fault("root/a", 0, "kill"), "number must be >= 1, got 0"),
        (lambda: Fault("root/a", 1, "explode"), "kind must be one of 'crash before', .*, got 'explode'"),
        (lambda: Fault("root/a", 1, "delay", -1), "seconds must be seconds >= 0, got -1"),
        (lambda: Faults(crash=1.5), r"crash must be a chance within \[0, 1\], got 1.5"),
        (lambda: Faults(crash=0.6, delay=0.6), "must not exceed 1 together, got 1.2"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(make: object, message: str) -> None:
    """At the door, not in the middle of a run."""
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()

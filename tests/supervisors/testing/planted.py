"""Bugs planted into the runtime, and the search that must find each: ``python -m tests.supervisors.testing.planted``.

A process of its own, since hypothesis draws from the constants of whatever modules are imported: here the search is the same
whichever tests ran before. It says which bugs it found, a line each.
"""

from collections.abc import Callable, Iterable
from typing import Any
from unittest.mock import patch

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from supervisors.testing import SupervisorMachine

SEARCH = settings(
    max_examples=10_000,
    stateful_step_count=25,
    deadline=None,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
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


def is_found(bug: str) -> bool:
    """Plant *bug*, and say whether the machine fails for it."""
    target, wrong = PLANTED[bug]
    with patch(target, wrong):
        try:
            run_state_machine_as_test(SupervisorMachine, settings=SEARCH)
        except (AssertionError, ExceptionGroup):
            return True
    return False


if __name__ == "__main__":
    print(*filter(is_found, PLANTED), sep="\n")
    # Nothing that was planted is left behind: the next would be found for it.
    run_state_machine_as_test(SupervisorMachine, settings=settings(SEARCH, max_examples=50))

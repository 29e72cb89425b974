"""Doing a program to a real supervisor, and noticing what must never happen."""

from typing import Any

import pytest

from supervisors import ExitKind, Restart, StartError, Strategy, open_supervisor
from supervisors.testing import BrokenLaw
from supervisors.testing._perform import Player, Role, perform
from supervisors.testing._program import (
    Advance,
    Call,
    ChangePlan,
    End,
    Program,
    TerminateChild,
    agree,
    predict,
)
from supervisors.testing._table import Plan, StartChild

CHILD = StartChild("a", Restart.PERMANENT, 1.0, Plan())
CRASH = End("a", ExitKind.CRASHED)


def program(*commands: Any) -> Program:
    """Of a one_for_one supervisor."""
    return Program(Strategy.ONE_FOR_ONE, 3, 5.0, commands)


def broken_law(error: BaseException) -> str:
    """The law that was broken, wherever in groups and causes it is told."""
    if isinstance(error, BrokenLaw):
        return str(error)
    inner = [*getattr(error, "exceptions", ()), error.__cause__, error.__context__]
    return next((law for cause in inner if cause is not None and (law := broken_law(cause))), "")


def test_a_program_goes_as_predicted() -> None:
    """With everything that takes time and everything that fails."""
    steps = program(
        CHILD,
        ChangePlan("a", Plan(start_takes=0.7, stop_takes=0.3, failing_starts=1, stop_fails=True)),
        Call("a"),
        CRASH,
        Call("a"),
        Advance(0.9),
        Advance(5.1),
        TerminateChild("a"),
        Call("a"),
    )
    assert agree(predict(steps), perform(steps))


def test_a_program_that_ends_in_giving_up_goes_as_predicted() -> None:
    """The pictures end with the supervisor."""
    steps = program(CHILD, ChangePlan("a", Plan(failing_starts=9)), CRASH, CRASH)
    record = perform(steps)
    assert record.has_given_up
    assert agree(predict(steps), record)


def undone(*_: Any) -> None:
    """A bug: what should be done is not."""


PLANTED = [
    ("supervisors._reply.Request.answer", "the call of command 1 was never answered"),
    ("supervisors._runtime.Runtime.release", "the name of a is not free"),
    ("supervisors._runtime.Runtime.reserve", "root/a is listed, and its name finds None"),
]


@pytest.mark.parametrize(("target", "law"), PLANTED)
def test_a_broken_law_is_told(target: str, law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each law has its own words; without them nobody would look there."""
    monkeypatch.setattr(target, undone)
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - what is inside is looked at
        perform(program(CHILD, Call("a"), TerminateChild("a")))
    assert broken_law(caught.value) == law


def test_a_life_whose_end_is_not_noted_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its supervisor would wait for ever, and virtual time has no end."""
    monkeypatch.setattr("supervisors._slot.Slot.life_ended", undone)
    with pytest.raises(BrokenLaw, match=r"root/a is there \d+ s after it was killed"):
        perform(program(CHILD, TerminateChild("a")))


async def test_two_lives_of_one_child_break_a_law() -> None:
    """A child that begins while it lives knows it by itself, whatever its supervisor believes."""
    role = Role("a", Plan(), [])
    async with open_supervisor() as root:
        await root.start_child(lambda: Player(role))
        with pytest.raises(StartError) as caught:
            await root.start_child(lambda: Player(role))
    assert broken_law(caught.value) == "a has two lives"

"""The model says what OTP's cases say: it is only worth as much as that."""

import itertools

import pytest

from supervisors import ExitKind, Restart, Strategy
from supervisors.testing._perform import perform
from supervisors.testing._program import (
    Advance,
    Call,
    ChangePlan,
    Command,
    DeleteChild,
    End,
    Program,
    Record,
    RestartChild,
    TerminateChild,
    agree,
    explain,
    predict,
)
from supervisors.testing._table import Plan, StartChild, StartTeam, list_odd_times

ONE, ALL, REST = Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE


def begin(child: str, plan: Plan | None = None, *, restart: Restart = Restart.PERMANENT) -> StartChild:
    """A child with a second to stop."""
    return StartChild(child, restart, 1.0, plan or Plan())


def run(strategy: Strategy, *commands: Command, max_restarts: int = 4) -> Record:
    """What the model predicts."""
    return predict(Program(strategy, max_restarts, 5.0, commands))


def crash(child: str) -> End:
    return End(child, ExitKind.CRASHED)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (ONE, ["b stops", "b starts"]),
        (ALL, ["b stops", "c stops", "a stops", "a starts", "b starts", "c starts"]),
        (REST, ["b stops", "c stops", "b starts", "c starts"]),
    ],
)
def test_each_strategy_replaces_whom_it_should(strategy: Strategy, expected: list[str]) -> None:
    """Ends in reverse order, then starts in order."""
    record = run(strategy, begin("a"), begin("b"), begin("c"), crash("b"))
    assert list(record.pictures[-1].diary[3:]) == expected


@pytest.mark.parametrize(("strategy", "starts_of_a"), [(ALL, 3), (REST, 2)])
def test_a_failing_restart_of_a_sibling(strategy: Strategy, starts_of_a: int) -> None:
    """One for all starts over with all, rest for one goes on from the child that failed."""
    fail = ChangePlan("b", Plan(failing_starts=1))
    record = run(strategy, begin("a"), begin("b"), fail, crash("a"))
    assert record.pictures[-1].diary.count("a starts") == starts_of_a
    assert [row[:2] for row in record.pictures[-1].children] == [("a", "running"), ("b", "running")]


def test_the_limit_is_reached_by_attempts() -> None:
    """Three restarts allowed, each fails: three attempts after the first start."""
    fail = ChangePlan("a", Plan(failing_starts=100))
    record = run(ONE, begin("a"), fail, crash("a"), max_restarts=3)
    assert record.has_given_up
    assert record.diary == ("a starts", "a stops", "a fails", "a fails", "a fails")


def test_what_was_terminated_stays_down_and_what_finished_comes_back() -> None:
    """The deliberate difference D-9."""
    record = run(
        ALL,
        begin("a"),
        begin("b", restart=Restart.TRANSIENT),
        begin("c"),
        End("b", ExitKind.NORMAL),
        TerminateChild("c"),
        crash("a"),
    )
    assert [row[:2] for row in record.pictures[-1].children] == [("a", "running"), ("b", "running"), ("c", "down")]


def test_orders_are_answered_by_the_state_of_the_child() -> None:
    """Running, down, gone."""
    record = run(
        ONE, begin("a"), RestartChild("a"), TerminateChild("a"), begin("a"), RestartChild("a"), DeleteChild("b")
    )
    assert dict(record.answers) == {
        0: "ok", 1: "ChildRunning", 2: "ok", 3: "AlreadyPresent", 4: "ok", 5: "ChildNotFound",
    }  # fmt: skip


def test_a_child_out_of_its_budget_is_killed() -> None:
    """A second is allowed, two are needed: nothing is written in the diary, and the stop takes one."""
    record = run(ONE, begin("a", Plan(stop_takes=2.0)), Advance(10.0))
    assert (record.diary, record.seconds) == (("a starts",), 11.0)


def test_only_certain_replies_are_predicted() -> None:
    """A running child answers, one that is down does not, and between two lives either may happen."""
    slow = ChangePlan("a", Plan(start_takes=1.0))
    record = run(ONE, begin("a"), Call("a"), slow, crash("a"), Call("a"), Advance(2.0), TerminateChild("a"), Call("a"))
    assert record.replies == {1: "ok", 7: "ActorNotAlive"}


def test_nothing_is_predicted_of_a_child_that_never_lived() -> None:
    """It was ordered down while the one before it was still starting: nobody has its address yet."""
    below = (begin("ta", Plan(start_takes=0.5)), begin("tb"))
    team = StartTeam("t", Restart.PERMANENT, ONE, 0, 1.0, below)
    program = Program(ONE, 3, 5.0, (team, TerminateChild("tb", "t"), Call("tb")))
    assert predict(program).replies == {}
    assert agree(predict(program), perform(program))


def test_a_departure_is_explained_at_its_first_command() -> None:
    """The reader wants the first difference, with the command that made it."""
    program = Program(ONE, 3, 5.0, (begin("a"), begin("b")))
    expected = predict(program)
    got = predict(Program(ONE, 3, 5.0, (begin("a"), begin("b", Plan(start_takes=1.0)))))
    assert not agree(expected, got)
    assert explain(program, expected, got).startswith("after command 1, StartChild(child='b'")
    assert "at the end" in explain(program, expected, expected)


def test_odd_times_never_meet() -> None:
    """No sum of two is a third one: otherwise two things could be due at once."""
    times = list(itertools.islice(list_odd_times(), 60))
    sums = {round(a + b, 12) for a, b in itertools.combinations(times, 2)}
    assert len(sums) == 60 * 59 // 2
    assert not sums & {round(time, 12) for time in times}

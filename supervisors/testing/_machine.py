"""A supervisor under random orders, faults and delays, beside its model: a hypothesis state machine.

The rules write a program and ask the model which of them make sense now; at the end the program is done to a real
supervisor, and every picture of it is compared with the model's. So a whole example is one trio run, and a failing one
shrinks to few commands and prints a program that repeats it.

Needs hypothesis, which nothing else of this package does.
"""

from collections.abc import Iterator

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from supervisors._exit import ExitKind
from supervisors._spec import Restart, Strategy
from supervisors.testing._model import Phase, Plan, SupervisorModel, list_odd_times
from supervisors.testing._perform import perform
from supervisors.testing._program import (
    Advance,
    Call,
    ChangePlan,
    Command,
    DeleteChild,
    End,
    Program,
    RestartChild,
    StartChild,
    TerminateChild,
    agree,
    apply,
    explain,
    predict,
)

CHILDREN = st.sampled_from("abcd")
RESTARTS = st.sampled_from(Restart)
DELAYS = st.sampled_from([0.0, 0.0, 0.5, 2.0])
BUDGETS = st.sampled_from([1.0, 1.0, 4.0, None])
FAILURES = st.sampled_from([0, 0, 0, 1, 2])
ORDERS = st.sampled_from([TerminateChild, RestartChild, DeleteChild])
STRATEGIES = st.sampled_from([Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL])
LIMITS = st.sampled_from([0, 1, 3, 6, 20])
PAUSES = st.sampled_from([0.3, 1.0, 3.0, 10.0])


class SupervisorMachine(RuleBasedStateMachine):
    """Run it by ``TestSupervisor = SupervisorMachine.TestCase``.

    A subclass may add rules that call :meth:`then` with commands of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._odd_times: Iterator[float] = list_odd_times()
        self._commands: list[Command] = []
        self.program = Program(Strategy.ONE_FOR_ONE, 3, 5.0)
        self.model = SupervisorModel(Strategy.ONE_FOR_ONE, 3, 5.0)

    def then(self, command: Command) -> None:
        """Add a command to the program, and tell the model of it."""
        if self.model.is_open:
            apply(self.model, len(self._commands), command)
            self._commands.append(command)

    def at_an_odd_time(self, seconds: float) -> float:
        """A little more than *seconds*: no two things may be due at once, for either might come first then."""
        return seconds + next(self._odd_times) if seconds else 0.0

    @initialize(
        strategy=STRATEGIES,
        max_restarts=LIMITS,
        max_seconds=st.sampled_from([1.0, 5.0]),
        restarts=st.lists(RESTARTS, min_size=1, max_size=4),
    )
    def open(self, strategy: Strategy, max_restarts: int, max_seconds: float, restarts: "list[Restart]") -> None:
        """Choose the supervisor and its first children."""
        odd_seconds = self.at_an_odd_time(max_seconds)
        self.program = Program(strategy, max_restarts, odd_seconds)
        self.model = SupervisorModel(strategy, max_restarts, odd_seconds)
        for child, restart in zip("abcd", restarts, strict=False):
            self.then(StartChild(child, restart, self.at_an_odd_time(1.0), Plan()))

    @precondition(lambda self: self.model.is_open)
    @rule(child=CHILDREN, restart=RESTARTS, budget=BUDGETS, start=DELAYS, stop=DELAYS, failures=FAILURES)
    def start(
        self, child: str, restart: Restart, budget: float | None, start: float, stop: float, failures: int
    ) -> None:
        """Start a child, or be refused."""
        shutdown = None if budget is None else self.at_an_odd_time(budget)
        plan = Plan(self.at_an_odd_time(start), self.at_an_odd_time(stop), failures)
        self.then(StartChild(child, restart, shutdown, plan))

    @precondition(lambda self: self.model.is_open and self.model.children)
    @rule(child=CHILDREN, command=ORDERS)
    def order_any(self, child: str, command: "type[TerminateChild | RestartChild | DeleteChild]") -> None:
        """Order a child about that is there or not."""
        self.then(command(child))

    @precondition(lambda self: self.model.is_open and self.busy())
    @rule(data=st.data(), command=ORDERS)
    def order_busy(self, data: st.DataObject, command: "type[TerminateChild | RestartChild | DeleteChild]") -> None:
        """Order a child about that is between two states."""
        self.then(command(data.draw(st.sampled_from(self.busy()))))

    @precondition(lambda self: self.model.is_open and self.able())
    @rule(data=st.data(), kind=st.sampled_from([ExitKind.NORMAL, ExitKind.CRASHED, ExitKind.CRASHED, ExitKind.KILLED]))
    def end(self, data: st.DataObject, kind: ExitKind) -> None:
        """A child that is there ends by itself."""
        self.then(End(data.draw(st.sampled_from(self.able())), kind))

    @precondition(lambda self: self.model.is_open and self.able())
    @rule(data=st.data(), start=DELAYS, failures=st.sampled_from([1, 2, 4]))
    def crash_into_a_bad_start(self, data: st.DataObject, start: float, failures: int) -> None:
        """A child crashes, and its next starts fail."""
        child = data.draw(st.sampled_from(self.able()))
        self.then(ChangePlan(child, Plan(self.at_an_odd_time(start), 0.0, failures)))
        self.then(End(child, ExitKind.CRASHED))

    @precondition(lambda self: self.model.is_open and self.model.children)
    @rule(data=st.data(), start=DELAYS, stop=DELAYS, failures=FAILURES, stop_fails=st.booleans())
    def change_plan(self, data: st.DataObject, start: float, stop: float, failures: int, *, stop_fails: bool) -> None:
        """A child will start and stop otherwise."""
        child = data.draw(st.sampled_from(sorted(self.model.children)))
        plan = Plan(self.at_an_odd_time(start), self.at_an_odd_time(stop), failures, stop_fails)
        self.then(ChangePlan(child, plan))

    @precondition(lambda self: self.model.is_open and self.model.children)
    @rule(child=CHILDREN)
    def call(self, child: str) -> None:
        """Ask a child something, whatever it is doing."""
        self.then(Call(child))

    @rule(seconds=PAUSES)
    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.then(Advance(self.at_an_odd_time(seconds)))

    def able(self) -> list[str]:
        """Who can end now."""
        return sorted(child.id for child in self.model.children.values() if child.phase is Phase.RUNNING)

    def busy(self) -> list[str]:
        """Who is neither simply up nor simply down."""
        model = self.model
        return sorted(c.id for c in model.children.values() if model.status(c) not in {"running", "down"})

    def teardown(self) -> None:
        """Do the program to a real supervisor, and compare."""
        program = Program(
            self.program.strategy, self.program.max_restarts, self.program.max_seconds, tuple(self._commands)
        )
        expected, got = predict(program), perform(program)
        if not agree(expected, got):
            raise AssertionError(f"{explain(program, expected, got)}\nrepeated by perform({program})")

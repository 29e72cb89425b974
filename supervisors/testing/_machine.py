"""A tree of supervisors under random orders, faults and delays, beside its model: a hypothesis state machine.

The rules write a program and ask the model which of them make sense now; at the end the program is done to a real
supervisor, and every picture of it is compared with the model's. So a whole example is one trio run, and a failing one
shrinks to few commands and prints a program that repeats it.

Needs hypothesis, which nothing else of this package does.
"""

from collections.abc import Iterator
from typing import TypeAlias

from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from supervisors._exit import ExitKind
from supervisors._policy import AutoShutdown, Restart, Strategy
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
    StopTeam,
    TerminateChild,
    agree,
    apply,
    explain,
    predict,
)
from supervisors.testing._table import ROOT, Phase, Plan, StartChild, StartTeam, list_odd_times

ACTORS = st.sampled_from("abcd")
TEAMS = st.sampled_from("st")
CROWDS = st.just("p")
BELOW = st.sampled_from(["sa", "sb", "sx", "ta", "tb", "tx", "pa", "pb", "px"])
"""Children of the supervisors: some are declared, others are started at run time, and some are either."""
ANYBODY = st.one_of(ACTORS, TEAMS, CROWDS, BELOW)
RESTARTS = st.sampled_from(Restart)
DELAYS = st.sampled_from([0.0, 0.0, 0.5, 2.0])
BUDGETS = st.sampled_from([1.0, 1.0, 4.0, None])
FEW = st.sampled_from([0, 0, 0, 1, 2])
Shape: TypeAlias = Plan
"""A plan whose times are still even."""
SHAPES = st.builds(Plan, DELAYS, DELAYS, FEW, FEW, st.booleans())
SMOOTH = st.builds(Plan, DELAYS, DELAYS)
NEVER = AutoShutdown.NEVER
MODES = st.sampled_from([NEVER, NEVER, AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT])
ORDERS = st.sampled_from([TerminateChild, RestartChild, DeleteChild])
STRATEGIES = st.sampled_from([Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL])
LIMITS = st.sampled_from([0, 1, 3, 6, 20])
WINDOWS = st.sampled_from([1.0, 5.0])
PAUSES = st.sampled_from([0.3, 1.0, 3.0, 10.0])


def whose(child: str) -> str:
    """The supervisor of the child of that name."""
    return child[0] if len(child) > 1 else ROOT


class SupervisorMachine(RuleBasedStateMachine):
    """Run it by ``TestSupervisor = SupervisorMachine.TestCase``.

    A subclass may add rules that call :meth:`then` with commands of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._odd_times: Iterator[float] = list_odd_times()
        self._commands: list[Command] = []
        self.program = Program(Strategy.ONE_FOR_ONE, 3, 5.0)
        self.model = self.program.open_model()

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
        max_seconds=WINDOWS,
        auto_shutdown=MODES,
        restarts=st.lists(RESTARTS, min_size=1, max_size=4),
    )
    def open(
        self,
        strategy: Strategy,
        max_restarts: int,
        max_seconds: float,
        auto_shutdown: AutoShutdown,
        restarts: "list[Restart]",
    ) -> None:
        """Choose the supervisor and its first children."""
        odd_seconds = self.at_an_odd_time(max_seconds)
        self.program = Program(strategy, max_restarts, odd_seconds, auto_shutdown=auto_shutdown)
        self.model = self.program.open_model()
        for child, restart in zip("abcd", restarts, strict=False):
            self.then(StartChild(child, restart, self.at_an_odd_time(1.0), Plan()))

    @precondition(lambda self: self.model.is_open)
    @rule(child=ACTORS, restart=RESTARTS, budget=BUDGETS, pause=DELAYS, shape=SHAPES, wanted=st.booleans())
    def start(
        self, child: str, restart: Restart, budget: float | None, pause: float, shape: Shape, *, wanted: bool
    ) -> None:
        """Start an actor, or be refused."""
        is_significant = wanted and restart is not Restart.PERMANENT and self.program.auto_shutdown is not NEVER
        self.then(evolve(self.actor(child, restart, budget, pause, shape), is_significant=is_significant))

    @precondition(lambda self: self.model.is_open)
    @rule(
        team=TEAMS,
        restart=RESTARTS,
        strategy=STRATEGIES,
        max_restarts=st.sampled_from([0, 1, 1, 3]),
        max_seconds=WINDOWS,
        restarts=st.lists(RESTARTS, max_size=2),
        shapes=st.tuples(SMOOTH, SHAPES),
    )
    def start_team(
        self,
        team: str,
        restart: Restart,
        strategy: Strategy,
        max_restarts: int,
        max_seconds: float,
        restarts: "list[Restart]",
        shapes: "tuple[Shape, Shape]",
    ) -> None:
        """Start a supervisor that begins with some children, or be refused."""
        children = [
            self.actor(f"{team}{letter}", each, 1.0, 0.0, shape)
            for letter, each, shape in zip("ab", restarts, shapes, strict=False)
        ]
        odd_seconds = self.at_an_odd_time(max_seconds)
        self.then(StartTeam(team, restart, strategy, max_restarts, odd_seconds, tuple(children)))

    @precondition(lambda self: self.model.is_open)
    @rule(team=CROWDS, restart=RESTARTS, max_restarts=LIMITS, most=st.sampled_from([None, 1, 2]))
    def start_dynamic_team(self, team: str, restart: Restart, max_restarts: int, most: int | None) -> None:
        """Start a supervisor whose children come and go, or be refused."""
        odd_seconds = self.at_an_odd_time(5.0)
        command = StartTeam(
            team, restart, max_restarts=max_restarts, max_seconds=odd_seconds, is_dynamic=True, max_children=most
        )
        self.then(command)

    @precondition(lambda self: self.model.is_open and self.model.teams())
    @rule(child=BELOW, restart=RESTARTS, budget=BUDGETS, pause=DELAYS, shape=SHAPES)
    def start_below(self, child: str, restart: Restart, budget: float | None, pause: float, shape: Shape) -> None:
        """Start an actor one level down, or be refused."""
        self.then(self.actor(child, restart, budget, pause, shape))

    @precondition(lambda self: self.model.is_open)
    @rule(child=ANYBODY, command=ORDERS)
    def order_any(self, child: str, command: "type[TerminateChild | RestartChild | DeleteChild]") -> None:
        """Order a child about that is there or not."""
        self.then(command(child, whose(child)))

    @precondition(lambda self: self.model.is_open and self.busy())
    @rule(data=st.data(), command=ORDERS)
    def order_busy(self, data: st.DataObject, command: "type[TerminateChild | RestartChild | DeleteChild]") -> None:
        """Order a child about that is between two states."""
        child = data.draw(st.sampled_from(self.busy()))
        self.then(command(child, whose(child)))

    @precondition(lambda self: self.model.is_open and self.model.teams())
    @rule(team=st.one_of(TEAMS, CROWDS))
    def stop_team(self, team: str) -> None:
        """Tell a supervisor to stop, not by its parent."""
        self.then(StopTeam(team))

    @precondition(lambda self: self.model.is_open and self.able())
    @rule(data=st.data(), kind=st.sampled_from([ExitKind.NORMAL, ExitKind.CRASHED, ExitKind.CRASHED, ExitKind.KILLED]))
    def end(self, data: st.DataObject, kind: ExitKind) -> None:
        """An actor that is there ends by itself."""
        self.then(End(data.draw(st.sampled_from(self.able())), kind))

    @precondition(lambda self: self.model.is_open and self.able())
    @rule(data=st.data(), times=st.integers(2, 4))
    def end_again_and_again(self, data: st.DataObject, times: int) -> None:
        """An actor crashes whenever it is there: its supervisor may give up, and that one's supervisor."""
        child = data.draw(st.sampled_from(self.able()))
        for _ in range(times):
            self.then(End(child, ExitKind.CRASHED))

    @precondition(lambda self: self.model.is_open and self.able())
    @rule(data=st.data(), start=DELAYS, failures=st.sampled_from([1, 2, 4]))
    def crash_into_a_bad_start(self, data: st.DataObject, start: float, failures: int) -> None:
        """An actor crashes, and its next starts fail."""
        child = data.draw(st.sampled_from(self.able()))
        self.then(ChangePlan(child, Plan(self.at_an_odd_time(start), 0.0, failures)))
        self.then(End(child, ExitKind.CRASHED))

    @precondition(lambda self: self.model.is_open and self.model.actors())
    @rule(data=st.data(), shape=SHAPES)
    def change_plan(self, data: st.DataObject, shape: Shape) -> None:
        """An actor will start and stop otherwise."""
        child = data.draw(st.sampled_from(sorted(child.id for child in self.model.actors())))
        self.then(ChangePlan(child, self.plan(shape)))

    @precondition(lambda self: self.model.is_open and self.model.actors())
    @rule(child=st.one_of(ACTORS, BELOW))
    def call(self, child: str) -> None:
        """Ask an actor something, whatever it is doing."""
        self.then(Call(child))

    @rule(seconds=PAUSES)
    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.then(Advance(self.at_an_odd_time(seconds)))

    def actor(self, child: str, restart: Restart, budget: float | None, pause: float, shape: Shape) -> StartChild:
        """An actor, at odd times."""
        shutdown = None if budget is None else self.at_an_odd_time(budget)
        return StartChild(child, restart, shutdown, self.plan(shape), self.at_an_odd_time(pause), under=whose(child))

    def plan(self, shape: Shape) -> Plan:
        """A plan of that shape, at odd times."""
        return evolve(
            shape, start_takes=self.at_an_odd_time(shape.start_takes), stop_takes=self.at_an_odd_time(shape.stop_takes)
        )

    def able(self) -> list[str]:
        """Which actors can end now."""
        return sorted(child.id for child in self.model.actors() if child.phase is Phase.RUNNING)

    def busy(self) -> list[str]:
        """Who is neither simply up nor simply down."""
        return sorted(row[0] for row in self.model.list_children() if self.model.is_busy(row[0]))

    def teardown(self) -> None:
        """Do the program to a real supervisor, and compare."""
        program = evolve(self.program, commands=tuple(self._commands))
        expected, got = predict(program), perform(program)
        if not agree(expected, got):
            raise AssertionError(f"{explain(program, expected, got)}\nrepeated by perform({program})")

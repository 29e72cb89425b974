"""What can be done to a supervisor, as values: a program of commands, and what the model says of each.

A failing program is printed as it is and can be pasted into a test: ``perform(Program(...))`` repeats it.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, assert_never

from attrs import frozen

from supervisors._exit import ExitKind
from supervisors._policy import AutoShutdown, Strategy
from supervisors.testing._model import SupervisorModel
from supervisors.testing._table import ROOT, Phase, Plan, StartChild, StartTeam


@frozen
class TerminateChild:
    """Order a child down."""

    child: str
    under: str = ROOT


@frozen
class RestartChild:
    """Order a child up that is down."""

    child: str
    under: str = ROOT


@frozen
class DeleteChild:
    """Order a child off the list."""

    child: str
    under: str = ROOT


@frozen
class StopTeam:
    """Tell a supervisor to stop, as somebody who is not its parent."""

    child: str


@frozen
class Call:
    """Ask a child something, and wait for its answer beside the program."""

    child: str


@frozen
class End:
    """A child ends by itself: NORMAL (it finishes), CRASHED or KILLED."""

    child: str
    kind: ExitKind


@frozen
class ChangePlan:
    """From its next start or stop on, a child does otherwise."""

    child: str
    plan: Plan


@frozen
class Advance:
    """Let time pass."""

    seconds: float


Order: TypeAlias = StartChild | StartTeam | TerminateChild | RestartChild | DeleteChild
"""What a supervisor answers. It is begun and not waited for: what it waits for happens in later steps."""

Command: TypeAlias = Order | StopTeam | Call | End | ChangePlan | Advance
"""One step of a program."""


@frozen
class Program:
    """A supervisor, and what is done to it."""

    strategy: Strategy
    max_restarts: int
    max_seconds: float
    commands: tuple[Command, ...] = ()
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER

    def open_model(self) -> SupervisorModel:
        """The supervisor on paper."""
        return SupervisorModel(
            StartTeam(
                ROOT,
                strategy=self.strategy,
                max_restarts=self.max_restarts,
                max_seconds=self.max_seconds,
                auto_shutdown=self.auto_shutdown,
            )
        )


@frozen
class Picture:
    """What is to be seen of a supervisor when nothing more happens without time."""

    children: tuple[tuple[str, str, int, int], ...]
    """Id, status, life and restarts, depth first in start order."""
    diary: tuple[str, ...]
    """What the children did so far."""
    answers: tuple[tuple[int, str], ...]
    """To orders, by the number of the command: ``"ok"`` or the name of the error."""


@frozen
class Record:
    """How a program went."""

    pictures: tuple[Picture, ...]
    """One after each command, as far as it came."""
    diary: tuple[str, ...]
    answers: tuple[tuple[int, str], ...]
    replies: Mapping[int, str]
    """To calls, by the number of the command; the model's are those that are certain."""
    has_given_up: bool
    seconds: float
    """When the supervisor had stopped."""


def predict(program: Program) -> Record:
    """What must happen. Pure."""
    model = program.open_model()
    pictures: list[Picture] = []
    for number, command in enumerate(program.commands):
        if model.is_open:
            apply(model, number, command)
        if model.is_open:
            pictures.append(Picture(model.list_children(), model.diary, tuple(sorted(model.page.answers.items()))))
    if model.is_open:
        model.close()
    model.finish()
    answers = tuple(sorted(model.page.answers.items()))
    return Record(tuple(pictures), model.diary, answers, model.replies, model.root.has_given_up, model.page.now)


def agree(expected: Record, got: Record) -> bool:
    """Whether a run went as predicted."""
    is_same = (expected.pictures, expected.diary, expected.answers, expected.has_given_up) == (
        got.pictures,
        got.diary,
        got.answers,
        got.has_given_up,
    )
    replied = expected.replies.items() <= got.replies.items()
    return is_same and replied and abs(expected.seconds - got.seconds) < 1e-6  # noqa: PLR2004 - the rounding of sums


def apply(model: SupervisorModel, number: int, command: Command) -> None:
    """Do to the model what *command* says. What does not apply to the child as it is has no effect."""
    match command:
        case StartChild() | StartTeam() | TerminateChild() | RestartChild() | DeleteChild():
            _order(model, number, command)
        case StopTeam(child):
            model.stop_team(child)
        case End(child, kind):
            if is_able(model, child, kind):
                model.end_child(child, kind)
        case ChangePlan(child, plan):
            model.change_plan(child, plan)
        case Advance(seconds):
            model.advance(seconds)
        case Call(child):
            model.call(number, child)
        case _:
            assert_never(command)


def _order(model: SupervisorModel, number: int, order: Order) -> None:
    match order:
        case StartChild() | StartTeam():
            model.start(number, order)
        case TerminateChild(child, under):
            model.terminate(number, child, under)
        case RestartChild(child, under):
            model.restart(number, child, under)
        case DeleteChild(child, under):
            model.delete(number, child, under)


def is_able(model: SupervisorModel, child_id: str, kind: ExitKind) -> bool:
    """Whether a child is in a phase in which it can end so: only what runs can finish, only what lives be killed."""
    found = model.find(child_id)
    if found is None or found[1].phase is Phase.DOWN or found[1].inner is not None:
        return False
    child = found[1]
    return kind is ExitKind.KILLED or child.phase is Phase.RUNNING


def explain(program: Program, expected: Record, got: Record) -> str:
    """Say where a run departed from the model, in the words of the program."""
    rows = zip(program.commands, expected.pictures, got.pictures, strict=False)
    for number, (command, ours, theirs) in enumerate(rows):
        if ours != theirs:
            return f"after command {number}, {command}:\n  expected {ours}\n  got      {theirs}"
    return f"at the end:\n  expected {_summary(expected)}\n  got      {_summary(got)}"


def _summary(record: Record) -> Sequence[object]:
    seconds = round(record.seconds, 6)
    return [len(record.pictures), record.diary, record.answers, record.replies, record.has_given_up, seconds]

"""A program done to a real supervisor, under a virtual clock, with its laws watched throughout.

The laws, beside what the model says: no child ever has two lives, every call has exactly one outcome, a name finds its
child until it is forgotten and nobody afterwards, and when the supervisor has ended no task is left.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress

import trio
import trio.testing
from attrs import define, evolve, field

from supervisors._actor import Actor
from supervisors._errors import CallError, ChildNotFound, Ignore, RestartLimitExceeded, SupervisorsError
from supervisors._exit import Exit, ExitKind
from supervisors._policy import BRUTAL_KILL, Backoff
from supervisors._ref import Ref
from supervisors._root import open_supervisor
from supervisors._spec import ChildSpec, Name, SupervisorSpec
from supervisors._supervisor import Supervisor
from supervisors._tree import Tree
from supervisors.testing._audit import BrokenLaw
from supervisors.testing._model import Row
from supervisors.testing._program import (
    Advance,
    Call,
    ChangePlan,
    Command,
    DeleteChild,
    End,
    Order,
    Picture,
    Program,
    Record,
    RestartChild,
    StopTeam,
    TerminateChild,
)
from supervisors.testing._stuck import StuckGuard
from supervisors.testing._table import ROOT, Entry, Plan, StartChild, StartTeam, read_diary


class PlannedFailure(Exception):
    """What a planned child raises when its plan says so."""


@define(eq=False)
class Role:
    """What one child does over all its lives, and whether one is under way."""

    name: str
    plan: Plan
    diary: list[Entry]
    team: str = ROOT
    living: int = 0

    def write(self, what: str) -> None:
        """Note what the child does."""
        self.diary.append(Entry(trio.current_time(), self.team, f"{self.name} {what}"))

    async def start(self) -> None:
        """Start, fail to, or decline to, as planned."""
        plan = self.plan
        if plan.failing_starts:
            self.plan = evolve(plan, failing_starts=plan.failing_starts - 1)
        elif plan.declines:
            self.plan = evolve(plan, declines=plan.declines - 1)
        await _sleep(plan.start_takes)
        if plan.failing_starts:
            self.write("fails")
            raise PlannedFailure(self.name)
        if plan.declines:
            self.write("declines")
            raise Ignore
        self.write("starts")


class Player(Actor):
    """Does as its role says."""

    def __init__(self, role: Role) -> None:
        self._role = role

    async def on_start(self) -> None:
        """Start as planned; refuse to live beside another life of the same child."""
        role = self._role
        if role.living:
            raise BrokenLaw(f"{role.name} has two lives")
        role.living += 1
        self.start_soon(self._live)
        await role.start()

    async def _live(self) -> None:
        # A helper task ends before its life does, so this counts lives even when on_stop is not called.
        try:
            await trio.sleep_forever()
        finally:
            self._role.living -= 1

    async def on_stop(self, reason: Exit) -> None:
        """Stop as planned."""
        del reason
        role = self._role
        fails = role.plan.stop_fails
        await _sleep(role.plan.stop_takes)
        role.write("stops")
        if fails:
            raise PlannedFailure(role.name)

    async def answer(self) -> str:
        """Show that somebody is there."""
        return self._role.name

    async def end(self, kind: ExitKind) -> None:
        """Finish or crash."""
        if kind is ExitKind.CRASHED:
            raise PlannedFailure(self._role.name)
        self.stop()


async def _sleep(seconds: float) -> None:
    if seconds:
        await trio.sleep(seconds)


@define
class _Stage:
    """What a program is performed on."""

    nursery: trio.Nursery
    guard: StuckGuard
    root: Supervisor = field(init=False)
    roles: dict[str, Role] = field(factory=dict[str, Role])
    refs: dict[str, Ref[Player]] = field(factory=dict[str, Ref[Player]])
    unordered: set[str] = field(factory=set[str])
    """Those whose children do not wait for each other."""
    diary: list[Entry] = field(factory=list[Entry])
    answers: dict[int, str] = field(factory=dict[int, str])
    replies: dict[int, str] = field(factory=dict[int, str])
    """To calls; empty while one is under way."""
    pictures: list[Picture] = field(factory=list[Picture])

    async def do(self, number: int, command: Command) -> None:
        """Begin one command, let everything happen that needs no time, and look."""
        await self._begin(number, command)
        await trio.testing.wait_all_tasks_blocked()
        if self.root.tree().status == "running":
            self.pictures.append(self._look())

    async def _begin(self, number: int, command: Command) -> None:
        match command:
            case Call(child) if child in self.refs:
                self.nursery.start_soon(self._call, number, self.refs[child])
            case End(child, kind):
                self._end(child, kind)
            case ChangePlan(child, plan) if child in self.roles:
                self.roles[child].plan = plan
            case Advance(seconds):
                await trio.sleep(seconds)
            case StopTeam(child):
                self._stop_team(child)
            case Call() | ChangePlan():
                pass
            case _:
                self.nursery.start_soon(self._order, number, command)

    def _stop_team(self, name: str) -> None:
        with suppress(ChildNotFound):
            self.root.supervisor(name).stop()

    async def _order(self, number: int, order: Order) -> None:
        try:
            await self._give(order)
        except SupervisorsError as error:
            self.answers[number] = type(error).__name__
        else:
            self.answers[number] = "ok"

    async def _give(self, order: Order) -> None:
        match order:
            case StartChild():
                spec = self._cast(order)
                await self._under(order.under).start_child(spec)
            case StartTeam():
                await self.root.start_supervisor(self._found(order))
            case TerminateChild(child, under):
                await self._under(under).terminate_child(child)
            case RestartChild(child, under):
                await self._under(under).restart_child(child)
            case DeleteChild(child, under):
                await self._under(under).delete_child(child)

    def _under(self, name: str) -> Supervisor:
        return self.root if name == ROOT else self.root.supervisor(name)

    def _cast(self, command: StartChild, team: str = "") -> ChildSpec[Player]:
        """Give an actor its role: one for all lives, whatever becomes of the order."""
        role = self.roles.setdefault(command.child, Role(command.child, command.plan, self.diary))
        role.plan, role.team = command.plan, team or command.under
        return ChildSpec(
            lambda: Player(role),
            name=Name(command.child, Player),
            restart=command.restart,
            shutdown=BRUTAL_KILL if command.shutdown is None else command.shutdown,
            significant=command.is_significant,
            backoff=Backoff(initial=command.pause, factor=1.0) if command.pause else None,
        )

    def _found(self, command: StartTeam) -> SupervisorSpec:
        """Give a supervisor's actors their roles."""
        if command.is_dynamic:
            self.unordered.add(command.child)
        return SupervisorSpec(
            command.child,
            children=[self._cast(child, command.child) for child in command.children],
            strategy=command.strategy,
            max_restarts=command.max_restarts,
            max_seconds=command.max_seconds,
            auto_shutdown=command.auto_shutdown,
            restart=command.restart,
            dynamic=command.is_dynamic,
            max_children=command.max_children,
        )

    async def _call(self, number: int, ref: Ref[Player]) -> None:
        self.replies[number] = ""
        try:
            await ref.call(Player.answer)
        except CallError as error:
            self._reply(number, type(error).__name__)
        else:
            self._reply(number, "ok")

    def _reply(self, number: int, reply: str) -> None:
        if self.replies[number]:
            raise BrokenLaw(f"the call of command {number} was answered {self.replies[number]}, then {reply}")
        self.replies[number] = reply

    def _end(self, child: str, kind: ExitKind) -> None:
        ref = self.find(child)
        if ref is None:
            return
        if kind is ExitKind.KILLED:
            ref.kill()
        elif ref.is_alive:
            ref.cast_nowait(Player.end, kind)

    def find(self, child: str) -> Ref[Player] | None:
        try:
            return self.root.whereis(Name(child, Player))
        except ChildNotFound:
            return None

    def read_diary(self) -> tuple[str, ...]:
        """What the children did, in order."""
        return read_diary(self.diary, frozenset(self.unordered))

    def _look(self) -> Picture:
        rows = tuple(self._look_at(self.root.which_children()))
        return Picture(rows, self.read_diary(), tuple(sorted(self.answers.items())))

    def _look_at(self, children: Iterable[Tree]) -> Iterator[Row]:
        for child in children:
            if child.kind != "supervisor" and child.life:
                ref = self.find(child.name)
                if ref is None or ref.path != child.path:
                    raise BrokenLaw(f"{child.path} is listed, and its name finds {ref}")
                self.refs[child.name] = ref
            yield child.name, child.status, child.life, child.restarts
            yield from self._look_at(child.children)


def perform(program: Program) -> Record:
    """Do *program* to a real supervisor in a trio run of its own, on a virtual clock.

    Raises:
        BrokenLaw: A law does not hold; which, and for whom.
    """
    guard = StuckGuard()
    try:
        return trio.run(_perform, program, guard, clock=trio.testing.MockClock(autojump_threshold=0))
    except BaseException:
        if guard.stuck:
            raise BrokenLaw("; ".join(guard.stuck)) from None
        raise


async def _perform(program: Program, guard: StuckGuard) -> Record:
    started = trio.current_time()
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with trio.open_nursery() as nursery:
        stage = _Stage(nursery, guard)
        has_given_up = False
        try:
            await _play(program, stage)
        except RestartLimitExceeded:
            has_given_up = True
        seconds = trio.current_time() - started
        await trio.testing.wait_all_tasks_blocked()
        if guard.stuck:
            raise BrokenLaw("; ".join(guard.stuck))
        _check_end(stage)
        nursery.cancel_scope.cancel()
    if trio.lowlevel.current_statistics().tasks_living != tasks:
        raise BrokenLaw("a task is left")
    answers = tuple(sorted(stage.answers.items()))
    return Record(tuple(stage.pictures), stage.read_diary(), answers, stage.replies, has_given_up, seconds)


async def _play(program: Program, stage: _Stage) -> None:
    async with open_supervisor(
        strategy=program.strategy,
        max_restarts=program.max_restarts,
        max_seconds=program.max_seconds,
        auto_shutdown=program.auto_shutdown,
        observers=[stage.guard],
    ) as stage.root:
        stage.guard.attend(stage.root._team)  # noqa: SLF001 - of this package
        for number, command in enumerate(program.commands):
            await stage.do(number, command)


def _check_end(stage: _Stage) -> None:
    for number, reply in stage.replies.items():
        if not reply:
            raise BrokenLaw(f"the call of command {number} was never answered")
    for role in stage.roles.values():
        if role.living:
            raise BrokenLaw(f"{role.name} lives on")
        if stage.find(role.name) is not None:
            raise BrokenLaw(f"the name of {role.name} is not free")

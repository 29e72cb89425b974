"""A tree of somebody else's actors, disturbed, under a virtual clock: the laws are watched, and it must come to rest.

What is disturbed is named by number, not by path: the third of those that are there, whichever that is by then.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import trio
import trio.testing
from attrs import define, field, frozen

from supervisors._cell import Cell
from supervisors._errors import CallError, RestartLimitExceeded, StartError, SupervisorsError
from supervisors._exit import Exit, ExitKind
from supervisors._life import Life
from supervisors._ref import Ref
from supervisors._root import open_supervisor
from supervisors._runtime import INTERCEPTOR
from supervisors._slot import Slot, Status
from supervisors._spec import SupervisorSpec
from supervisors._supervisor import Address, Supervisor, address_of
from supervisors.testing._audit import Auditor, BrokenLaw
from supervisors.testing._event_log import EventLog
from supervisors.testing._faults import Fault, FaultKind, InjectedCrash
from supervisors.testing._inject import Injector
from supervisors.testing._scheduler import seeded_scheduler
from supervisors.testing._stuck import StuckGuard

if TYPE_CHECKING:
    from supervisors._team import Team


_RESTING = {Status.RUNNING, Status.DOWN}
_TAIL = 20
"""Lines of the log in the message of a failure."""


@frozen
class Crash:
    """An actor crashes, wherever it is."""

    who: int


@frozen
class Kill:
    """An actor is killed without grace."""

    who: int


@frozen
class Finish:
    """An actor ends by itself, cleanly."""

    who: int


@frozen
class FailStarts:
    """The next starts of an actor fail."""

    who: int
    times: int


@frozen
class Terminate:
    """A child, of whatever kind, is ordered down."""

    who: int


@frozen
class Revive:
    """A child is ordered up; refused unless it is down."""

    who: int


@frozen
class Ask:
    """An actor is asked something, by somebody who waits for the answer beside all this."""

    who: int


@frozen
class Wait:
    """Let time pass."""

    seconds: float


Disturbance: TypeAlias = Crash | Kill | Finish | FailStarts | Terminate | Revive | Ask | Wait
"""One thing that happens to a tree."""


@define
class _Sabotage:
    """Which starts fail. A ``Plan`` of an :class:`Injector`."""

    left: Counter[str] = field(factory=Counter[str])

    def at_message(self, path: str, number: int) -> Fault | None:
        """Nothing goes wrong with messages."""
        del path, number
        return None

    def at_start(self, path: str, life: int) -> Fault | None:
        """The fault at the start of that life, if there is one."""
        if self.left[path] == 0:
            return None
        self.left[path] -= 1
        return Fault(path, life, FaultKind.FAIL_START)


@define
class _Scene:
    """A tree, and what is done to it."""

    root: "Supervisor"
    nursery: trio.Nursery
    sabotage: _Sabotage
    asked: int = 0
    answered: int = 0

    async def do(self, disturbance: Disturbance) -> None:
        """Let it happen, and everything that follows at once."""
        match disturbance:
            case Wait(seconds):
                await trio.sleep(seconds)
            case Terminate(who) | Revive(who):
                self._order(disturbance, self._pick(list(walk(self._team)), who))
            case Crash(who) | Kill(who) | Finish(who) | FailStarts(who) | Ask(who):
                self._disturb(disturbance, self._pick([s for s in walk(self._team) if isinstance(s, Cell)], who))
        await trio.testing.wait_all_tasks_blocked()

    @property
    def _team(self) -> "Team":
        return self.root._team  # noqa: SLF001 - of this package

    def _pick(self, slots: list[Slot[Any]], who: int) -> Slot[Any] | None:
        return slots[who % len(slots)] if slots else None

    def _order(self, order: Disturbance, slot: Slot[Any] | None) -> None:
        if slot is not None:
            work = slot.team.terminate if isinstance(order, Terminate) else self._revive
            self.nursery.start_soon(self._obey, work, slot)

    async def _revive(self, slot: Slot[Any]) -> None:
        if slot.status is Status.DOWN and slot.team.is_open:
            await slot.team.restart_down(slot)

    async def _obey(self, work: Callable[[Slot[Any]], Awaitable[None]], slot: Slot[Any]) -> None:
        with suppress(SupervisorsError):  # refused, or the start failed: both are answers
            await work(slot)

    def _disturb(self, disturbance: Disturbance, slot: Slot[Any] | None) -> None:
        life: Life | None = None if slot is None else slot.life
        match disturbance:
            case FailStarts(_, times) if slot is not None:
                self.sabotage.left[slot.path] = times
            case Ask() if slot is not None:
                self.asked += 1
                self.nursery.start_soon(self._ask, address_of(slot))
            case Crash() if life is not None:
                life.fail(InjectedCrash(Fault(life.slot.path, max(life.number, 1), FaultKind.CRASH_BEFORE)))
            case Kill() if life is not None:
                life.kill()
            case Finish() if life is not None:
                life.ask_stop(Exit(ExitKind.NORMAL))
            case _:
                pass

    async def _ask(self, ref: Address) -> None:
        with suppress(CallError):
            if isinstance(ref, Ref):
                await ref.get_state(type)
        self.answered += 1

    async def rest(self, patience: float) -> str:
        """Wait until nothing starts, stops or is to be restarted. Returns what is left in words, if that never comes."""
        self.sabotage.left.clear()
        end = trio.current_time() + patience
        while restless := [slot.path for slot in walk(self._team) if slot.team.is_open and slot.status not in _RESTING]:
            if trio.current_time() >= end:
                return f"{patience:g} s after the last disturbance, not at rest: {', '.join(restless)}"
            await trio.sleep(patience / 1000)
        return ""


def walk(team: "Team") -> Iterator[Slot[Any]]:
    """All children below *team*, depth first in start order."""
    for slot in tuple(team.slots.values()):
        yield slot
        inner: Team | None = getattr(slot, "inner", None)
        if inner is not None:
            yield from walk(inner)


def disturb(
    spec: SupervisorSpec, disturbances: Iterable[Disturbance], *, seed: int = 0, patience: float = 600.0
) -> EventLog:
    """Open the tree of *spec*, let the *disturbances* happen, wait until it is at rest, and close it.

    Giving up is no failure, if the limit was reached. What the actors do must need nothing but virtual time.

    Args:
        spec: The root and its declared children, with fresh state.
        disturbances: What happens, in order.
        seed: Decides the order of tasks: the same arguments, the same run.
        patience: Virtual seconds that the tree has to come to rest.

    Returns:
        What happened.

    Raises:
        BrokenLaw: With all laws that do not hold, in words, and the last events.
        StartError: The tree does not even start undisturbed.
    """
    show = _Show(spec, tuple(disturbances), patience)
    try:
        with seeded_scheduler(seed):
            trio.run(show.run, clock=trio.testing.MockClock(autojump_threshold=0))
    except BaseException:
        if not show.guard.stuck:
            raise
    show.broken[:0] = show.guard.stuck
    if show.failure is not None:
        raise show.failure
    if show.broken:
        raise BrokenLaw("\n".join([*show.broken, "the last events:", *show.injector.log.lines[-_TAIL:]]))
    return show.injector.log


def _cancel_nothing() -> None:
    """No fault here cancels the program."""


class _Show:
    """One run of a tree."""

    def __init__(self, spec: SupervisorSpec, disturbances: tuple[Disturbance, ...], patience: float) -> None:
        self.spec = spec
        self.disturbances = disturbances
        self.patience = patience
        self.sabotage = _Sabotage()
        self.injector = Injector(self.sabotage, 10**9, _cancel_nothing)
        self.auditor = Auditor()
        self.guard = StuckGuard()
        self.broken: list[str] = []
        self.failure: StartError | None = None
        self.scene: _Scene

    async def run(self) -> None:
        """Be a trio run."""
        INTERCEPTOR.set(self.injector)
        tasks = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            with suppress(RestartLimitExceeded):
                await self._play(nursery)
            await trio.testing.wait_all_tasks_blocked()
            self._look_back(self.scene)
            nursery.cancel_scope.cancel()
        self.broken += self.auditor.check_end()
        if trio.lowlevel.current_statistics().tasks_living != tasks:
            self.broken.append("a task is left")

    async def _play(self, nursery: trio.Nursery) -> None:
        spec = self.spec
        async with open_supervisor(
            spec.name,
            strategy=spec.strategy,
            max_restarts=spec.max_restarts,
            max_seconds=spec.max_seconds,
            auto_shutdown=spec.auto_shutdown,
            shutdown=spec.shutdown,
            observers=[self.auditor, self.guard],
        ) as root:
            self.scene = scene = _Scene(root, nursery, self.sabotage)
            self.auditor.attend(root._team)  # noqa: SLF001 - of this package
            self.guard.attend(root._team)  # noqa: SLF001 - the same
            await self._enact(scene)

    def _look_back(self, scene: _Scene) -> None:
        if scene.answered < scene.asked:
            self.broken.append(f"{scene.asked - scene.answered} of {scene.asked} calls were never answered")
        names = scene.root._team.runtime.names  # noqa: SLF001 - of this package
        if names:
            self.broken.append(f"names are not free: {', '.join(names)}")

    async def _enact(self, scene: _Scene) -> None:
        try:
            for child in self.spec.children:
                if isinstance(child, SupervisorSpec):
                    await scene.root.start_supervisor(child)
                else:
                    await scene.root.start_child(child)
        except StartError as error:
            self.failure = error
            return
        for disturbance in self.disturbances:
            await scene.do(disturbance)
        unrest = await scene.rest(self.patience)
        self.broken += [unrest] if unrest else []
        await trio.testing.wait_all_tasks_blocked()
        self.auditor.begin_to_close()

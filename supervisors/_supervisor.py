"""What users hold of a supervisor: start, stop, restart and look at its children."""

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, Unpack, cast, overload

from supervisors._cell import Cell
from supervisors._checks import check_options
from supervisors._errors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    SupervisorStopped,
    TooManyChildren,
)
from supervisors._exit import Exit, ExitKind, describe
from supervisors._life import Life
from supervisors._ref import Ref
from supervisors._slot import Intent, Slot, Status
from supervisors._spec import (
    AnySpec,
    ChildOptions,
    ChildSpec,
    Name,
    SupervisorOptions,
    SupervisorSpec,
    Via,
    check_significant_child,
)
from supervisors._task import Task, TaskSlot
from supervisors._team import Team
from supervisors._tree import ChildCounts, Survey, Tree, draw_slot, draw_team, survey_team

if TYPE_CHECKING:
    from supervisors._actor import Actor

A = TypeVar("A", bound="Actor")


class SupervisorSlot(Slot[SupervisorSpec]):
    """The slot of a supervisor under a supervisor."""

    __slots__ = ("handle", "inner")

    def __init__(self, team: Team, spec: SupervisorSpec, name: str) -> None:
        super().__init__(team, spec, name)
        self.inner = Team(team.runtime, spec, self.path, self)
        self.handle = Supervisor(self.inner)

    def make_life(self) -> Life:
        """Build the next incarnation."""
        return TeamLife(self, self.lives)

    def refuse_mail(self) -> None:
        """Nor will the children be served."""
        for slot in self.inner.slots.values():
            slot.refuse_mail()

    def remove(self) -> None:
        """Nor will the children have further lives."""
        self.inner.close()
        super().remove()


class TeamLife(Life):
    """One incarnation of a supervisor under a supervisor."""

    __slots__ = ("_team",)

    def __init__(self, slot: SupervisorSlot, number: int) -> None:
        super().__init__(slot, number)
        self._team = slot.inner

    async def run(self) -> None:
        """Start the children, keep them, stop them."""
        if self.asked is None:
            await self._team.run(lambda: begin_declared(self._team), self._ready)
        if self.asked is None:
            # An order that came from inside: stop() on the handle, or the end of a significant child.
            self.asked = Exit(ExitKind.SHUTDOWN)

    @property
    def is_ending(self) -> bool:
        """It stops, for whatever reason: an order, its limit, a significant child, a child that did not start."""
        return super().is_ending or (self.task is not None and not self._team.is_open)

    def _ready(self) -> None:
        self.is_ready = True
        self.slot.life_started(self)

    def ask_stop(self, exit_: Exit, *, drain: bool = False) -> None:
        """Order an ordered stop. Also while the children are being started: those that have started may tidy up."""
        del drain
        if self.asked is None:
            self.asked = exit_
        self._team.order_stop()

    def kill(self) -> None:
        """Cancel everything below at once, clean-ups too: they are shielded from the cancellation of this task."""
        super().kill()
        self._team.kill()


class Supervisor:
    """A handle on a supervisor; like a :class:`Ref` it stays valid while the supervisor is restarted.

    Got from :func:`open_supervisor` or :meth:`start_supervisor`.
    """

    __slots__ = ("_team",)

    def __init__(self, team: Team) -> None:
        self._team = team

    @property
    def path(self) -> str:
        """Where the supervisor is in its tree."""
        return self._team.path

    @overload
    async def start_child(self, child: ChildSpec[A], /) -> Ref[A]: ...
    @overload
    async def start_child(
        self, child: Callable[[], A], /, *, name: Name[A] | Via[A] | str | None = None, **options: Unpack[ChildOptions]
    ) -> Ref[A]: ...
    async def start_child(
        self,
        child: Callable[[], A] | ChildSpec[A],
        /,
        *,
        name: Name[A] | Via[A] | str | None = None,
        **options: Unpack[ChildOptions],
    ) -> Ref[A]:
        """Start an actor as the last child, and return its address when its ``on_start`` has returned.

        Args:
            child: A function that makes the actor, called for every life; or a whole :class:`ChildSpec`.
            name: The child's id; a :class:`Name` makes it known in the whole tree, ``registry.via(key)`` in a registry.
            **options: The other fields of :class:`ChildSpec`.

        Raises:
            StartError: It did not start; ``__cause__`` says why. Nothing of it is left.
            AlreadyStarted, AlreadyPresent: The id or name is taken.
            TooManyChildren: ``max_children`` is reached.
            SupervisorStopped: The supervisor is stopping or gone.
            TypeError, ValueError: The spec is not valid; nothing was started.

        If the caller is cancelled meanwhile, so is the start.
        """
        _refuse_kind(child, SupervisorSpec, "start_supervisor")
        if isinstance(child, ChildSpec):
            spec = cast("ChildSpec[Any]", child)
            _refuse_options(spec, name, options)
        else:
            check_options(ChildOptions, options, "start_child")
            spec = ChildSpec(child, name=name, **options)
        cell = cast("Cell[A]", add_child(self._team, spec))
        await self._team.start(cell)
        return cell.ref

    async def start_supervisor(
        self, spec: SupervisorSpec | str, /, **options: Unpack[SupervisorOptions]
    ) -> "Supervisor":
        """Start a supervisor as the last child, with its declared children, and return its handle.

        Args:
            spec: A :class:`SupervisorSpec`, or its name with the other fields as keywords.
            **options: The other fields of :class:`SupervisorSpec`.

        Raises:
            StartError, AlreadyStarted, AlreadyPresent, TooManyChildren, SupervisorStopped: As for :meth:`start_child`.
        """
        _refuse_kind(spec, ChildSpec, "start_child")
        if isinstance(spec, SupervisorSpec):
            _refuse_options(spec, None, options)
        check_options(SupervisorOptions, options, "start_supervisor")
        whole = spec if isinstance(spec, SupervisorSpec) else SupervisorSpec(spec, **options)
        slot = cast(SupervisorSlot, add_child(self._team, whole))
        await self._team.start(slot)
        return slot.handle

    def whereis(self, name: Name[A]) -> Ref[A]:
        """Look *name* up in the whole tree.

        Raises:
            ChildNotFound: No child has that name now.
            TypeError: A child has it that is no ``name.actor``.
        """
        if not isinstance(name, Name):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
            raise TypeError(
                f"expected a Name, got {describe(name)}; child(...) finds a child of this supervisor by its id"
            )
        cell = self._team.runtime.names.get(name.name)
        if cell is None or cell.lives == 0:
            raise ChildNotFound(name.name, f"no child is named {name.name!r}; start one with name=Name(...)")
        known = cell.spec.name
        if isinstance(known, Name) and not issubclass(known.actor, name.actor):
            raise TypeError(f"{name.name!r} is a {known.actor.__name__}, not a {name.actor.__name__}")
        return cell.ref

    @overload
    def child(self, child: Name[A]) -> Ref[A]: ...
    @overload
    def child(self, child: str) -> "Address": ...
    def child(self, child: str | Name[Any]) -> "Address":
        """The child of that id: a ref of an actor, a handle of a supervisor or of a task.

        Raises:
            ChildNotFound: There is none.
        """
        slot = self._find(child)
        return address_of(slot)

    def supervisor(self, child: str) -> "Supervisor":
        """The child supervisor of that id.

        Raises:
            ChildNotFound: There is none, or it is an actor.
        """
        slot = self._find(child)
        if not isinstance(slot, SupervisorSlot):
            raise ChildNotFound(slot.path, f"{slot.path} is an actor, not a supervisor")
        return slot.handle

    async def terminate_child(self, child: "str | Name[Any] | Address") -> None:
        """Stop a child within its budget and keep it down; a temporary or dynamic one is forgotten.

        Stops the attempts when it is restarting. Does nothing when it is down.

        Raises:
            ChildNotFound: No such child.
        """
        self._check_open()
        await self._team.terminate(self._find(child))

    async def restart_child(self, child: "str | Name[Any] | Address") -> None:
        """Start a child that is down. Does not count as a restart.

        Raises:
            ChildNotFound, ChildRunning, ChildRestarting: It is not down.
            StartError: It did not start; it stays listed.
        """
        await self._team.restart_down(self._find_down(child))

    async def delete_child(self, child: "str | Name[Any] | Address") -> None:
        """Forget a child that is down.

        Raises:
            ChildNotFound, ChildRunning, ChildRestarting: It is not down.
        """
        self._team.forget(self._find_down(child))

    def which_child(self, child: "str | Name[Any] | Address") -> Tree:
        """One child as it is now, the same entry as in :meth:`which_children`. Never waits.

        Raises:
            ChildNotFound: No such child.
        """
        return draw_slot(self._find(child))

    def which_children(self) -> tuple[Tree, ...]:
        """The children in start order, as they are now. Never waits."""
        return self.tree().children

    def count_children(self) -> ChildCounts:
        """How many children there are, by kind; ``active`` ones are alive. Never waits."""
        slots = tuple(self._team.slots.values())
        supervisors = sum(isinstance(slot, SupervisorSlot) for slot in slots)
        active = sum(slot.life is not None and slot.life.is_ready for slot in slots)
        return ChildCounts(specs=len(slots), active=active, supervisors=supervisors, workers=len(slots) - supervisors)

    def survey(self, *, start: int = 0, count: int = 0) -> Survey:
        """Count the children by status, and show *count* of them from *start* on, one level deep. Never waits."""
        return survey_team(self._team, max(start, 0), max(count, 0))

    def tree(self) -> Tree:
        """The supervisor and everything below, as it is now; ``str`` of it is a drawing. Never waits."""
        return draw_team(self._team)

    def stop(self) -> None:
        """Order this supervisor to stop its children and end. At the root, the ``async with`` block is left."""
        self._team.runtime.check_home()
        self._team.order_stop()

    def _check_open(self) -> None:
        self._team.runtime.check_home()
        if not self._team.is_open:
            raise SupervisorStopped(self.path, f"{self.path} is not running: it stops, restarts or is gone")

    def _find(self, child: "str | Name[Any] | Address") -> Slot[Any]:
        if not isinstance(child, str | Name | Ref | Supervisor | Task):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
            raise TypeError(f"expected the id, the name or the address of a child, got {describe(child)}")
        path = f"{self.path}/{child}" if isinstance(child, str | Name) else child.path
        slot = self._team.slots.get(path.rpartition("/")[2])
        if slot is None or (not isinstance(child, str | Name) and address_of(slot) is not child):
            raise ChildNotFound(path, f"{self.path} has no child {path}")
        return slot

    def _find_down(self, child: "str | Name[Any] | Address") -> Slot[Any]:
        self._check_open()
        slot = self._find(child)
        match slot.status:
            case Status.DOWN:
                return slot
            case Status.RESTARTING:
                raise ChildRestarting(slot.path, f"{slot.path} is restarting; terminate_child stops that")
            case _:
                raise ChildRunning(slot.path, f"{slot.path} is {slot.status.value}; terminate_child first")

    def __repr__(self) -> str:
        return f"<Supervisor {self.path}, {len(self._team.slots)} children>"


def check_supervisor(value: object) -> Supervisor:
    """Refuse what is no handle of a supervisor."""
    if not isinstance(value, Supervisor):
        raise TypeError(f"expected a Supervisor, got {describe(value)}")
    return value


def _refuse_kind(spec: object, kind: type, instead: str) -> None:
    if isinstance(spec, kind):
        raise TypeError(f"a {kind.__name__} is for {instead}")


def _refuse_options(spec: object, name: object, options: Mapping[str, object]) -> None:
    given = [*options, *([] if name is None else ["name"])]
    if given:
        kind = type(spec).__name__
        raise TypeError(f"a {kind} is complete: give {', '.join(given)} to it, or use attrs.evolve(spec, ...)")


Address: TypeAlias = Ref[Any] | Supervisor | Task[Any]
"""What users hold of a child: of an actor, a supervisor, a task."""


def address_of(slot: Slot[Any]) -> Address:
    """What users hold of a child."""
    return slot.handle if isinstance(slot, SupervisorSlot) else cast("Cell[Any] | TaskSlot", slot).ref


def add_child(
    team: Team, spec: AnySpec, make: Callable[[Team, ChildSpec[Any], str], Slot[Any]] | None = None
) -> Slot[Any]:
    """Put a child on the list, or refuse it. Nothing is started. *make* makes other slots than those of actors."""
    check_significant_child(significant=spec.significant, name=str(spec.name), auto_shutdown=team.spec.auto_shutdown)
    team.runtime.check_home()
    if not team.is_open:
        raise SupervisorStopped(team.path, f"{team.path} is not running: it stops, restarts or is gone")
    child_id = team.name_child(spec)
    present = team.slots.get(child_id)
    if present is not None:
        raise _taken(present)
    if team.spec.max_children is not None and len(team.slots) >= team.spec.max_children:
        raise TooManyChildren(f"{team.path}/{child_id}", f"{team.path} has its {team.spec.max_children} children")
    slot: Slot[Any]
    if isinstance(spec, SupervisorSpec):
        slot = SupervisorSlot(team, spec, child_id)
    elif make is not None:
        slot = make(team, spec, child_id)
    else:
        cell: Cell[Any] = Cell(team, spec, child_id)
        _reserve(cell, spec.name)
        slot = cell
    team.slots[child_id] = slot
    return slot


def _reserve(cell: Cell[Any], name: Name[Any] | Via[Any] | str | None) -> None:
    match name:
        case Name():
            cell.team.runtime.reserve(name.name, cell)
        case Via():
            # Only looked up: the key becomes a life's when the life begins, and goes with it.
            owner = name.find_owner()
            if owner is not None:
                raise AlreadyStarted(cell.path, f"the name {name} is taken by {owner!r}", owner)
        case _:
            pass


def _taken(slot: Slot[Any]) -> AlreadyPresent | AlreadyStarted:
    if slot.status in {Status.DOWN, Status.RESTARTING}:
        advice = "restart_child or delete_child" if slot.status is Status.DOWN else "terminate_child"
        return AlreadyPresent(slot.path, f"{slot.path} is {slot.status.value}; {advice} it")
    message = f"{slot.path} is {slot.status.value} already; its address is the `ref` of this error, or take another id"
    return AlreadyStarted(slot.path, message, address_of(slot))


async def begin_declared(team: Team) -> None:
    """Start the declared children, and those that were kept, in order; the next when the one before has started."""
    team.declared = list_declared(team)
    kept = [slot for slot in team.slots.values() if slot not in team.declared and slot.intent is not Intent.DOWN]
    await team.start_all([*team.declared, *kept])


def list_declared(team: Team) -> tuple[Slot[Any], ...]:
    """List the declared children before all others; those that were forgotten meanwhile, anew."""
    others, team.slots = team.slots, {}
    try:
        for spec, known in zip_longest(team.spec.children, team.declared):
            slot = add_child(team, spec) if known is None or known.is_removed else known
            team.slots[slot.id] = slot
        return tuple(team.slots.values())
    finally:
        for slot in others.values():
            if team.slots.setdefault(slot.id, slot) is not slot:
                slot.remove()

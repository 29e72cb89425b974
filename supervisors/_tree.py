"""A tree at one moment, as values and as a drawing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from supervisors._exit import Exit
from supervisors._spec import AnySpec

if TYPE_CHECKING:
    from supervisors._slot import Slot
    from supervisors._team import Team


@frozen
class ChildCounts:
    """How many children a supervisor has."""

    specs: int
    """All that are listed."""
    active: int
    """Those alive."""
    supervisors: int
    workers: int


@frozen
class Tree:
    """One child, or a whole tree, at one moment. ``str`` of it is a drawing."""

    name: str
    path: str
    kind: str
    """``"supervisor"`` or the actor's class."""
    status: str
    life: int
    """Number of the current life, or of the last one."""
    restarts: int
    queued: int
    """Messages that wait."""
    exit: Exit | None
    """How the last life ended."""
    spec: AnySpec = field(repr=False)
    """How it is made and kept."""
    children: tuple["Tree", ...] = ()

    def __str__(self) -> str:
        return "\n".join([self.line(), *self.draw_children("")])

    def find(self, path: str) -> "Tree | None":
        """The node of that path, or None."""
        if self.path == path:
            return self
        return next((found for child in self.children if (found := child.find(path)) is not None), None)

    def draw_children(self, indent: str) -> Iterator[str]:
        """The lines below this node."""
        for child in self.children:
            is_last = child is self.children[-1]
            yield f"{indent}{'└─ ' if is_last else '├─ '}{child.line()}"
            yield from child.draw_children(indent + ("   " if is_last else "│  "))

    def line(self) -> str:
        """This node alone, as the drawing shows it."""
        notes = [self.status]
        if self.restarts:
            notes.append(f"{self.restarts} restart{'s' if self.restarts > 1 else ''}")
        if self.queued:
            notes.append(f"{self.queued} queued")
        kind = "" if self.kind in {"supervisor", self.name} else f" {self.kind}"
        return f"{self.name}{kind} ({', '.join(notes)})"


def draw_team(team: "Team") -> Tree:
    """Take a picture of a supervisor and everything below it."""
    return Tree(
        name=team.path.rpartition("/")[2],
        path=team.path,
        kind="supervisor",
        status="running" if team.is_open else "down",
        life=1,
        restarts=0,
        queued=0,
        exit=None,
        spec=team.spec,
        children=tuple(draw_slot(slot) for slot in team.slots.values()),
    )


def draw_slot(slot: "Slot[Any]") -> Tree:
    """Take a picture of one child and everything below it."""
    inner: Team | None = getattr(slot, "inner", None)
    actor = getattr(slot.life, "actor", None)
    return Tree(
        name=slot.id,
        path=slot.path,
        kind="supervisor" if inner is not None else type(actor).__name__ if actor is not None else slot.kind,
        status=slot.status.value,
        life=slot.lives,
        restarts=slot.restarts,
        queued=len(getattr(slot, "queue", None) or ()),
        exit=slot.exit,
        spec=slot.spec,
        children=tuple(draw_slot(child) for child in inner.slots.values()) if inner is not None else (),
    )

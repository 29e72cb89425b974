"""A tree at one moment, as values and as a drawing."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

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
    notes: tuple[str, ...] = ()
    """What else the drawing says of it: see `annotate`."""

    def __str__(self) -> str:
        return "\n".join([self.line(), *self.draw_children("")])

    def _repr_html_(self) -> str:
        """Draw it in a notebook."""
        return f"<pre style='line-height:1.25'>{escape(str(self))}</pre>"

    def find(self, path: str) -> "Tree | None":
        """The node of that path, or None."""
        if self.path == path:
            return self
        return next((found for child in self.children if (found := child.find(path)) is not None), None)

    def annotate(self, notes: Mapping[str, Sequence[str]]) -> "Tree":
        """Make the same tree with *notes*, by path: what whoever took the picture knows of its nodes besides."""
        children = tuple(child.annotate(notes) for child in self.children)
        return evolve(self, children=children, notes=tuple(notes.get(self.path, self.notes)))

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
        notes += self.notes
        kind = "" if self.kind in {"supervisor", self.name} else f" {self.kind}"
        return f"{self.name}{kind} ({', '.join(notes)})"


@frozen
class Survey:
    """A supervisor's children in numbers, and a few of them: what a tree of ten thousand is looked at with."""

    is_dynamic: bool
    """The children come and go: one that is stopped is forgotten."""
    statuses: Mapping[str, int]
    """How many children there are in each status."""
    restarts: int
    """Of all children together."""
    queued: int
    """Messages that wait at any of them."""
    children: tuple[Tree, ...]
    """Those that were asked for, without what is below them."""


def survey_team(team: "Team", start: int, count: int) -> Survey:
    """Count the children of a supervisor, and draw *count* of them from *start* on; nothing below them is looked at."""
    slots = tuple(team.slots.values())
    found = [slot.status for slot in slots]
    return Survey(
        is_dynamic=team.spec.dynamic,
        # list.count compares by identity: a Counter would hash each member of the enumeration, in Python.
        statuses={status.value: number for status in type(found[0]) if (number := found.count(status))}
        if found
        else {},
        restarts=sum([slot.restarts for slot in slots]),
        queued=sum([len(queue) for slot in slots if (queue := getattr(slot, "queue", None))]),
        children=tuple(draw_slot(slot, is_deep=False) for slot in slots[start : start + count]),
    )


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


def draw_slot(slot: "Slot[Any]", *, is_deep: bool = True) -> Tree:
    """Take a picture of one child and, if it is to be deep, everything below it."""
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
        children=tuple(draw_slot(child) for child in inner.slots.values()) if inner is not None and is_deep else (),
    )

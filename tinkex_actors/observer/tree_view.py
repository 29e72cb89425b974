"""The trees as the page shows them: only what is open, a page of children at a time, everything else as numbers."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import trio
from attrs import frozen

from supervisors import ChildNotFound, Ref, Supervisor, Survey, Task, Tree
from tinkex_actors.observer.watch import Watch, Watched, write_traceback

PAGE = 100
"""Children shown at once."""
_SMALL = 25
"""A supervisor with no more children than this is open until it is closed."""


@frozen
class Opened:
    """What somebody looks at."""

    opened: frozenset[str] = frozenset()
    """Paths of large supervisors to show the children of."""
    closed: frozenset[str] = frozenset()
    """Paths of small ones not to."""
    starts: Mapping[str, int] = {}
    """From which child on, by path; 0 where it is not said."""


def view_trees(watch: Watch, opened: Opened) -> list[dict[str, Any]]:
    """Describe every watched tree, from its root down to what is open."""
    return [_supervisor(tree, tree.root, None, opened) for tree in list(watch.trees.values())]


def _supervisor(tree: Watched, place: Supervisor, drawn: Tree | None, opened: Opened) -> dict[str, Any]:
    path = tree.inside(place.path)
    is_wanted, start = path in opened.opened, opened.starts.get(path, 0)
    is_unwanted = path in opened.closed
    counted = place.survey(start=start, count=0 if is_unwanted else PAGE if is_wanted else _SMALL)
    total = sum(counted.statuses.values())
    is_open = is_wanted or (total <= _SMALL and not is_unwanted)
    return {
        "path": path,
        "name": path.rpartition("/")[2],
        "kind": "supervisor",
        "status": "running" if drawn is None else drawn.status,
        "life": 1 if drawn is None else drawn.life,
        "restarts": 0 if drawn is None else drawn.restarts,
        "queued": counted.queued,
        "below": {"total": total, "statuses": dict(counted.statuses), "restarts": counted.restarts},
        "is_open": is_open,
        "start": start,
        "children": _children(tree, place, counted, opened) if is_open else [],
    }


def _children(tree: Watched, place: Supervisor, shown: Survey, opened: Opened) -> Sequence[dict[str, Any]]:
    found = list[dict[str, Any]]()
    for drawn in shown.children:
        try:
            child = place.child(drawn.name)
        except ChildNotFound:
            continue  # gone since it was drawn, which cannot be now; harmless if it could
        if isinstance(child, Supervisor):
            found.append(_supervisor(tree, child, drawn, opened))
        else:
            found.append(_leaf(tree, child, drawn))
    return found


def _leaf(tree: Watched, child: "Ref[Any] | Task[Any]", drawn: Tree) -> dict[str, Any]:
    """Describe an actor, or a task: of that there is no more to see than its state."""
    glance = child.snapshot() if isinstance(child, Ref) else None
    return {
        "path": tree.inside(drawn.path),
        "name": drawn.name,
        "kind": drawn.kind,
        "status": "suspended" if glance is not None and glance.is_suspended else drawn.status,
        "life": drawn.life,
        "restarts": drawn.restarts,
        "queued": drawn.queued,
        "operation": None if glance is None else glance.operation,
        "since": None if glance is None or glance.age is None else round(time.time() - glance.age),
        "exit": None if drawn.exit is None else str(drawn.exit),
    }


def parse_opened(opened: Sequence[str], closed: Sequence[str], starts: Sequence[str]) -> Opened:
    """Read what a browser asks to see: paths, paths, and ``number:path``; what makes no sense is left out."""
    pairs = (start.partition(":") for start in starts)
    return Opened(
        frozenset(opened),
        frozenset(closed),
        {path: int(number) for number, _, path in pairs if number.isdecimal() and len(number) < 10},  # noqa: PLR2004 - digits
    )


def view_actor(watch: Watch, path: str, ref: Ref[Any]) -> dict[str, Any]:
    """Describe one actor: where its tasks are, how its last life ended, and what it did since somebody looks."""
    glance = ref.snapshot()
    epoch = time.time() - trio.current_time()
    return {
        "path": path,
        "status": "suspended" if glance.is_suspended else glance.status,
        "life": glance.life,
        "restarts": glance.restarts,
        "queued": glance.queued,
        "dropped": glance.dropped,
        "operation": glance.operation,
        "age": glance.age,
        "stacks": [list(stack) for stack in glance.stacks],
        "exit": None if glance.exit is None else str(glance.exit),
        "traceback": write_traceback(glance.exit),
        "trace": [
            {
                "at": epoch + event.at,
                "operation": event.operation,
                "seconds": getattr(event, "seconds", None),
                "error": getattr(event, "error", None),
            }
            for event in watch.trace(path, ref)
        ],
    }

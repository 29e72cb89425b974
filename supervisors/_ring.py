"""Finding calls that wait for each other, from nothing but where the tasks are parked.

An operation in its turn that waits for a call is a parked task whose ``custom_sleep_data`` is the request; the request
names the actor, the actor names the task that holds its turn. So the ring is found by walking, and nobody has to keep
books. Tasks of nurseries that an operation has open count as its own: it cannot end before they do.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import trio

from supervisors._off_turn import SUSPENDED
from supervisors._reply import Request

if TYPE_CHECKING:
    from supervisors._cell import Cell

_MOST = 1000
"""Tasks looked at per call: beyond that a ring goes undetected, rather than every call paying for a huge nursery."""


def find_ring(cell: "Cell[Any]", caller: trio.lowlevel.Task) -> tuple[str, ...] | None:
    """The paths from *cell* around to the caller's actor, if a call from *caller* to *cell* could never be answered."""
    lineage = {caller, *_ancestors_of(caller)}
    seen: set[Cell[Any]] = set()
    paths: list[tuple[Cell[Any], tuple[str, ...]]] = [(cell, (cell.path,))]
    left = _MOST
    while paths and left > 0:
        here, path = paths.pop()
        holder = None if here.server is None else here.server.turn
        if here in seen or holder is None or holder is SUSPENDED:
            continue
        seen.add(here)
        if holder in lineage:
            return path
        for task in _family_of(holder, left):
            left -= 1
            waiting = task.custom_sleep_data
            if isinstance(waiting, Request):
                paths.append((waiting.cell, (*path, waiting.cell.path)))
    return None


def _ancestors_of(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    nursery = task.parent_nursery
    while nursery is not None:
        yield nursery.parent_task
        nursery = nursery.parent_task.parent_nursery


def _family_of(task: trio.lowlevel.Task, most: int) -> Iterator[trio.lowlevel.Task]:
    """The task, and those of the nurseries it has open, and so on; *most* of them."""
    tasks = [task]
    while tasks and most > 0:
        task = tasks.pop()
        most -= 1
        yield task
        for nursery in task.child_nurseries:
            tasks.extend(nursery.child_tasks)

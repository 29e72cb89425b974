"""Under a clock that jumps, a child that never ends would be waited for until the end of time: end the run instead."""

import inspect
from typing import TYPE_CHECKING

import outcome
import trio

from supervisors._events import ChildStuck, Event

if TYPE_CHECKING:
    from supervisors._life import Life
    from supervisors._team import Team

_PATIENCE = 3600.0
"""Virtual seconds that a killed child may stay. No clean-up in a test takes that long, and none of them is waited for."""


class NeverEnds(BaseException):
    """Unwinds what cannot be cancelled. No exception for those who clean up to catch."""


class StuckGuard:
    """An observer that gives up on children which a supervisor cannot give up on. Only for a run that is to fail of it."""

    def __init__(self) -> None:
        self.stuck: list[str] = []
        """Who would not end, in words."""
        self._root: Team | None = None

    def attend(self, root: "Team") -> None:
        """Guard the tree of *root*."""
        self._root = root

    def notify(self, event: Event, /) -> None:
        """Unwind a child that is reported for the last time."""
        life = self._find(event.path) if isinstance(event, ChildStuck) and event.seconds >= _PATIENCE else None
        if life is None or not isinstance(event, ChildStuck):
            return
        where = " > ".join(event.stacks[0]) if event.stacks else "nowhere"
        self.stuck.append(f"{event.path} is there {event.seconds:g} s after it was killed, in {where}")
        tasks = [task for task in life.tasks() if inspect.getcoroutinestate(task.coro) == inspect.CORO_SUSPENDED]
        for task in tasks:
            trio.lowlevel.reschedule(task, outcome.Error(NeverEnds(event.path)))
        if not tasks:
            raise NeverEnds(event.path)  # its tasks are over, and its end was never noted: nobody is left to unwind

    def _find(self, path: str) -> "Life | None":
        team, life = self._root, None
        for name in path.split("/")[1:]:
            slot = None if team is None else team.slots.get(name)
            team, life = getattr(slot, "inner", None), None if slot is None else slot.life
        return life

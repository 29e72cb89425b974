"""Laws that hold in every tree of supervisors, judged from its events: no model, no knowledge of the actors.

* No child begins a life while it has one.
* No supervisor restarts more often than its limit allows, nor gives up before.
* Of a group that is restarted, nobody begins while anybody's old life lasts.
* When the tree is closed, the children of a static supervisor end in the reverse order of their start.
* No actor finds one of its own assertions wrong.
* A child that crashes, is to be restarted by its policy, and was not told to end, is restarted, or its supervisor gives up.
"""

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from supervisors._events import ChildCrashed, ChildStarted, ChildStopped, Event, RestartScheduled, SupervisorGaveUp
from supervisors._exit import ExitKind, describe
from supervisors._policy import Restart, Strategy
from supervisors._slot import Intent

if TYPE_CHECKING:
    from supervisors._team import Team


class BrokenLaw(AssertionError):
    """The supervisor did what it must never do."""


class Auditor:
    """An observer that notes every law that is broken. Call :meth:`attend` before the first event."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        """In words, in the order in which it was noted."""
        self._root: Team
        self._alive: dict[str, int] = {}
        self._restarts: defaultdict[str, deque[float]] = defaultdict(deque)
        """When each supervisor restarted, in its current life."""
        self._group: defaultdict[str, set[str]] = defaultdict(set)
        """By supervisor: who is to begin, together with others."""
        self._ending: defaultdict[str, set[str]] = defaultdict(set)
        """By supervisor: who has to end before that."""
        self._unanswered: dict[str, ChildCrashed] = {}
        """By child: crashes that something must come of, in the same step."""
        self._stack: list[str] = []
        """Once the tree is being closed: who was alive then, in start order, depth first."""

    def attend(self, root: "Team") -> None:
        """Judge the tree of *root*."""
        self._root = root

    def begin_to_close(self) -> None:
        """From now on nothing happens but that the tree is closed; nothing is starting or stopping yet."""
        if not self._root.is_open:
            return  # it gave up: that may find some of it stopping in an order of their own
        self._stack = [path for path, team in self._walk(self._root) if path in self._alive and not team.spec.dynamic]

    def _walk(self, team: "Team") -> "list[tuple[str, Team]]":
        found: list[tuple[str, Team]] = []
        for slot in team.slots.values():
            inner: Team | None = getattr(slot, "inner", None)
            found += [(slot.path, team), *([] if inner is None or team.spec.dynamic else self._walk(inner))]
        return found

    def notify(self, event: Event, /) -> None:
        """Judge *event*."""
        match event:
            case ChildStarted(path=path, life=life):
                self._note_start(path, life)
            case ChildStopped(path=path, exit=exit_):
                if exit_.kind is ExitKind.SHUTDOWN:
                    self._check_order(path)
                self._note_end(path)
            case ChildCrashed(path=path, exit=exit_):
                if isinstance(exit_.error, AssertionError):
                    self.broken.append(f"{path} failed an assertion: {describe(exit_.error)}")
                self._expect_restart(event, had_started=path in self._alive)
                self._note_end(path)
            case RestartScheduled(at=at, path=path):
                self._unanswered.pop(path, None)
                self._note_restart(at, path)
            case SupervisorGaveUp(at=at, path=path):
                self._note_give_up(at, path)
            case _:
                pass

    def check_end(self) -> list[str]:
        """All that was found, once the tree is gone."""
        self.broken += [f"life {life} of {path} did not end with its tree" for path, life in self._alive.items()]
        self.broken += [
            f"{path} crashed and was not restarted: {event.exit}" for path, event in self._unanswered.items()
        ]
        return self.broken

    # ------------------------------------------------------------------ starts and ends

    def _note_start(self, path: str, life: int) -> None:
        if path in self._alive:
            self.broken.append(f"life {life} of {path} began while life {self._alive[path]} was not over")
        self._alive[path] = life
        parent = _parent(path)
        if path in self._group[parent]:
            self._group[parent].discard(path)
            team = self._find(parent)
            slot = None if team is None else team.slots.get(path.rpartition("/")[2])
            old = self._ending[parent] - {path}
            # One that was terminated meanwhile is no longer of the group: an order up is obeyed at once.
            if old and slot is not None and not slot.is_attended:
                self.broken.append(f"{path} began with its group while an old life lasts of {', '.join(sorted(old))}")

    def _note_end(self, path: str) -> None:
        self._alive.pop(path, None)
        self._ending[_parent(path)].discard(path)
        for memory in (self._restarts, self._group, self._ending):
            memory.pop(path, None)
        if path in self._stack:
            self._stack.remove(path)

    def _check_order(self, path: str) -> None:
        if path in self._stack:
            later = self._stack[self._stack.index(path) + 1 :]
            siblings = [other for other in later if _parent(other) == _parent(path)]
            if siblings:
                self.broken.append(f"{path} was stopped before {siblings[-1]}, which was started later")

    # ------------------------------------------------------------------ restarts

    def _expect_restart(self, event: ChildCrashed, *, had_started: bool) -> None:
        team = self._find(_parent(event.path))
        slot = None if team is None else next((s for s in team.slots.values() if s.path == event.path), None)
        if team is None or slot is None or not team.is_open or slot.intent is not Intent.UP:
            return
        if slot.restart is not Restart.TEMPORARY and (had_started or not slot.is_attended):
            self._unanswered[event.path] = event

    def _note_restart(self, at: float, path: str) -> None:
        parent = _parent(path)
        team = self._find(parent)
        if team is None:
            return
        count = self._count_restarts(team, at) + 1
        self._restarts[parent].append(at)
        if count > team.spec.max_restarts:
            self.broken.append(f"{parent} restarted {path} beyond {_limit(team)}")
        if team.spec.strategy is not Strategy.ONE_FOR_ONE:
            self._note_group(team, path)

    def _note_group(self, team: "Team", path: str) -> None:
        order = [slot for slot in team.slots.values() if slot.intent is not Intent.DOWN]
        paths = [slot.path for slot in order]
        if team.spec.strategy is Strategy.REST_FOR_ONE:
            paths = paths[paths.index(path) :]
        self._group[team.path].update(paths)
        self._ending[team.path].update(each for each in paths if each in self._alive)

    def _note_give_up(self, at: float, path: str) -> None:
        team = self._find(path)
        if team is not None and self._count_restarts(team, at) < team.spec.max_restarts:
            self.broken.append(f"{path} gave up below {_limit(team)}")
        for child in [child for child in self._unanswered if _parent(child) == path]:
            del self._unanswered[child]

    def _count_restarts(self, team: "Team", now: float) -> int:
        times = self._restarts[team.path]
        while times and now - times[0] > team.spec.max_seconds:
            times.popleft()
        return len(times)

    def _find(self, path: str) -> "Team | None":
        team: Team | None = self._root
        for name in path.split("/")[1:]:
            slot = None if team is None else team.slots.get(name)
            team = getattr(slot, "inner", None)
        return team


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _limit(team: "Team") -> str:
    return f"its limit of {team.spec.max_restarts} in {team.spec.max_seconds:g} s"

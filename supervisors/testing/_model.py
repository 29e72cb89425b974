"""A tree on paper: what must happen, without a task, a clock or a queue.

The model is told orders and faults, and that time passes; it says which children are in which life, what they did and
how every order was answered. ``_model_team`` is one supervisor of it; here is what they share: time, and whom an order is
for.
"""

import math
from collections.abc import Iterator

from supervisors._exit import ExitKind
from supervisors.testing._model_team import TeamModel
from supervisors.testing._table import (
    ROOT,
    Listed,
    ModelChild,
    Order,
    Page,
    Phase,
    Plan,
    StartTeam,
    Wish,
    read_diary,
)

Row = tuple[str, str, int, int]
"""Name, status, life and restarts of one child."""


class SupervisorModel:
    """A root supervisor and what is below it."""

    def __init__(self, spec: StartTeam) -> None:
        self.page = Page()
        self.root = TeamModel(spec, self.page)
        self.replies: dict[int, str] = {}
        """To calls, by number, where they are certain: ``"ok"`` or the name of the error."""
        self._unordered: frozenset[str] = frozenset()
        self.root.open()
        self._settle()

    # ------------------------------------------------------------------ orders

    def start(self, number: int, spec: Listed) -> None:
        """Order the start of a new child."""
        for actor in spec.children if isinstance(spec, StartTeam) else (spec,):
            self.page.plans[actor.child] = actor.plan
        team = self._team(number, spec.under)
        if team is None or self._is_refused(number, team, spec):
            return
        child = ModelChild(spec, TeamModel(spec, self.page) if isinstance(spec, StartTeam) else None)
        if isinstance(spec, StartTeam) and spec.is_dynamic:
            self._unordered |= {spec.child}
        team.children[child.id] = child
        team.starts.append(Order(number, child, is_first_start=True))
        team.begin(child, is_attended=True)
        self._settle()

    def _is_refused(self, number: int, team: TeamModel, spec: Listed) -> bool:
        known = team.children.get(spec.child)
        most = team.spec.max_children
        if known is not None:
            is_there = team.status(known) not in {"down", "restarting"}
            self.page.answers[number] = "AlreadyStarted" if is_there else "AlreadyPresent"
        elif most is not None and len(team.children) >= most:
            self.page.answers[number] = "TooManyChildren"
        return number in self.page.answers

    def terminate(self, number: int, child_id: str, under: str) -> None:
        """Order a child down."""
        found = self._find_for(number, child_id, under)
        if found is not None:
            team, child = found
            team.end_group_of(child)
            child.wish, child.pause_until = Wish.DOWN, math.inf
            team.stops.append(Order(number, child))
            team.ask_stop(child)
            self._settle()

    def restart(self, number: int, child_id: str, under: str) -> None:
        """Order a child that is down up again."""
        found = self._find_down(number, child_id, under)
        if found is not None:
            team, child = found
            team.starts.append(Order(number, child, wish_before=child.wish))
            team.begin(child, is_attended=True)
            self._settle()

    def delete(self, number: int, child_id: str, under: str) -> None:
        """Order a child that is down off the list."""
        found = self._find_down(number, child_id, under)
        if found is not None:
            team, child = found
            team.forget(child)
            self.page.answers[number] = "ok"

    def stop_team(self, child_id: str) -> None:
        """A supervisor is told to stop by somebody who is not its parent."""
        child = self.root.children.get(child_id)
        if child is not None and child.inner is not None:
            child.inner.close()
            self._settle()

    def close(self) -> None:
        """Leave the supervisor's block."""
        self.root.close()
        self._settle()

    def call(self, number: int, child_id: str) -> None:
        """Ask a child something. Between two lives any answer may come, but one must; before the first, none can be asked."""
        found = self.find(child_id)
        if found is None:
            return
        team, child = found
        if child.phase is Phase.RUNNING:
            self.replies[number] = "ok"
        elif child.life and team.is_open and team.status(child) == "down":
            self.replies[number] = "ActorNotAlive"

    # ------------------------------------------------------------------ faults and time

    def end_child(self, child_id: str, kind: ExitKind) -> None:
        """An actor ends by itself: it finishes, crashes, or is killed. It must be there to."""
        found = self.find(child_id)
        if found is not None:
            team, child = found
            if kind is ExitKind.KILLED:
                team.end_life(child, kind)
            else:
                team.wind_down(child, kind)
            self._settle()

    def change_plan(self, child_id: str, plan: Plan) -> None:
        """From its next start or stop on, an actor does otherwise."""
        if child_id in self.page.plans:
            self.page.plans[child_id] = plan

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        target = self.page.now + seconds
        while self.root.next_time() <= target:
            self.page.now = self.root.next_time()
            self._settle()
            if not self.is_open:
                return
        self.page.now = target

    def finish(self) -> None:
        """Let the time pass that closing takes."""
        while self.root.next_time() < math.inf:
            self.page.now = self.root.next_time()
            self._settle()

    def _settle(self) -> None:
        while self.root.step():
            pass

    # ------------------------------------------------------------------ looking

    @property
    def is_open(self) -> bool:
        """Whether the root still takes orders."""
        return self.root.is_open

    @property
    def diary(self) -> tuple[str, ...]:
        """What the actors did, in order."""
        return read_diary(self.page.diary, self._unordered)

    def actors(self) -> list[ModelChild]:
        """All that are no supervisors, in order."""
        return [child for _, child in self._walk(self.root) if child.inner is None]

    def teams(self) -> list[ModelChild]:
        """The supervisors below the root, in order."""
        return [child for child in self.root.children.values() if child.inner is not None]

    def find(self, child_id: str) -> tuple[TeamModel, ModelChild] | None:
        """A child, wherever it is, and its supervisor."""
        return next(((team, child) for team, child in self._walk(self.root) if child.id == child_id), None)

    def is_busy(self, child_id: str) -> bool:
        """Whether a child is neither simply up nor simply down."""
        found = self.find(child_id)
        return found is not None and found[0].status(found[1]) not in {"running", "down"}

    def list_children(self) -> tuple[Row, ...]:
        """A row for each child, depth first in start order."""
        return tuple((c.id, team.status(c), c.life, c.restarts) for team, c in self._walk(self.root))

    def _walk(self, team: TeamModel) -> Iterator[tuple[TeamModel, ModelChild]]:
        for child in team.children.values():
            yield team, child
            if child.inner is not None:
                yield from self._walk(child.inner)

    def _team(self, number: int, name: str) -> TeamModel | None:
        """The supervisor that an order is given to, if it takes any."""
        team: TeamModel | None = self.root
        if name != ROOT:
            child = self.root.children.get(name)
            team = None if child is None else child.inner
        if team is None or not team.is_open:
            self.page.answers[number] = "ChildNotFound" if team is None else "SupervisorStopped"
            return None
        return team

    def _find_for(self, number: int, child_id: str, under: str) -> tuple[TeamModel, ModelChild] | None:
        team = self._team(number, under)
        child = None if team is None else team.children.get(child_id)
        if team is None or child is None:
            self.page.answers.setdefault(number, "ChildNotFound")
            return None
        return team, child

    def _find_down(self, number: int, child_id: str, under: str) -> tuple[TeamModel, ModelChild] | None:
        found = self._find_for(number, child_id, under)
        if found is not None:
            status = found[0].status(found[1])
            if status != "down":
                self.page.answers[number] = "ChildRestarting" if status == "restarting" else "ChildRunning"
                return None
        return found

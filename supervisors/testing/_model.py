"""A supervisor on paper: what must happen, without a task, a clock or a queue.

The model is told orders and faults, and that time passes; it says which children are in which life, what they did and
how every order was answered. It shares no code with the supervisor but the restart table and the nouns, and it is
sequential: whatever is under way is a row in a table, with the time at which it is over.

What takes time takes it by :class:`Plan`. Two things must not fall on one instant, for trio may then do either first:
durations come from ``list_odd_times``, whose sums never meet.
"""

import math

from attrs import define, evolve, field

from supervisors._exit import ExitKind
from supervisors._spec import AutoShutdown, Restart, Strategy
from supervisors.testing._table import ModelChild, Order, Phase, Wish

_CLEAN = {ExitKind.NORMAL, ExitKind.SHUTDOWN}


@define
class SupervisorModel:
    """A static supervisor and its children."""

    strategy: Strategy
    max_restarts: int
    max_seconds: float
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    now: float = 0.0
    children: dict[str, ModelChild] = field(factory=dict[str, ModelChild])
    """In start order."""
    diary: list[str] = field(factory=list[str])
    """What the children did."""
    answers: dict[int, str] = field(factory=dict[int, str])
    """By number of the order: ``"ok"`` or the name of the error."""
    replies: dict[int, str] = field(factory=dict[int, str])
    """To calls, by number, where they are certain: ``"ok"`` or the name of the error."""
    is_open: bool = True
    has_given_up: bool = False
    _times: list[float] = field(factory=list[float])
    _group: list[ModelChild] = field(factory=list[ModelChild])
    """To begin a new life, together."""
    _old: ModelChild | None = None
    """Whose end the group waits for."""
    _last_ones: list[ModelChild] = field(factory=list[ModelChild])
    """To be stopped at the end, in this order."""
    _starts: list[Order] = field(factory=list[Order])
    _stops: list[Order] = field(factory=list[Order])

    # ------------------------------------------------------------------ orders

    def start_child(self, number: int, child: ModelChild) -> None:
        """Order the start of a new child."""
        known = self.children.get(child.id)
        if known is not None:
            is_there = self.status(known) not in {"down", "restarting"}
            self.answers[number] = "AlreadyStarted" if is_there else "AlreadyPresent"
            return
        self.children[child.id] = child
        self._starts.append(Order(number, child, is_first_start=True))
        self._begin(child, is_attended=True)
        self._settle()

    def terminate_child(self, number: int, child_id: str) -> None:
        """Order a child down."""
        child = self.children.get(child_id)
        if child is None:
            self.answers[number] = "ChildNotFound"
            return
        if self._group and self._first() is child and self._find_old() is None:
            for other in self._group:
                other.pause_until = math.inf
            self._group.clear()
        self._leave_group(child)
        child.wish, child.pause_until = Wish.DOWN, math.inf
        self._stops.append(Order(number, child))
        self._ask_stop(child)
        self._settle()

    def restart_child(self, number: int, child_id: str) -> None:
        """Order a child that is down up again."""
        child = self._find_down(number, child_id)
        if child is not None:
            self._starts.append(Order(number, child, wish_before=child.wish))
            self._begin(child, is_attended=True)
            self._settle()

    def delete_child(self, number: int, child_id: str) -> None:
        """Order a child that is down off the list."""
        child = self._find_down(number, child_id)
        if child is not None:
            del self.children[child_id]
            self.answers[number] = "ok"

    def close(self) -> None:
        """Leave the supervisor's block."""
        self._stop_all()
        self._settle()

    def _find_down(self, number: int, child_id: str) -> ModelChild | None:
        child = self.children.get(child_id)
        status = "absent" if child is None else self.status(child)
        if status == "down":
            return child
        self.answers[number] = {"absent": "ChildNotFound", "restarting": "ChildRestarting"}.get(status, "ChildRunning")
        return None

    def call(self, number: int, child_id: str) -> None:
        """Ask a child something. Between two lives any answer may come, but one must."""
        child = self.children.get(child_id)
        if child is not None and child.phase is Phase.RUNNING:
            self.replies[number] = "ok"
        elif child is not None and self.status(child) == "down":
            self.replies[number] = "ActorNotAlive"

    # ------------------------------------------------------------------ faults and time

    def end_child(self, child_id: str, kind: ExitKind) -> None:
        """A child ends by itself: it finishes, crashes, or is killed. It must be there to."""
        child = self.children[child_id]
        if kind is ExitKind.KILLED:
            self._end_life(child, kind)
        else:
            self._wind_down(child, kind)
        self._settle()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        target = self.now + seconds
        while self._next_time() <= target:
            self.now = self._next_time()
            self._settle()
            if not self.is_open:
                return
        self.now = target

    def finish(self) -> None:
        """Let the time pass that closing takes."""
        while self._next_time() < math.inf:
            self.now = self._next_time()
            self._settle()

    def _next_time(self) -> float:
        return min((min(child.until, child.pause_until) for child in self.children.values()), default=math.inf)

    # ------------------------------------------------------------------ looking

    def status(self, child: ModelChild) -> str:
        """The word by which the child is listed."""
        match child.phase:
            case Phase.DOWN:
                return "restarting" if child in self._group or child.pause_until < math.inf else "down"
            case Phase.STARTING:
                return "starting" if child.is_attended else "restarting"
            case Phase.RUNNING:
                return "running"
            case Phase.STOPPING:
                return "stopping"

    def list_children(self) -> tuple[tuple[str, str, int, int], ...]:
        """Id, status, life and restarts of each, in start order."""
        return tuple((c.id, self.status(c), c.life, c.restarts) for c in self.children.values())

    # ------------------------------------------------------------------ one life

    def _begin(self, child: ModelChild, *, is_attended: bool) -> None:
        child.life += 1
        child.phase, child.wish, child.is_attended = Phase.STARTING, Wish.UP, is_attended
        child.until, child.pause_until = self.now + child.plan.start_takes, math.inf
        plan = child.plan
        child.end, child.has_declined = None, False
        if plan.failing_starts:
            child.end, child.plan = ExitKind.CRASHED, evolve(plan, failing_starts=plan.failing_starts - 1)
        elif plan.declines:
            child.end, child.plan = ExitKind.NORMAL, evolve(plan, declines=plan.declines - 1)

    def _ask_stop(self, child: ModelChild) -> None:
        match child.phase:
            case Phase.STARTING:
                self._end_life(child, ExitKind.SHUTDOWN)
            case Phase.RUNNING:
                self._wind_down(child, ExitKind.KILLED if child.shutdown is None else ExitKind.SHUTDOWN)
            case Phase.DOWN | Phase.STOPPING:
                pass

    def _wind_down(self, child: ModelChild, kind: ExitKind) -> None:
        if child.shutdown is None:
            self._end_life(child, kind)
            return
        is_late = child.plan.stop_takes > child.shutdown
        child.phase = Phase.STOPPING
        child.until = self.now + (child.shutdown if is_late else child.plan.stop_takes)
        child.end = ExitKind.KILLED if is_late else ExitKind.CRASHED if child.plan.stop_fails else kind

    def _end_phase(self, child: ModelChild) -> None:
        child.until = math.inf
        if child.phase is Phase.STOPPING:
            if child.end is not ExitKind.KILLED:
                self.diary.append(f"{child.id} stops")
            self._end_life(child, child.end or ExitKind.NORMAL)
        elif child.end is None:
            self.diary.append(f"{child.id} starts")
            child.phase = Phase.RUNNING
        else:
            child.has_declined = child.end is ExitKind.NORMAL
            self.diary.append(f"{child.id} {'declines' if child.has_declined else 'fails'}")
            self._end_life(child, child.end)

    def _end_life(self, child: ModelChild, kind: ExitKind) -> None:
        was_start = child.phase is Phase.STARTING
        child.phase, child.until = Phase.DOWN, math.inf
        if was_start and child.is_attended:
            return
        if child.wish is not Wish.UP or not self.is_open:
            if child.wish is Wish.REPLACE and child.restart is Restart.TEMPORARY:
                self._forget(child)
        elif not child.has_declined and self._comes_back(child, kind):
            self._restart(child)
        else:
            self._leave_group(child)
            if child.restart is Restart.TEMPORARY:
                self._forget(child)
            if not was_start:
                self._check_significant(child)

    def _comes_back(self, child: ModelChild, kind: ExitKind) -> bool:
        return child.restart is Restart.PERMANENT or (child.restart is Restart.TRANSIENT and kind not in _CLEAN)

    def _check_significant(self, child: ModelChild) -> None:
        if child.is_significant:
            others = [other for other in self.children.values() if other.is_significant]
            is_last = all(self.status(other) == "down" for other in others)
            if is_last or self.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT:
                self._stop_all()

    def _forget(self, child: ModelChild) -> None:
        self._leave_group(child)
        self.children = {name: other for name, other in self.children.items() if other is not child}

    # ------------------------------------------------------------------ restarts

    def _restart(self, child: ModelChild) -> None:
        self._times = [time for time in self._times if self.now - time <= self.max_seconds]
        self._times.append(self.now)
        if len(self._times) > self.max_restarts:
            self.has_given_up = True
            self._stop_all()
            return
        child.restarts += 1
        if child.pause:
            child.pause_until = self.now + child.pause
        if self.strategy is not Strategy.ONE_FOR_ONE:
            self._restart_group(child)
        elif not child.pause:
            self._begin(child, is_attended=False)

    def _restart_group(self, child: ModelChild) -> None:
        order = list(self.children.values())
        if self.strategy is Strategy.REST_FOR_ONE:
            order = order[order.index(child) :]
        order = [other for other in order if other.wish is not Wish.DOWN]
        self._group = [other for other in self.children.values() if other in order or other in self._group]
        for other in order:
            if other.phase is not Phase.DOWN and other.wish is Wish.UP:
                other.wish = Wish.REPLACE
                if other.phase is Phase.STARTING:
                    self._end_life(other, ExitKind.SHUTDOWN)

    def _leave_group(self, child: ModelChild) -> None:
        if child in self._group:
            self._group.remove(child)

    def _first(self) -> ModelChild:
        return next(child for child in self.children.values() if child in self._group)

    def _find_old(self) -> ModelChild | None:
        order = list(self.children.values())
        if self.strategy is Strategy.REST_FOR_ONE:
            order = order[order.index(self._first()) :]
        old = [child for child in order if child.phase is not Phase.DOWN and child.wish is not Wish.UP]
        return old[-1] if old else None

    # ------------------------------------------------------------------ until nothing happens any more

    def _settle(self) -> None:
        while self._step():
            pass

    def _step(self) -> bool:
        """Do one thing that needs no time. Returns whether there was one."""
        for child in self.children.values():
            if child.until <= self.now:
                self._end_phase(child)
                return True
            if child.pause_until <= self.now:
                self._end_pause(child)
                return True
        return self._answer_one() or (self._step_group() if self.is_open else self._step_stop())

    def _end_pause(self, child: ModelChild) -> None:
        child.pause_until = math.inf
        if self.strategy is Strategy.ONE_FOR_ONE:
            self._begin(child, is_attended=False)

    def _step_group(self) -> bool:
        if self._old is not None and self._old.phase is not Phase.DOWN:
            return False
        self._old = None
        if not self._group or any(child.phase is Phase.STARTING for child in self._group):
            return False
        self._old = self._find_old()
        if self._old is not None:
            self._ask_stop(self._old)
            return True
        first = self._first()
        if first.pause_until < math.inf:
            return False
        if first.phase is Phase.DOWN:
            self._begin(first, is_attended=False)
        else:
            self._group.remove(first)
        return True

    def _stop_all(self) -> None:
        self.is_open = False
        self._old = None
        for child in self.children.values():
            child.pause_until = math.inf
        self._last_ones = [child for child in reversed(self.children.values()) if child.phase is not Phase.DOWN]
        for child in self._last_ones:
            if child.phase is Phase.STARTING:
                child.wish = Wish.REPLACE
                self._ask_stop(child)

    def _step_stop(self) -> bool:
        while self._last_ones and self._last_ones[0].phase is Phase.DOWN:
            del self._last_ones[0]
        if not self._last_ones:
            had_group, self._group = bool(self._group), []
            return had_group
        child = self._last_ones[0]
        child.wish = Wish.REPLACE
        is_asked = child.phase is Phase.STOPPING
        self._ask_stop(child)
        return not is_asked

    def _answer_one(self) -> bool:
        for order in self._stops:
            if order.child.phase is Phase.DOWN:
                self._stops.remove(order)
                self.answers[order.number] = "ok"
                if order.child.restart is Restart.TEMPORARY:
                    self._forget(order.child)
                return True
        return any(order.child.phase is not Phase.STARTING and self._answer_start(order) for order in self._starts)

    def _answer_start(self, order: Order) -> bool:
        if order.child.phase is Phase.DOWN and order.child in self._group:
            return False
        self._starts.remove(order)
        child = order.child
        has_failed = child.phase is Phase.DOWN and not child.has_declined
        self.answers[order.number] = "StartError" if has_failed else "ok"
        if has_failed:
            child.wish = order.wish_before
        if (has_failed and order.is_first_start) or (child.has_declined and child.restart is Restart.TEMPORARY):
            self._forget(child)
        return True

"""One supervisor on paper: its children, and what it does about them, without a task, a clock or a queue.

It shares no code with the supervisor but the nouns, and it is sequential: whatever is under way is a row in a table, with
the time at which it is over. A child may be a supervisor, with a table of its own.

What takes time takes it by :class:`Plan`. Two things must not fall on one instant, for trio may then do either first:
durations come from ``list_odd_times``, whose sums never meet.
"""

import math

from attrs import define, evolve, field

from supervisors._exit import ExitKind
from supervisors._policy import AutoShutdown, Restart, Strategy
from supervisors.testing._table import Entry, ModelChild, Order, Page, Phase, StartChild, StartTeam, Wish

_CLEAN = {ExitKind.NORMAL, ExitKind.SHUTDOWN}


@define(eq=False)
class TeamModel:
    """A supervisor and its children, over its lives."""

    spec: StartTeam
    page: Page
    children: dict[str, ModelChild] = field(factory=dict[str, ModelChild])
    """In start order."""
    starts: list[Order] = field(factory=list[Order])
    stops: list[Order] = field(factory=list[Order])
    is_open: bool = False
    is_ready: bool = False
    """In this life, all declared children have started."""
    is_over: bool = True
    has_given_up: bool = False
    has_failed: bool = False
    """It gave up, or a declared child did not start."""
    _declared: list[ModelChild] = field(factory=list[ModelChild])
    _due: list[ModelChild] = field(factory=list[ModelChild])
    """Declared children to be started."""
    _current: ModelChild | None = None
    """The one whose start is under way."""
    _times: list[float] = field(factory=list[float])
    _group: list[ModelChild] = field(factory=list[ModelChild])
    """To begin a new life, together."""
    _old: ModelChild | None = None
    """Whose end the group waits for."""
    _last_ones: list[ModelChild] = field(factory=list[ModelChild])
    """To be stopped at the end, in this order."""

    # ------------------------------------------------------------------ its own life

    def open(self) -> None:
        """Begin a life: list the declared children, and start them in order."""
        self.is_open, self.is_ready, self.is_over = True, False, False
        self.has_given_up = self.has_failed = False
        self._times.clear()
        known: list[ModelChild | None] = [*self._declared] or [None] * len(self.spec.children)
        self._declared = [
            ModelChild(spec) if child is None or child.is_removed else child
            for spec, child in zip(self.spec.children, known, strict=True)
        ]
        self.children = {child.id: child for child in self._declared}
        self._due = list(self._declared)

    def close(self) -> None:
        """Stop the children, and end. Nothing if that is under way."""
        if not self.is_open:
            return
        if self._current is not None:
            self.leave_group(self._current)
        self.is_open, self._old, self._current = False, None, None
        self._due.clear()
        for child in self.children.values():
            child.pause_until = math.inf
        self._last_ones = [child for child in reversed(self.children.values()) if child.phase is not Phase.DOWN]
        for child in self._last_ones:
            if child.is_starting:
                child.wish = Wish.REPLACE
                self.ask_stop(child)

    def next_time(self) -> float:
        """When something happens by itself."""
        times = [min(child.until, child.pause_until) for child in self.children.values()]
        times += [child.inner.next_time() for child in self.children.values() if child.inner is not None]
        return min(times, default=math.inf)

    def status(self, child: ModelChild) -> str:
        """The word by which the child is listed."""
        match child.phase:
            case Phase.DOWN if child in self._due:
                return "starting"
            case Phase.DOWN:
                return "restarting" if child in self._group or child.pause_until < math.inf else "down"
            case Phase.STARTING:
                return "starting" if child.is_attended else "restarting"
            case Phase.RUNNING:
                return "running"
            case Phase.STOPPING:
                return "stopping"

    # ------------------------------------------------------------------ one life of a child

    def begin(self, child: ModelChild, *, is_attended: bool) -> None:
        """Begin a life of *child*; *is_attended* if somebody waits for it and is told if it fails."""
        child.life += 1
        child.phase, child.wish, child.is_attended, child.is_ready = Phase.STARTING, Wish.UP, is_attended, False
        child.pause_until, child.end, child.has_declined = math.inf, None, False
        if child.inner is not None:
            child.inner.open()
            return
        plan = self.page.plans[child.id]
        child.until = self.page.now + plan.start_takes
        if plan.failing_starts:
            child.end, plan = ExitKind.CRASHED, evolve(plan, failing_starts=plan.failing_starts - 1)
        elif plan.declines:
            child.end, plan = ExitKind.NORMAL, evolve(plan, declines=plan.declines - 1)
        self.page.plans[child.id] = plan

    def ask_stop(self, child: ModelChild) -> None:
        """Order *child* to stop, whatever it does."""
        if child.inner is not None:
            child.inner.close()
        elif child.phase is Phase.STARTING:
            self.end_life(child, ExitKind.SHUTDOWN)
        elif child.phase is Phase.RUNNING and isinstance(child.spec, StartChild):
            self.wind_down(child, ExitKind.KILLED if child.spec.shutdown is None else ExitKind.SHUTDOWN)

    def wind_down(self, child: ModelChild, kind: ExitKind) -> None:
        """Have a running actor tidy up, and end so."""
        budget = child.spec.shutdown if isinstance(child.spec, StartChild) else None
        if budget is None:
            self.end_life(child, kind)
            return
        plan = self.page.plans[child.id]
        is_late = plan.stop_takes > budget
        child.phase = Phase.STOPPING
        child.until = self.page.now + min(budget, plan.stop_takes)
        child.end = ExitKind.KILLED if is_late else ExitKind.CRASHED if plan.stop_fails else kind

    def _end_phase(self, child: ModelChild) -> None:
        child.until = math.inf
        if child.phase is Phase.STOPPING:
            if child.end is not ExitKind.KILLED:
                self._write(f"{child.id} stops")
            self.end_life(child, child.end or ExitKind.NORMAL)
        elif child.end is None:
            self._write(f"{child.id} starts")
            child.phase, child.is_ready = Phase.RUNNING, True
        else:
            child.has_declined = child.end is ExitKind.NORMAL
            self._write(f"{child.id} {'declines' if child.has_declined else 'fails'}")
            self.end_life(child, child.end)

    def _write(self, text: str) -> None:
        self.page.diary.append(Entry(self.page.now, self.spec.child, text))

    def end_life(self, child: ModelChild, kind: ExitKind) -> None:
        """The life is over: look up what comes next."""
        child.phase, child.until = Phase.DOWN, math.inf
        if not child.is_ready and child.is_attended:
            return
        if child.wish is not Wish.UP or not self.is_open:
            if child.wish is Wish.REPLACE and child.restart is Restart.TEMPORARY:
                self.forget(child)
        elif not child.has_declined and self._comes_back(child, kind):
            self._restart(child)
        else:
            self.lay_off(child)
            if child.is_ready:
                self._check_significant(child)

    def _comes_back(self, child: ModelChild, kind: ExitKind) -> bool:
        return child.restart is Restart.PERMANENT or (child.restart is Restart.TRANSIENT and kind not in _CLEAN)

    def _check_significant(self, child: ModelChild) -> None:
        if child.spec.is_significant:
            others = [other for other in self.children.values() if other.spec.is_significant]
            is_last = all(self.status(other) == "down" for other in others)
            if is_last or self.spec.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT:
                self.close()

    def lay_off(self, child: ModelChild) -> None:
        """Keep the child listed as down, or forget it if it is of those."""
        self.leave_group(child)
        if self.spec.is_dynamic or child.restart is Restart.TEMPORARY:
            self.forget(child)

    def forget(self, child: ModelChild) -> None:
        """Take the child off the list for good, and all of its own."""
        self.leave_group(child)
        child.is_removed = True
        self.children = {name: other for name, other in self.children.items() if other is not child}

    # ------------------------------------------------------------------ restarts

    def _restart(self, child: ModelChild) -> None:
        now = self.page.now
        self._times = [time for time in self._times if now - time <= self.spec.max_seconds]
        self._times.append(now)
        if len(self._times) > self.spec.max_restarts:
            self.has_given_up = self.has_failed = True
            self.close()
            return
        child.restarts += 1
        pause = child.spec.pause if isinstance(child.spec, StartChild) else 0.0
        if pause:
            child.pause_until = now + pause
        if self.spec.strategy is not Strategy.ONE_FOR_ONE:
            self._restart_group(child)
        elif not pause:
            self.begin(child, is_attended=False)

    def _restart_group(self, child: ModelChild) -> None:
        order = list(self.children.values())
        if self.spec.strategy is Strategy.REST_FOR_ONE:
            order = order[order.index(child) :]
        order = [other for other in order if other.wish is not Wish.DOWN and other not in self._due]
        self._group = [other for other in self.children.values() if other in order or other in self._group]
        for other in order:
            if other.phase is not Phase.DOWN and other.wish is Wish.UP:
                other.wish = Wish.REPLACE
                if other.is_starting:
                    self.ask_stop(other)

    def leave_group(self, child: ModelChild) -> None:
        """The child is not to begin a new life with others."""
        if child in self._group:
            self._group.remove(child)

    def end_group_of(self, child: ModelChild) -> None:
        """The child will not begin: if its group waits for just that, the others will not either."""
        if child in self._due:
            self._due.remove(child)
        if self._group and self._first() is child and self._find_old() is None:
            for other in self._group:
                other.pause_until = math.inf
            self._group.clear()
        self.leave_group(child)

    def _first(self) -> ModelChild:
        return next(child for child in self.children.values() if child in self._group)

    def _find_old(self) -> ModelChild | None:
        order = list(self.children.values())
        if self.spec.strategy is Strategy.REST_FOR_ONE:
            order = order[order.index(self._first()) :]
        old = [child for child in order if child.phase is not Phase.DOWN and child.wish is not Wish.UP]
        return old[-1] if old else None

    # ------------------------------------------------------------------ one thing at a time

    def step(self) -> bool:
        """Do one thing that needs no time. Returns whether there was one."""
        for child in self.children.values():
            if child.inner is not None and self._step_inner(child, child.inner):
                return True
            if child.until <= self.page.now:
                self._end_phase(child)
                return True
            if child.pause_until <= self.page.now:
                self._end_pause(child)
                return True
        if self._answer_one():
            return True
        return self._step_start() or self._step_group() if self.is_open else self._step_stop()

    def _step_inner(self, child: ModelChild, inner: "TeamModel") -> bool:
        """See how far a supervisor among the children is."""
        if inner.step():
            return True
        if child.phase is Phase.STARTING and inner.is_ready:
            child.phase, child.is_ready = Phase.RUNNING, True
        elif child.phase is not Phase.DOWN and inner.is_over:
            self.end_life(child, ExitKind.CRASHED if inner.has_failed else ExitKind.SHUTDOWN)
        elif child.phase in {Phase.STARTING, Phase.RUNNING} and not inner.is_open:
            child.phase = Phase.STOPPING
        else:
            return False
        return True

    def _step_start(self) -> bool:
        """Start the declared children, each when the one before has started."""
        child = self._current
        if child is None and self._due:
            self._current = self._due.pop(0)
            self.begin(self._current, is_attended=True)
        elif child is None:
            if self.is_ready:
                return False
            self.is_ready = True
        elif child.is_ready:
            self._current = None
        elif child.phase is Phase.DOWN and child not in self._group:
            self._current = None
            if child.has_declined:
                self.lay_off(child)
            else:
                self.has_failed = True
                self.close()
        else:
            return False
        return True

    def _end_pause(self, child: ModelChild) -> None:
        child.pause_until = math.inf
        if self.spec.strategy is Strategy.ONE_FOR_ONE:
            self.begin(child, is_attended=False)

    def _step_group(self) -> bool:
        if self._old is not None and self._old.phase is not Phase.DOWN:
            return False
        self._old = None
        if not self._group or any(child.is_starting and child.wish is Wish.UP for child in self._group):
            return False
        self._old = self._find_old()
        if self._old is not None:
            self.ask_stop(self._old)
            return True
        first = self._first()
        if first.pause_until < math.inf:
            return False
        if first.phase is Phase.DOWN:
            self.begin(first, is_attended=False)
        else:
            self._group.remove(first)
        return True

    def _step_stop(self) -> bool:
        if self.is_over:
            return False
        self._last_ones = [child for child in self._last_ones if child.phase is not Phase.DOWN]
        for child in self._last_ones if self.spec.is_dynamic else self._last_ones[:1]:
            if child.wish is not Wish.REPLACE or child.phase is Phase.RUNNING:
                child.wish = Wish.REPLACE
                self.ask_stop(child)
                return True
        if self._last_ones:
            return False
        self._group.clear()
        self.is_over = True
        for child in [child for child in self.children.values() if child not in self._declared]:
            self.forget(child)
        return True

    def _answer_one(self) -> bool:
        for order in self.stops:
            if order.child.phase is Phase.DOWN:
                self.stops.remove(order)
                self.page.answers[order.number] = "ok"
                if not order.child.is_removed:
                    self.lay_off(order.child)
                return True
        return any(not order.child.is_starting and self._answer_start(order) for order in self.starts)

    def _answer_start(self, order: Order) -> bool:
        child = order.child
        if child.phase is Phase.DOWN and child in self._group:
            return False
        self.starts.remove(order)
        has_failed = not child.is_ready and not child.has_declined
        self.page.answers[order.number] = "StartError" if has_failed else "ok"
        if has_failed:
            child.wish = order.wish_before
        if has_failed and order.is_first_start:
            self.forget(child)
        elif child.has_declined:
            self.lay_off(child)
        return True

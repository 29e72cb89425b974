"""One place under a supervisor, over many lives: what stays when a child is restarted.

A slot keeps the child's spec, its path, how many lives it had and how the last one ended. Its supervisor begins lives
and is told when they end; everybody else waits here.
"""

import traceback
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import trio

from supervisors._events import ChildKilled, ChildStarted, ChildStuck, Event
from supervisors._exit import Exit, ExitKind
from supervisors._life import Life
from supervisors._policy import BRUTAL_KILL, Restart
from supervisors._restart import wants_restart
from supervisors._spec import AnySpec

if TYPE_CHECKING:
    from supervisors._team import Team
    from supervisors._timer import HeapTimer

S = TypeVar("S", bound=AnySpec)


_EXITS_KEPT = 8
"""Exits of earlier lives that are remembered, for who asks late."""

KILL_GRACE = 5.0
"""Seconds after which a cancelled child that is still there is reported; then twice that, and so on."""


class Status(Enum):
    """Where a child is in its lives."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    RESTARTING = "restarting"
    """Between two lives: to have another one, or in an attempt at it."""
    DOWN = "down"
    """Listed, without a life."""


class Intent(Enum):
    """What the supervisor wants of a child whose life ends."""

    UP = "up"
    """Alive: an end is looked up in the restart table."""
    REPLACE = "replace"
    """A new life as part of a group: the end is expected."""
    DOWN = "down"
    """No life: the end is expected."""


class Slot(Generic[S]):
    """One child of a supervisor."""

    kind: ClassVar[str] = "actor"
    """What a drawing calls a child without a more telling class."""

    __slots__ = (
        "_changed",
        "_exits",
        "id",
        "intent",
        "is_attended",
        "is_removed",
        "life",
        "lives",
        "restarts",
        "retry",
        "spec",
        "streak",
        "team",
    )  # fmt: skip

    def __init__(self, team: "Team", spec: S, name: str) -> None:
        self.team = team
        self.spec = spec
        self.id = name
        self.life: Life | None = None
        self.lives = 0
        self.restarts = 0
        self.streak = 0
        """Restarts in a row, for the pause before the next; a quiet life ends the row, and so does an order."""
        self.intent = Intent.UP
        self.retry: HeapTimer | None = None
        """The pending end of a backoff pause."""
        self.is_removed = False
        self.is_attended = False
        """Somebody waits for the start of the current life, and is told if it fails."""
        self._changed: trio.Event | None = None
        self._exits: tuple[tuple[int, Exit], ...] = ()
        """How the last lives ended, by their numbers; the latest at the end."""

    @property
    def status(self) -> Status:
        """Where the child is in its lives."""
        if self.life is not None:
            if self.life.is_ending:
                return Status.STOPPING
            if self.life.is_ready:
                return Status.RUNNING
            return Status.STARTING if self.is_attended else Status.RESTARTING
        if self in self.team.due:
            return Status.STARTING
        return Status.RESTARTING if self.team.is_restarting(self) else Status.DOWN

    @property
    def path(self) -> str:
        """Where the child is in its tree. Put together when asked for: idle children must be small."""
        return f"{self.team.path}/{self.id}"

    @property
    def restart(self) -> Restart:
        """The child's restart policy."""
        return self.spec.restart

    def emit(self, event: Event) -> None:
        """Tell the tree's observers."""
        self.team.runtime.emit(event)

    if TYPE_CHECKING:

        def make_life(self) -> Life:
            """Build the next incarnation."""
            ...

    @trio.lowlevel.enable_ki_protection
    def begin(self, *, is_attended: bool = False) -> None:
        """Begin a life. There must be none."""
        self.end_pause()
        self.intent = Intent.UP
        self.is_attended = is_attended
        if is_attended:
            self.streak = 0
        self.lives += 1
        self.life = self.make_life()
        self.team.start_task(self.life.live, name=self.id)

    @trio.lowlevel.enable_ki_protection
    def life_started(self, life: Life) -> None:
        """Note that the life has started."""
        self.emit(ChildStarted(trio.current_time(), self.path, life.number))
        self.notify()

    @trio.lowlevel.enable_ki_protection
    def life_ended(self, life: Life, exit_: Exit) -> None:
        """Note that the life, its helper tasks and its clean-up are over."""
        self.life = None
        life.exit = exit_
        self._remember(life.number, exit_)
        life.finish(exit_)
        self.team.child_ended(self, life, exit_)
        if not self.expects_life():
            self.refuse_mail()
        self.notify()

    def expects_life(self) -> bool:
        """Whether messages sent now will be served: by the current life, or by one that is to come."""
        if self.is_removed or self.intent is Intent.DOWN:
            return False
        life = self.life
        if life is None or self.intent is Intent.REPLACE or not self.team.is_open:
            return self.team.expects_life(self)
        return life.asked is None or wants_restart(life.asked, self.restart)

    def refuse_mail(self) -> None:
        """Fail what waits for a life: there will be none."""

    def _remember(self, number: int, exit_: Exit) -> None:
        last = self.exit
        if last is not None and last.error is not None:
            # Its text and its lines are kept; the variables of its frames are a whole dead actor.
            traceback.clear_frames(last.error.__traceback__)
        self._exits = (*self._exits[-_EXITS_KEPT:], (number, exit_))

    @property
    def exit(self) -> Exit | None:
        """How the last life ended."""
        return self._exits[-1][1] if self._exits else None

    def exit_of(self, number: int) -> Exit | None:
        """How life *number* ended, if that is over and still known."""
        return next((exit_ for life, exit_ in self._exits if life == number), None)

    @trio.lowlevel.enable_ki_protection
    def remove(self) -> None:
        """Note that there will be no further life."""
        self.is_removed = True
        self.notify()

    def end_pause(self) -> None:
        """End the pause before a restart, by its timer or before."""
        if self.retry is not None:
            self.team.runtime.timers.cancel(self.retry)
            self.retry = None
            self.notify()

    def notify(self) -> None:
        """Wake everybody who waits for a change."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def changed(self) -> None:
        """Wait until a life starts or ends, or the slot is removed."""
        if self._changed is None:
            self._changed = trio.Event()
        await self._changed.wait()

    async def wait_next_life(self) -> "Life | None":
        """Wait for the life that is to come. Returns None when there will be none."""
        while self.life is None and self.team.is_restarting(self):
            await self.changed()
        return self.life

    async def wait_settled(self, life: Life) -> bool:
        """Wait until *life* has started or ended. Returns whether it started."""
        while self.life is life and not life.is_ready:
            await self.changed()
        return life.is_ready

    async def wait_ended(self, life: Life) -> Exit:
        """Wait until *life*, its helper tasks and its clean-up are over, and tell how it ended."""
        while life.exit is None:
            await self.changed()
        return life.exit

    @trio.lowlevel.enable_ki_protection
    async def stop(self, intent: Intent) -> None:
        """Stop the current life within the child's budget, and wait until it is gone. Safe to call twice."""
        self.intent = intent
        self.end_pause()
        life = self.life
        if life is None:
            return
        budget = self.spec.shutdown
        if budget is not BRUTAL_KILL:
            life.ask_stop(Exit(ExitKind.SHUTDOWN))
            with trio.move_on_after(budget):
                await self.wait_ended(life)
        if self.life is life:
            self.emit(ChildKilled(trio.current_time(), self.path, life.number, 0 if budget is BRUTAL_KILL else budget))
            life.kill()
            await self._wait_unkillable(life)

    async def _wait_unkillable(self, life: Life) -> None:
        """Wait for a cancelled life, and say where it is when it does not react: trio cannot drop a task."""
        patience = KILL_GRACE
        since = trio.current_time()
        while life.exit is None:
            with trio.move_on_after(patience):
                await self.wait_ended(life)
                return
            now = trio.current_time()
            self.emit(ChildStuck(now, self.path, life.number, now - since, life.stacks()))
            patience *= 2

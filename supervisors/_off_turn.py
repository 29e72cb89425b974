"""Who holds the turn of an actor: giving it up, waiting to have it back, suspending.

One operation holds the turn at a time. The task that finished one serves the next message, so an actor whose
operations never leave their turn is one task and one park. ``off_turn`` gives the turn to, in this order: an operation
that waits to have it back, the next message (served by an idle task of this life, else by a new one), nobody.
"""

from __future__ import annotations

from collections import deque
from contextvars import copy_context
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import outcome
import trio

from supervisors._errors import ActorNotAlive
from supervisors._exit import Exit, ExitKind
from supervisors._life import Life, never_abort
from supervisors._reply import Cast, Message, Request, to_request

if TYPE_CHECKING:
    from supervisors._cell import Cell


class Suspended(Enum):
    """The type of :data:`SUSPENDED`."""

    SUSPENDED = "suspended"


SUSPENDED: Final = Suspended.SUSPENDED
"""Holds the turn of a suspended actor."""


class TurnLife(Life):
    """The part of an actor's life that knows who holds the turn. :class:`ActorLife` is the rest."""

    __slots__ = (
        "_away",
        "_drain",
        "_idle",
        "_retakers",
        "casting",
        "cell",
        "row_ends",
        "running",
        "turn",
    )

    def __init__(self, cell: Cell[Any], number: int) -> None:
        super().__init__(cell, number)
        self.cell = cell
        self.turn: trio.lowlevel.Task | Suspended | None = None
        """The task that holds the turn."""
        self.running: Request | None = None
        """What it performs, unless that is :attr:`casting`."""
        self.casting: Cast | None = None
        """The cast it performs."""
        self.row_ends = False
        """Something else comes before the next of a row of casts: who waits for the turn, a stop, a trace."""
        self._idle: trio.lowlevel.Task | None = None
        self._away: dict[trio.lowlevel.Task, Request] | None = None
        self._retakers: deque[trio.lowlevel.Task] | None = None
        self._drain = False

    if TYPE_CHECKING:

        async def serve(self, message: Message | None) -> None:
            """Perform *message* and what follows, holding the turn; rest when there is nothing to do."""

    def not_alive(self, exit_: Exit) -> ActorNotAlive:
        """A fresh exception for one waiter."""
        return ActorNotAlive(self.cell.path, f"{self.cell.path} is not alive ({exit_})", exit_)

    @property
    def is_serving(self) -> bool:
        """Whether what is queued is served."""
        return self.asked is None or self._drain

    def is_starting_self(self) -> bool:
        """Whether the running task is this life's own, inside ``on_start``."""
        return not self.is_ready and self.task is trio.lowlevel.current_task()

    @trio.lowlevel.enable_ki_protection
    def offer(self, message: Message) -> bool:
        """Begin *message* now if the turn is free. Returns whether it was."""
        if self.turn is not None:
            return False
        idle = self._idle
        if idle is not None:
            self._idle = None
            self.turn = idle
            trio.lowlevel.reschedule(idle, outcome.Value(message))
        else:
            self.turn = self.task
            # In the actor's context: whoever happens to send may have bound variables that are none of its business.
            context = copy_context() if self.task is None else self.task.context.copy()
            context.run(self.start_helper, self._serve_as_spare, message)
        return True

    async def _serve_as_spare(self, message: Message) -> None:
        self.turn = trio.lowlevel.current_task()
        await self.serve(message)

    def _take(self, me: trio.lowlevel.Task) -> Message | None:
        """Whoever holds the turn asks for the next message, or gives the turn up."""
        if self.turn is not me:
            return None
        if self._retakers:
            self._hand_over(self._retakers)
            return None
        queue = self.cell.queue
        if queue and (self.asked is None or self._drain):
            return queue.popleft() if self.cell.bound is None else self.cell.next_message(queue)
        self.turn = self.cell.inbox = None
        return None

    async def _rest(self, me: trio.lowlevel.Task) -> Message | None:
        """Park until there is a message (then the turn is ours) or something to look at (None)."""
        if (self.asked is not None or me is not self.task) and self._is_over(me):
            self._wake_main()
            return None
        if self._idle is not None:
            if me is not self.task:
                return None
            trio.lowlevel.reschedule(self._idle, outcome.Value(None))
        self._idle = me
        woken: Message | None = await trio.lowlevel.wait_task_rescheduled(self)
        return woken

    def __call__(self, _: object) -> trio.lowlevel.Abort:
        """Rest no more: the abort function of the idle task. A bound method would be memory of every idle actor."""
        self._idle = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _is_over(self, me: trio.lowlevel.Task) -> bool:
        if me is not self.task:
            return self._idle is not me and (self._idle is not None or self.asked is not None)
        return self.asked is not None and self._is_quiet()

    def _is_quiet(self) -> bool:
        return self.turn is None and not self._away and not self._retakers and not (self._drain and self.cell.queue)

    def _wake_main(self) -> None:
        if self.asked is not None and self._idle is not None and self._idle is self.task and self._is_quiet():
            idle, self._idle = self._idle, None
            trio.lowlevel.reschedule(idle, outcome.Value(None))

    def leave_turn(self) -> Request:
        """Let the mailbox go on while the running operation waits for the world."""
        me = trio.lowlevel.current_task()
        request = self.running
        if request is None and self.casting is not None:
            request = to_request(self.cell, self.casting)
        if self.turn is not me or request is None:
            raise RuntimeError("off_turn is for the task of an operation that holds its turn, and does not nest")
        if self._away is None:
            self._away = {}
        self._away[me] = request
        self.row_ends = True
        self.running = self.casting = None
        self._pass_turn()
        return request

    async def retake_turn(self, request: Request) -> None:
        """Wait for the turn, before the next message but behind those who waited longer."""
        me = trio.lowlevel.current_task()
        if self.turn is None:
            self.turn = me
        elif self.scope.cancel_called:
            # Whoever holds the turn has crashed with it, and will not pass it on.
            await trio.lowlevel.checkpoint()
        else:
            if self._retakers is None:
                self._retakers = deque()
            self._retakers.append(me)
            self.row_ends = True
            # Not cancellable, or an operation whose own timeout expired would go on without its turn.
            await trio.lowlevel.wait_task_rescheduled(never_abort)
            if self.turn is not me:
                await trio.lowlevel.checkpoint()  # the life was cancelled: this raises
        (self._away or {}).pop(me, None)
        self.running = request

    def _hand_over(self, retakers: deque[trio.lowlevel.Task]) -> None:
        task = self.turn = retakers.popleft()
        trio.lowlevel.reschedule(task, outcome.Value(None))

    async def suspend(self) -> None:
        """Take the turn from the actor, once the running operation has finished. Nothing if it is suspended."""
        if self.turn is SUSPENDED:
            return
        if self.turn is not None:
            if self._retakers is None:
                self._retakers = deque()
            retakers, me = self._retakers, trio.lowlevel.current_task()

            def withdraw(_: object) -> trio.lowlevel.Abort:
                """Wait no longer."""
                retakers.remove(me)
                return trio.lowlevel.Abort.SUCCEEDED

            retakers.append(me)
            self.row_ends = True
            await trio.lowlevel.wait_task_rescheduled(withdraw)
            if self.turn is not me:
                raise self.not_alive(self.asked or Exit(ExitKind.KILLED))
        self.turn = SUSPENDED

    def resume(self) -> None:
        """Give the turn back. Nothing if it is not suspended."""
        if self.turn is SUSPENDED:
            self._pass_turn()

    def _pass_turn(self) -> None:
        """Give the turn to who waits for it, the next message, or nobody."""
        self.turn = self.cell.inbox = None
        if self._retakers:
            self._hand_over(self._retakers)
        elif (queue := self.cell.queue) and (self.asked is None or self._drain):
            self.offer(self.cell.next_message(queue))

    def cancel(self) -> None:
        """Cancel the life's tasks, those that wait for the turn included."""
        super().cancel()
        retakers, self._retakers = self._retakers, None
        for task in retakers or ():
            trio.lowlevel.reschedule(task, outcome.Value(None))


class OffTurn:
    """The block of :meth:`Actor.off_turn`."""

    __slots__ = ("_life", "_request", "_scope")

    def __init__(self, life: TurnLife) -> None:
        self._life = life
        self._scope = trio.CancelScope()
        self._request: Request

    async def __aenter__(self) -> None:
        request = self._request = self._life.leave_turn()
        self._scope.__enter__()
        request.scope = self._scope
        if request.is_gone:
            self._scope.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._request.scope = None
        # What the scope would swallow goes on: the whole operation unwinds, not only the block.
        self._scope.__exit__(kind, error, traceback)
        await self._life.retake_turn(self._request)

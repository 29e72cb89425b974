"""Who may touch an actor's state: the life of an actor, its turns, and leaving them.

One operation holds the turn at a time. The task that finished one serves the next message, so an actor whose
operations never leave their turn is one task and one park. ``off_turn`` gives the turn to, in this order: an operation
that waits to have it back, the next message (served by an idle task of this life, else by a new one), nobody.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import outcome
import trio

from supervisors._errors import ActorCrashed, ActorNotAlive
from supervisors._events import CastFailed
from supervisors._exit import Exit, ExitKind, describe
from supervisors._life import Life, is_cancellation, never_abort
from supervisors._reply import Cast, Message, Request, to_request
from supervisors._timer import LifeTimer

if TYPE_CHECKING:
    from supervisors._actor import Actor
    from supervisors._cell import Cell


class Suspended(Enum):
    """The type of :data:`SUSPENDED`."""

    SUSPENDED = "suspended"


SUSPENDED: Final = Suspended.SUSPENDED
"""Holds the turn of a suspended actor."""


class Misfit(TypeError):
    """The arguments of a message do not fit the operation, found out before the call that would have said so."""


class Postponed(BaseException):
    """Ends an operation of a state machine that keeps its request for later. No exception to be caught by users."""


_BATCH = 64
"""Messages served without a checkpoint: a full mailbox must not starve the other tasks."""


class ActorLife(Life):
    """One incarnation of an actor."""

    __slots__ = (
        "_away",
        "_drain",
        "_idle",
        "_is_closed",
        "_main",
        "_retakers",
        "_timers",
        "actor",
        "casting",
        "cell",
        "firsts",
        "performer",
        "running",
        "turn",
    )

    def __init__(self, cell: Cell[Any], number: int) -> None:
        super().__init__(cell, number)
        self.cell = cell
        self.actor: Actor | None = None
        self.performer: object = None
        """Whose methods are the operations: the actor, or what stands before it."""
        self.turn: trio.lowlevel.Task | Suspended | None = None
        """The task that holds the turn."""
        self.running: Request | None = None
        """What it performs, unless that is :attr:`casting`."""
        self.casting: Cast | None = None
        """The cast it performs."""
        self._main: trio.lowlevel.Task | None = None
        self._idle: trio.lowlevel.Task | None = None
        self._away: dict[trio.lowlevel.Task, Request] | None = None
        self._retakers: deque[trio.lowlevel.Task] | None = None
        self._timers: set[LifeTimer] | None = None
        self._drain = False
        self._is_closed = False
        self.firsts = 0
        """Messages at the head of the queue that were put first."""

    async def run(self) -> None:
        """Make the actor, start it, serve its mailbox."""
        self._main = self.turn = trio.lowlevel.current_task()
        await self._begin()
        self.is_ready = True
        self.slot.life_started(self)
        await self._serve(None)

    async def _begin(self) -> None:
        if self.failure is not None:  # its name was taken
            raise self.failure
        actor = self.cell.make()
        self.actor = actor
        actor._life_of_actor = self  # noqa: SLF001 - the runtime's own field
        performer = actor._make_performer()  # noqa: SLF001 - of this package
        interceptor = self.cell.team.runtime.interceptor
        if interceptor is not None:
            performer = interceptor.intercept(self, performer)
        self.performer = performer
        limit = self.cell.spec.start_timeout
        with trio.fail_after(limit):
            await performer.on_start()

    async def _serve(self, message: Message | None) -> None:
        """Perform *message* and what follows, holding the turn; rest when there is nothing to do."""
        me = trio.lowlevel.current_task()
        left = _BATCH
        while True:
            if message is None:
                message = self._take(me)
            if message is None:
                left = _BATCH
                message = await self._rest(me)
                if message is None:
                    if self._is_over(me):
                        return
                    continue
            if isinstance(message, tuple) and self.performer is self.actor:
                left = await self._perform_casts(message, me, left)
            else:
                await self._perform(Request(self.cell, *message) if isinstance(message, tuple) else message)
                left -= 1
            message = None
            if left <= 0:
                left = _BATCH
                await trio.lowlevel.checkpoint()

    async def _perform(self, request: Request) -> None:
        if request.is_gone:
            return
        self.running = request
        self.firsts = 0
        request.is_begun = True
        try:
            operation = getattr(self.performer, request.operation)(*request.args, **request.kwargs)
        except TypeError as error:
            # The arguments do not fit. That is the sender's mistake: nothing of the actor has run.
            self._answer_error(request, error)
            self.running = None
            return
        try:
            value = await operation
        except BaseException as error:
            if not self._is_answer(request, error):
                raise
        else:
            request.answer(value)
        self.running = None

    async def _perform_casts(self, cast: Cast, me: trio.lowlevel.Task, left: int) -> int:
        """Perform a row of casts, at most *left*. Returns what is left: one frame serves the whole row."""
        cell = self.cell
        while True:
            self.casting = cast
            self.firsts = 0
            name, args, kwargs = cast
            try:
                await getattr(self.performer, name)(*args, **kwargs)
            except BaseException as error:
                if not self._is_answer(self.running or to_request(cell, cast), error):
                    raise
            left -= 1
            queue = cell.queue
            if left <= 0 or not queue or self._retakers or self.asked is not None or self.turn is not me:
                break
            if cell.bound is not None or not isinstance(queue[0], tuple):
                break
            cast = queue.popleft()  # type: ignore[assignment]  # just looked
        self.running = self.casting = None
        return left

    def _is_answer(self, request: Request, error: BaseException) -> bool:
        """Tell the caller of an operation that raised. Returns False when the life has to end of it."""
        if isinstance(error, Postponed):
            return True
        actor = self.actor
        if isinstance(error, Exception) and actor is not None and isinstance(error, actor.expected_errors):
            self._answer_error(request, error)
            return True
        if isinstance(error, TypeError) and is_call_site(error):
            # The arguments do not fit. That is the sender's mistake: nothing of the actor has run.
            self._answer_error(request, error)
            return True
        if request.is_gone and not self.scope.cancel_called and is_cancellation(error):
            return True
        cause = self.failure or error
        if isinstance(cause, Exception) and not self.is_killed:
            request.fail(self.crashed(cause))
        else:
            request.fail(self.not_alive(self.asked or Exit(ExitKind.KILLED)))
        return False

    def _answer_error(self, request: Request, error: Exception) -> None:
        if not request.fail(error) and not request.is_gone:
            self.slot.emit(CastFailed(trio.current_time(), self.slot.path, request.operation, error))

    @property
    def operation(self) -> str | None:
        """What holds the turn."""
        if self.casting is not None:
            return self.casting[0]
        return self.running.operation if self.running is not None else None

    # ------------------------------------------------------------------ the turn

    @property
    def is_serving(self) -> bool:
        """Whether what is queued is served."""
        return self.asked is None or self._drain

    def is_starting_self(self) -> bool:
        """Whether the running task is this life's own, inside ``on_start``."""
        return not self.is_ready and self._main is trio.lowlevel.current_task()

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
            self.turn = self._main
            self.start_helper(self._serve_as_spare, message)
        return True

    async def _serve_as_spare(self, message: Message) -> None:
        self.turn = trio.lowlevel.current_task()
        await self._serve(message)

    def _take(self, me: trio.lowlevel.Task) -> Message | None:
        """Whoever holds the turn asks for the next message, or gives the turn up."""
        if self.turn is not me:
            return None
        if self._retakers:
            self._hand_over()
            return None
        queue = self.cell.queue
        if queue and (self.asked is None or self._drain):
            return self.cell.next_message(queue)
        self.turn = self.cell.inbox = None
        return None

    async def _rest(self, me: trio.lowlevel.Task) -> Message | None:
        """Park until there is a message (then the turn is ours) or something to look at (None)."""
        if (self.asked is not None or me is not self._main) and self._is_over(me):
            self._wake_main()
            return None
        if self._idle is not None:
            if me is not self._main:
                return None
            trio.lowlevel.reschedule(self._idle, outcome.Value(None))
        self._idle = me
        woken: Message | None = await trio.lowlevel.wait_task_rescheduled(self._abort_rest)
        return woken

    def _abort_rest(self, _: object) -> trio.lowlevel.Abort:
        self._idle = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _is_over(self, me: trio.lowlevel.Task) -> bool:
        if me is not self._main:
            return self._idle is not me and (self._idle is not None or self.asked is not None)
        return self.asked is not None and self._is_quiet()

    def _is_quiet(self) -> bool:
        return self.turn is None and not self._away and not self._retakers and not (self._drain and self.cell.queue)

    def _wake_main(self) -> None:
        if self.asked is not None and self._idle is not None and self._idle is self._main and self._is_quiet():
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
            # Not cancellable, or an operation whose own timeout expired would go on without its turn.
            await trio.lowlevel.wait_task_rescheduled(never_abort)
            if self.turn is not me:
                await trio.lowlevel.checkpoint()  # the life was cancelled: this raises
        if self._away is not None:
            self._away.pop(me, None)
        self.running = request

    def cancel(self) -> None:
        """Cancel the life's tasks, those that wait for the turn included."""
        self._close(Exit(ExitKind.KILLED) if self.failure is None else Exit(ExitKind.CRASHED, self.failure))
        super().cancel()
        retakers, self._retakers = self._retakers, None
        for task in retakers or ():
            trio.lowlevel.reschedule(task, outcome.Value(None))

    def _hand_over(self) -> None:
        if self._retakers:
            task = self.turn = self._retakers.popleft()
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
                retakers.remove(me)
                return trio.lowlevel.Abort.SUCCEEDED

            retakers.append(me)
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
            self._hand_over()
        elif (queue := self.cell.queue) and (self.asked is None or self._drain):
            self.offer(self.cell.next_message(queue))

    # ------------------------------------------------------------------ timers

    def arm(self, when: float, interval: float | None, request: Request) -> LifeTimer:
        """Post *request* at *when*, and every *interval* seconds from then on. Dies with the life."""
        handle = LifeTimer(self, when, interval, request)
        if self._timers is None:
            self._timers = set()
        self._timers.add(handle)
        return handle

    def disarm(self, timer: LifeTimer) -> None:
        """Forget a timer that has nothing more to do."""
        if self._timers is not None:
            self._timers.discard(timer)

    # ------------------------------------------------------------------ the end

    def ask_stop(self, exit_: Exit, *, drain: bool = False) -> None:
        """Order an end. Queued messages fail, unless they are to be served first; off-turn blocks are cancelled."""
        if self.asked is not None:
            return
        super().ask_stop(exit_)
        self._drain = drain
        if drain:
            self.cell.close_to_mail(self)
        else:
            self._close(exit_)
            self._cancel_away(exit_)
        self.resume()
        self._wake_main()

    def _close(self, exit_: Exit) -> None:
        """Take no more mail, and fail what is queued. What comes from now on is for the next life."""
        if self._is_closed:
            return
        self._is_closed = True
        self.cell.close_to_mail(self)
        # Who called while the child starts waits for a life that does: a start that failed leaves the queue alone.
        if self.is_ready:
            self.cell.fail_queue(exit_)

    def _cancel_away(self, exit_: Exit) -> None:
        me = trio.lowlevel.current_task()
        for task, request in tuple((self._away or {}).items()):
            if task is me:
                continue  # it stops its own actor, and may finish
            request.fail(self.not_alive(exit_))
            request.is_gone = True
            if request.scope is not None:
                request.scope.cancel()

    async def clean_up(self, exit_: Exit) -> None:
        """Let the actor tidy up."""
        if self.actor is not None and self.is_ready:
            self.turn = trio.lowlevel.current_task()
            await self.actor.on_stop(exit_)

    def release(self, exit_: Exit) -> None:
        """Fail what is queued for this life, and drop its timers."""
        self._close(exit_)
        for timer in tuple(self._timers or ()):
            timer.cancel()

    def crashed(self, cause: BaseException) -> ActorCrashed:
        """A fresh exception for one waiter."""
        error = ActorCrashed(self.cell.path, f"{self.cell.path} crashed: {describe(cause)}")
        error.__cause__ = cause
        return error

    def not_alive(self, exit_: Exit) -> ActorNotAlive:
        """A fresh exception for one waiter."""
        return ActorNotAlive(self.cell.path, f"{self.cell.path} is not alive ({exit_})", exit_)


def is_call_site(error: TypeError) -> bool:
    """Whether *error* was raised by a call itself, for its arguments: no frame of the callee was entered."""
    trace = error.__traceback__
    return isinstance(error, Misfit) or (trace is not None and trace.tb_next is None)


class OffTurn:
    """The block of :meth:`Actor.off_turn`."""

    __slots__ = ("_life", "_request", "_scope")

    def __init__(self, life: ActorLife) -> None:
        self._life = life
        self._scope = trio.CancelScope()
        self._request: Request | None = None

    async def __aenter__(self) -> None:
        request = self._request = self._life.leave_turn()
        self._scope.__enter__()
        request.scope = self._scope
        if request.is_gone:
            self._scope.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        request = self._request
        if request is not None:
            request.scope = None
            # What the scope would swallow goes on: the whole operation unwinds, not only the block.
            self._scope.__exit__(kind, error, traceback)
            await self._life.retake_turn(request)

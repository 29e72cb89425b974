"""The life of an actor: start it, serve its mailbox turn by turn, end it.

What an operation raises is sorted here into answers (expected errors, arguments that do not fit) and crashes.
Who holds the turn between messages is ``_off_turn``'s business.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from supervisors._errors import ActorCrashed, Misfit
from supervisors._events import CastFailed
from supervisors._exit import Exit, ExitKind, describe
from supervisors._life import is_cancellation
from supervisors._off_turn import TurnLife
from supervisors._reply import Cast, KeywordCast, Message, Request, to_request
from supervisors._timer import HeapTimer, LifeTimer
from supervisors._trace import Tracer

if TYPE_CHECKING:
    from supervisors._actor import Actor
    from supervisors._cell import Cell


class Postponed(BaseException):
    """Ends an operation of a state machine that keeps its request for later. No exception to be caught by users."""


_SPELL = 0.0002
"""Seconds that an actor may go on with casts without a checkpoint: a full mailbox must not starve the other tasks."""

_BATCH = 64
"""Casts between two looks at the clock; calls without a checkpoint."""

_MOST_CASTS = 512
"""Casts without a checkpoint, however fast they were: virtual time may stand still."""


class ActorLife(TurnLife):
    """One incarnation of an actor."""

    __slots__ = (
        "_is_closed",
        "_owes_stop",
        "_start_limit",
        "_timers",
        "actor",
        "began",
        "firsts",
        "performer",
        "served",
    )

    def __init__(self, cell: Cell[Any], number: int) -> None:
        super().__init__(cell, number)
        self.actor: Actor | None = None
        self.performer: object = None
        """Whose methods are the operations: the actor, or what stands before it."""
        self._timers: set[LifeTimer] | None = None
        self._is_closed = False
        self._owes_stop = False
        """``on_start`` has returned, so ``on_stop`` has something to end."""
        self._start_limit: HeapTimer | None = None
        self.began = 0.0
        """When the running operation began; for a row of casts, when the row did."""
        self.served = 0
        """Operations begun."""
        self.firsts = 0
        """Messages at the head of the queue that were put first."""

    @trio.lowlevel.disable_ki_protection
    async def run(self) -> Awaitable[None] | None:
        """Make the actor, start it, serve its mailbox."""
        self.turn = self.task
        if self.failure is not None:  # its name was taken
            raise self.failure
        limit = self.cell.spec.start_timeout
        if limit < math.inf:
            timers = self.cell.team.runtime.timers
            self._start_limit = timers.at(trio.current_time() + limit, partial(self._start_late, limit))
        actor = self.actor = self.cell.make()
        actor._life_of_actor = self  # noqa: SLF001 - the runtime's own field
        host = actor._host()  # noqa: SLF001 - of this package
        if host is None:
            return self.serve(None) if await self._start(actor) else None
        async with host:
            if await self._start(actor):
                await self.serve(None)
        return None

    async def _start(self, actor: Actor) -> bool:
        performer = actor._make_performer()  # noqa: SLF001 - of this package
        interceptor = self.cell.team.runtime.interceptor
        if interceptor is not None:
            performer = interceptor.intercept(self, performer)
        self.performer = performer
        await performer.on_start()
        self._owes_stop = True
        if self._start_limit is not None:
            self.cell.team.runtime.timers.cancel(self._start_limit)
        if self.is_ending:
            return False  # told to end in the very step in which it started: it never served
        self.trace()
        self.is_ready = True
        self.slot.life_started(self)
        return True

    def _start_late(self, limit: float) -> None:
        # A timer, not a scope: what the start opens (a nursery of a host) may stay open longer than a scope around it.
        self.fail(trio.TooSlowError(f"{self.cell.path} did not start within {limit:g} s"))

    def trace(self) -> None:
        """Put trace hooks between the mailbox and the actor, or take them away."""
        self.row_ends = True
        inner = self.performer.inner if isinstance(self.performer, Tracer) else self.performer
        hooks = self.cell.hooks
        self.performer = Tracer(self, inner, hooks) if hooks else inner

    @trio.lowlevel.disable_ki_protection
    async def serve(self, message: Message | None) -> None:
        """Perform *message* and what follows, holding the turn; rest when there is nothing to do."""
        me = trio.lowlevel.current_task()
        left = 1.0
        while True:
            if message is None and (message := self._take(me)) is None:
                left = 1.0
                if self._idle is None and self.asked is None and me is self.task:
                    self._idle = me
                    message = await trio.lowlevel.wait_task_rescheduled(self)
                else:
                    message = await self._rest(me)
                if message is None:
                    if self._is_over(me):
                        return
                    continue
            if isinstance(message, tuple) and self.performer is self.actor:
                left -= await self._perform_casts(message)
            else:
                await self._perform(to_request(self.cell, message))
                left -= 1 / _BATCH
            message = None
            if left <= 0:
                left = 1.0
                await trio.lowlevel.checkpoint()

    async def _perform(self, request: Request) -> None:
        if request.is_gone:
            return
        self.running = request
        self.began = self.cell.team.runtime.now()
        self.served += 1
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

    async def _perform_casts(self, cast: Cast) -> float:
        """Perform a row of casts. Returns what part of a spell that was: one frame, and one look-up, serve many."""
        cell, performer = self.cell, self.performer
        is_unbounded = cell.bound is None
        now = cell.team.runtime.now
        began = self.began = now()
        self.row_ends = False
        name, method = None, _no_method
        done = 0
        while True:
            done += 1
            self.casting = cast
            self.served += 1
            try:
                if cast[0] is not name:
                    name = cast[0]
                    method = getattr(performer, name)
                if type(cast) is KeywordCast:
                    await method(*cast[1], **cast[2])
                elif len(cast) == 2:  # noqa: PLR2004 - the commonest message: a slice would cost as much as the call
                    await method(cast[1])
                else:
                    await method(*cast[1:])
            except BaseException as error:
                if not self._is_answer(self.running or to_request(cell, cast), error):
                    raise
            queue = cell.queue
            if not queue or done == _BATCH or self.row_ends or type(queue[0]) is Request:
                break
            cast = queue.popleft() if is_unbounded else cell.next_message(queue)  # type: ignore[assignment]  # just looked
        self.running = self.casting = None
        return max(done / _MOST_CASTS, (now() - began) / _SPELL)

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
        if self.failure is None:
            self.failed_in = request.operation
        cause = self.failure or error
        if isinstance(cause, Exception) and not self.is_killed:
            request.fail(self.crashed(cause))
        else:
            request.fail(self.not_alive(self.asked or Exit(ExitKind.KILLED)))
        return False

    def _answer_error(self, request: Request, error: Exception) -> None:
        if not request.fail(error) and not request.is_gone:
            self.slot.emit(CastFailed(trio.current_time(), self.slot.path, request.operation, error))

    def under_way(self) -> tuple[Message, ...]:
        """The operations that have begun and not ended: the one in its turn, and those off turn."""
        current = self.casting if self.running is None else self.running
        return (*(() if current is None else (current,)), *(self._away or {}).values())

    @property
    def operation(self) -> str | None:
        """What holds the turn."""
        if self.casting is not None:
            name: str = self.casting[0]
            return name
        return self.running.operation if self.running is not None else None

    # ------------------------------------------------------------------ timers

    def arm(self, when: float, interval: float | None, request: Request) -> LifeTimer:
        """Post *request* at *when*, and every *interval* seconds from then on. Dies with the life."""
        self.check_not_over("timers")
        handle = LifeTimer(self, when, interval, request)
        if self._timers is None:
            self._timers = set()
        self._timers.add(handle)
        return handle

    def is_idle_since(self, served: int) -> bool:
        """Whether no operation has begun since *served* was the count, and none waits."""
        return self.served == served and self.turn is None and not self.cell.queue

    def disarm(self, timer: LifeTimer) -> None:
        """Forget a timer that has nothing more to do."""
        (self._timers or set[LifeTimer]()).discard(timer)

    # ------------------------------------------------------------------ the end

    @trio.lowlevel.enable_ki_protection
    def ask_stop(self, exit_: Exit, *, drain: bool = False) -> None:
        """Order an end. Queued messages fail, unless they are to be served first; off-turn blocks are cancelled."""
        if self.asked is not None:
            return
        super().ask_stop(exit_)
        self.row_ends = True
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

    def cancel(self) -> None:
        """Cancel the life's tasks, and take no more mail."""
        self._close(Exit(ExitKind.KILLED) if self.failure is None else Exit(ExitKind.CRASHED, self.failure))
        super().cancel()

    def _cancel_away(self, exit_: Exit) -> None:
        me = trio.lowlevel.current_task()
        for task, request in tuple((self._away or {}).items()):
            if task is me:
                continue  # it stops its own actor, and may finish
            request.fail(self.not_alive(exit_))
            request.is_gone = True
            if request.scope is not None:
                request.scope.cancel()

    @trio.lowlevel.disable_ki_protection
    async def clean_up(self, exit_: Exit) -> None:
        """Let the actor tidy up."""
        if self.actor is not None and self._owes_stop:
            self.turn = trio.lowlevel.current_task()
            await self.actor.on_stop(exit_)

    def release(self, exit_: Exit) -> None:
        """Fail what is queued for this life, and drop its timers."""
        self._close(exit_)
        # Who is away comes back, or waits to, for a turn that nobody passes on any more.
        super().cancel()
        for timer in tuple(self._timers or ()):
            timer.cancel()

    def crashed(self, cause: BaseException) -> ActorCrashed:
        """A fresh exception for one waiter."""
        error = ActorCrashed(self.cell.path, f"{self.cell.path} crashed: {describe(cause)}")
        error.__cause__ = cause
        return error


def is_call_site(error: TypeError) -> bool:
    """Whether *error* was raised by a call itself, for its arguments: no frame of the callee was entered."""
    trace = error.__traceback__
    return isinstance(error, Misfit) or (trace is not None and trace.tb_next is None)


async def _no_method(*_: object, **__: object) -> None: ...

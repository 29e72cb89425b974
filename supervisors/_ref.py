"""What users hold of an actor: a typed address that stays valid while the child it names is restarted."""

from collections.abc import Awaitable, Callable
from functools import partial
from inspect import ismemberdescriptor
from threading import get_ident
from typing import TYPE_CHECKING, Any, Concatenate, Generic, NoReturn, ParamSpec, Self, TypeVar, cast

import outcome
import trio
from attrs import frozen
from trio.lowlevel import current_task, wait_task_rescheduled

from supervisors._checks import check_callable
from supervisors._errors import ActorNotAlive, MailboxFull
from supervisors._exit import Exit, ExitKind, describe
from supervisors._off_turn import SUSPENDED
from supervisors._reply import Request
from supervisors._trace import Statistics, TraceHook
from supervisors._turn import ActorLife

if TYPE_CHECKING:
    from supervisors._cell import Cell

A_co = TypeVar("A_co", covariant=True)
P = ParamSpec("P")
R = TypeVar("R")


@frozen
class Snapshot:
    """An actor at one moment, taken without waiting for it."""

    path: str
    status: str
    life: int
    restarts: int
    queued: int
    """Messages that wait."""
    dropped: int
    """Messages lost to a full mailbox, over all lives."""
    operation: str | None
    """What holds the turn."""
    age: float | None
    """Seconds since it began; for casts, since the first of a row did."""
    stacks: tuple[tuple[str, ...], ...]
    """Where the tasks of the actor are, the main one first; each from the outermost frame."""
    is_suspended: bool
    exit: Exit | None
    """How the last life ended."""


class Ref(Generic[A_co]):
    """The address of one actor. It names the child's place, not one life: it stays valid over restarts."""

    __slots__ = ("_cell",)

    def __init__(self, cell: "Cell[Any]") -> None:
        self._cell = cell

    async def call(
        self, operation: Callable[Concatenate[A_co, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Have the actor perform ``Class.method`` and return its answer.

        Waits behind earlier messages, and for the new life while the child restarts. For a timeout, use
        ``trio.fail_after``: a queued request of a caller who is gone is never begun, a running one finishes and its
        result is dropped, unless it is in an ``off_turn`` block, which is cancelled.

        Raises:
            ActorCrashed: It crashed meanwhile; ``__cause__`` is the original.
            ActorNotAlive: It is gone for good, or was stopped meanwhile.
            MailboxFull: Its bounded mailbox refused the message.
            CallCycle: It waits, through other calls, for the caller.
            TypeError: Not an operation of this actor.

        An expected error of the operation is raised as it is.
        """
        cell = self._cell
        try:
            (name,) = cell.operations[operation]
        except (KeyError, TypeError):
            name = cell.resolve(operation)
        if get_ident() != cell.team.runtime.thread:
            cell.team.runtime.check_home()
        request = Request(cell, name, args, kwargs)
        request.is_call = True
        me, server = current_task(), cell.server
        # What Cell.post and Request.wait do, written out: a call is little else.
        if server is None:
            cell.post(request, may_wait=True)
        elif (holder := server.turn) is None:
            server.offer(request)
        else:
            if holder is me or holder is SUSPENDED or holder.custom_sleep_data is not None or holder.child_nurseries:
                cell.check_cycle()
            inbox = cell.inbox
            if inbox is not None:
                inbox.append(request)
            else:
                cell.post(request, may_wait=True)
        request.task = me
        me.custom_sleep_data = request
        answer: R = await wait_task_rescheduled(request.abandon)
        return answer

    async def cast(
        self, operation: Callable[Concatenate[A_co, P], Awaitable[object]], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Send a message without wanting an answer; wait only for room in a bounded mailbox.

        To an actor that is gone it does nothing, as in OTP. Either the message is sent or, when cancelled, it is not.

        Raises:
            MailboxFull: Its bounded mailbox refused the message (``Overflow.RAISE``).
            TypeError: Not an operation of this actor.
        """
        cell = self._cell
        bound = cell.bound
        if bound is None:
            # Nothing to wait for, but a loop of casts must let the actor have its turn.
            await trio.lowlevel.checkpoint()
            self.cast_nowait(operation, *args, **kwargs)
            return
        try:
            head = cell.operations[operation]
        except (KeyError, TypeError):
            head = (cell.resolve(operation),)
        if get_ident() != cell.team.runtime.thread:
            cell.team.runtime.check_home()
        await trio.lowlevel.checkpoint_if_cancelled()
        queue, server = cell.queue, cell.server
        # No checkpoint beyond that while there is room: the bound itself makes the sender wait before long.
        if queue and server is not None and server.is_ready and not kwargs and bound.has_room(queue):
            queue.append(head + args)
        elif server is not None and bound.has_room(queue):
            cell.cast(head[0], args, kwargs)
        else:
            await _cast_without_room(Request(cell, head[0], args, kwargs))

    def cast_nowait(
        self, operation: Callable[Concatenate[A_co, P], Awaitable[object]], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Send a message without wanting an answer, now. To an actor that is gone it does nothing.

        Raises:
            MailboxFull: Its bounded mailbox has no room.
            TypeError: Not an operation of this actor.
        """
        cell = self._cell
        try:
            head = cell.operations[operation]
        except (KeyError, TypeError):
            head = (cell.resolve(operation),)
        if get_ident() != cell.team.runtime.thread:
            cell.team.runtime.check_home()
        inbox = cell.inbox
        if inbox is not None and not kwargs:
            inbox.append(head + args)
        else:
            cell.cast(head[0], args, kwargs)

    async def ended(self, *, life: int | None = None) -> Exit:
        """Wait for the end of a life and tell how it ended; at once, truthfully, when it is over.

        Args:
            life: Its number, as :attr:`life` was; the current or else the last one by default.

        Raises:
            ValueError: There was no such life yet, or so many since that its exit is forgotten.
        """
        cell = self._cell
        cell.team.runtime.check_home()
        current = cell.life
        if current is not None and life in (None, current.number):
            return await cell.wait_ended(current)
        while life is None and cell.exit is None:
            await cell.changed()
        exit_ = cell.exit if life is None else cell.exit_of(life)
        if exit_ is None:
            raise ValueError(f"expected the number of a life that is known, up to {cell.lives}, got {describe(life)}")
        await trio.lowlevel.checkpoint()
        return exit_

    async def stop(self, *, reason: object = None, drain: bool = False) -> Exit:
        """Ask the actor to stop, wait until it is gone, and tell how it ended.

        Its supervisor treats that as a clean end: a permanent child is started again.

        Args:
            reason: Kept in the exit record.
            drain: Serve what is queued first.
        """
        cell = self._cell
        cell.team.runtime.check_home()
        life = cell.life
        if life is None:
            raise cell.not_alive()
        cell.check_cycle()
        life.ask_stop(Exit(ExitKind.SHUTDOWN, reason=reason), drain=drain)
        return await cell.wait_ended(life)

    def kill(self) -> None:
        """Cancel the current life without grace: ``on_stop`` is not called, ``finally`` blocks run."""
        self._cell.team.runtime.check_home()
        if self._cell.life is not None:
            self._cell.life.kill()

    @property
    def life(self) -> int:
        """The number of the current life, or of the last one, from 1: two equal numbers are one incarnation."""
        return self._cell.lives

    @property
    def path(self) -> str:
        """Where the actor is in its tree: ``"root/session/poller"``."""
        return self._cell.path

    @property
    def is_alive(self) -> bool:
        """The actor has a life that has started, has not failed and was not asked to stop."""
        life = self._cell.life
        return life is not None and life.is_ready and not life.is_ending

    def snapshot(self) -> Snapshot:
        """Look at the actor without waiting for it."""
        cell = self._cell
        life = cell.life if isinstance(cell.life, ActorLife) else None
        operation = None if life is None else life.operation
        return Snapshot(
            path=cell.path,
            status=cell.status.value,
            life=cell.lives,
            restarts=cell.restarts,
            queued=len(cell.queue or ()),
            dropped=0 if cell.bound is None else cell.bound.dropped,
            operation=operation,
            age=cell.team.runtime.now() - life.began if life is not None and operation is not None else None,
            stacks=() if life is None else life.stacks(),
            is_suspended=life is not None and life.turn is SUSPENDED,
            exit=cell.exit,
        )

    def trace(self, hook: TraceHook, /) -> None:
        """Tell *hook* when an operation begins and ends, over all lives. The same hook twice is one hook.

        It costs nothing when there are none. ``ref.trace(deque(maxlen=100).append)`` keeps a log.
        """
        check_callable("hook", hook)
        cell = self._cell
        if cell.hooks is None:
            cell.hooks = []
        if hook not in cell.hooks:
            cell.hooks.append(hook)
        self._retrace()

    def untrace(self, hook: TraceHook, /) -> None:
        """Tell *hook* nothing more. Nothing if it was not told."""
        if self._cell.hooks and hook in self._cell.hooks:
            self._cell.hooks.remove(hook)
        self._retrace()

    def start_statistics(self) -> None:
        """Count operations from now on; anew when that was on already."""
        self.stop_statistics()
        self.trace(Statistics(trio.current_time()))

    def stop_statistics(self) -> None:
        """Count no more. Nothing if that was off."""
        statistics = self.statistics()
        if statistics is not None:
            self.untrace(statistics)

    def statistics(self) -> Statistics | None:
        """What was counted; None when statistics are off."""
        return next((hook for hook in self._cell.hooks or () if isinstance(hook, Statistics)), None)

    def _retrace(self) -> None:
        life = self._cell.life
        if isinstance(life, ActorLife) and life.is_ready:
            life.trace()

    async def suspend(self) -> None:
        """Have the actor serve no messages until :meth:`resume`; they queue. Waits for the running operation.

        Orders to stop are served. Nothing when it is suspended. A new life is not suspended.
        """
        await self._living.suspend()

    def resume(self) -> None:
        """Have a suspended actor serve its messages, in order."""
        self._living.resume()

    async def get_state(self, read: Callable[[A_co], R]) -> R:
        """Return ``read(actor)``, evaluated in a turn: what was sent before has been served. Also while suspended.

        What *read* raises is raised here; the actor lives on.
        """
        check_callable("read", read)
        life = self._living
        if life.turn is SUSPENDED and life.actor is not None:
            await trio.lowlevel.checkpoint()
            return read(cast("A_co", life.actor))
        cell = self._cell
        request = Request(cell, "_consult", (read,), {})
        request.is_call = True
        cell.check_cycle()
        cell.post(request, may_wait=True)
        captured: outcome.Outcome[R] = await request.wait()
        return captured.unwrap()

    async def replace_state(self, change: Callable[[A_co], object]) -> None:
        """Apply *change* to the actor in a turn. If it raises, the attributes are as before and the error is raised here.

        "As before" holds for which objects the attributes name, not for what *change* did inside those objects.
        """
        check_callable("change", change)
        await self.get_state(partial(_change, change))

    @property
    def _living(self) -> ActorLife:
        self._cell.team.runtime.check_home()
        life = self._cell.life
        if not isinstance(life, ActorLife):
            raise self._cell.not_alive()
        return life

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and self._cell is other._cell

    def __hash__(self) -> int:
        return hash(id(self._cell))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self  # an address: to copy a message or a state is not to copy the actors it names

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} is an address in one process; send {self.path!r}, and look that up there")

    def __repr__(self) -> str:
        return f"<Ref {self._cell.path}, life {self._cell.lives}, {self._cell.status.value}>"


async def _cast_without_room(request: Request) -> None:
    """Wait for room, or let others run: whatever becomes of the message, who goes on sending must not starve them."""
    cell = request.cell
    try:
        if cell.expects_mail() and not cell.post(request, may_wait=True):
            await request.wait()
            return
    except ActorNotAlive:
        return
    except MailboxFull:
        await trio.lowlevel.cancel_shielded_checkpoint()
        raise
    await trio.lowlevel.cancel_shielded_checkpoint()


def _change(change: Callable[[Any], object], actor: object) -> None:
    before = _attributes_of(actor)
    try:
        change(actor)
    except Exception:
        for name in _attributes_of(actor).keys() - before.keys():
            delattr(actor, name)
        for name, value in before.items():
            setattr(actor, name, value)
        raise


def _attributes_of(actor: object) -> dict[str, object]:
    slots = [name for base in type(actor).__mro__ for name, value in vars(base).items() if ismemberdescriptor(value)]
    names = (*(name for name in slots if hasattr(actor, name)), *getattr(actor, "__dict__", ()))
    return {name: getattr(actor, name) for name in names}

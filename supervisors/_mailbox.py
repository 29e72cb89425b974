"""What a bounded mailbox does when it is full.

A bound is for what comes from outside: timers of the actor's own life and orders to stop are exempt. With
``Overflow.WAIT`` a message that finds no room stays at the door, in order; it moves in when an earlier one is taken.
A call at the door simply has a longer wait for its answer. A waiting ``cast`` is woken when its message *is* inside,
so a cancelled sender knows that nothing was sent.
"""

from collections import deque
from typing import TYPE_CHECKING, Any, assert_never

from supervisors._errors import MailboxFull
from supervisors._policy import Mailbox, Overflow
from supervisors._reply import Message, Request, to_message, to_request

if TYPE_CHECKING:
    from supervisors._cell import Cell


class Bound:
    """The bound of one mailbox, over all lives of its actor."""

    __slots__ = ("_capacity", "_cell", "_overflow", "at_door", "dropped")

    def __init__(self, cell: "Cell[Any]", mailbox: Mailbox) -> None:
        self._cell = cell
        self._capacity = mailbox.capacity
        self._overflow = mailbox.overflow
        self.at_door: deque[Request] = deque()
        """Messages that wait for room."""
        self.dropped = 0
        """Messages lost because there was no room."""

    def has_room(self, queue: deque[Message] | None) -> bool:
        """Whether a message needs no policy."""
        return not queue or (len(queue) < self._capacity and not self.at_door)

    def put(self, queue: deque[Message], request: Request, *, may_wait: bool) -> bool:
        """Append *request* to *queue*, or do what the policy says. Returns whether the message is inside now.

        Raises:
            MailboxFull: The policy refuses the message, and somebody has to be told.
        """
        if len(queue) >= self._capacity:
            self._sweep(queue)
        if len(queue) < self._capacity and not self.at_door:
            queue.append(to_message(request))
            return True
        match self._overflow:
            case Overflow.WAIT if may_wait:
                self.at_door.append(request)
            case Overflow.WAIT | Overflow.RAISE:
                raise self._full(request, queue)
            case Overflow.DROP_NEWEST:
                self.dropped += 1
                if request.is_call:
                    raise self._full(request, queue)
                self._cell.emit_dropped(request)
            case Overflow.DROP_OLDEST:
                self._drop_oldest(queue)
                queue.append(to_message(request))
            case _:
                assert_never(self._overflow)
        return self._overflow is not Overflow.WAIT

    def refill(self, queue: deque[Message]) -> None:
        """Let in those who have waited longest, as far as there is room."""
        while self.at_door and len(queue) < self._capacity:
            request = self.at_door.popleft()
            if request.is_gone:
                continue
            if not request.is_call:
                request.answer(None)
            queue.append(to_message(request))

    def _sweep(self, queue: deque[Message]) -> None:
        """Forget messages of callers who went away: they are never begun and need no room."""
        alive = [message for message in queue if isinstance(message, tuple) or not message.is_gone]
        if len(alive) < len(queue):
            queue.clear()
            queue.extend(alive)

    def _drop_oldest(self, queue: deque[Message]) -> None:
        oldest = to_request(self._cell, queue.popleft())
        self.dropped += 1
        if not oldest.fail(self._full(oldest, queue)):
            self._cell.emit_dropped(oldest)

    def _full(self, request: Request, queue: deque[Message]) -> MailboxFull:
        path = self._cell.path
        return MailboxFull(path, f"no room for {request.operation} in the mailbox of {path} ({len(queue)} messages)")

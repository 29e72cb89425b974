"""The slot of an actor: its mailbox outlives its lives, so a ref is an address.

Messages sent while a child restarts wait here for the new life. Those queued when a life ends fail with it; with
``keep_mailbox`` queued casts stay. The queue is made when the first message has to wait.
"""

from collections import deque
from collections.abc import Mapping
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import trio

from supervisors._errors import ActorCrashed, ActorNotAlive, AlreadyRegistered, CallCycle
from supervisors._events import MessageDropped
from supervisors._exit import Exit, ExitKind, describe
from supervisors._life import Life
from supervisors._mailbox import Bound
from supervisors._operations import name_operation, refuse_operation
from supervisors._ref import Ref
from supervisors._reply import Message, Request, to_cast, to_request
from supervisors._ring import find_ring
from supervisors._slot import Slot
from supervisors._spec import ChildSpec, Name, Via
from supervisors._trace import TraceHook
from supervisors._turn import ActorLife

if TYPE_CHECKING:
    from supervisors._actor import Actor
    from supervisors._team import Team

A = TypeVar("A", bound="Actor")

_UNKNOWN: Final = dict[object, tuple[str]]()
"""The operations of an actor that no life has made yet. Nobody writes to it."""


class Cell(Slot[ChildSpec[Any]], Generic[A]):
    """One actor, over many lives."""

    __slots__ = ("bound", "hooks", "inbox", "operations", "queue", "ref", "server")

    def __init__(self, team: "Team", spec: ChildSpec[Any], name: str) -> None:
        super().__init__(team, spec, name)
        self.queue: deque[Message] | None = None
        self.inbox: deque[Message] | None = None
        """The queue, while a message needs nothing but to be appended: the turn is held, and there is no bound."""
        self.server: ActorLife | None = None
        """The life that takes mail now; None between two lives and while one stops."""
        self.operations: dict[object, tuple[str]] = _UNKNOWN
        """The functions that may be called, and their names, as messages begin with them."""
        self.bound = None if spec.mailbox is None else Bound(self, spec.mailbox)
        self.hooks: list[TraceHook] | None = None
        """Who is told of every operation."""
        self.ref: Ref[A] = Ref(self)

    def make_life(self) -> Life:
        """Build the next incarnation; it takes mail at once, but serves none before it has started."""
        self.server = life = ActorLife(self, self.lives)
        # Held by the life that starts, until its task runs.
        life.turn = trio.lowlevel.current_task()
        if isinstance(self.spec.name, Via):
            try:
                self.spec.name.claim(life)
            except AlreadyRegistered as error:
                life.fail(error)
        return life

    def make(self) -> A:
        """Make the actor by the spec's factory, and learn what it can do."""
        actor: A = self.spec.factory()
        try:
            self.operations = actor.list_operations()
        except AttributeError:
            raise self._refuse(actor) from None
        name = self.spec.name
        if isinstance(name, Name) and not isinstance(actor, name.actor):
            raise TypeError(f"the name {name} promises a {name.actor.__name__}, and its factory made {describe(actor)}")
        if hasattr(actor, "_life_of_actor"):
            raise TypeError(f"the factory of {self.path} must make a new actor for every life, got one that had one")
        return actor

    def _refuse(self, made: object) -> TypeError:
        if iscoroutine(made):
            made.close()
            return TypeError(f"the factory of {self.path} is an async function; child_from makes a child of one")
        return TypeError(f"the factory of {self.path} must make an Actor, got {describe(made)}")

    @trio.lowlevel.enable_ki_protection
    def post(self, request: Request, *, may_wait: bool = False) -> bool:
        """Deliver *request* to the life that takes mail, or queue it. Never blocks.

        Returns:
            Whether it is in the mailbox; False while it waits at the door of a full one (only if *may_wait*).

        Raises:
            ActorNotAlive: No life will serve it.
            MailboxFull: There is no room.
        """
        server = self.server
        if server is None:
            if not self.expects_life():
                raise self.not_alive()
        elif self.bound is not None and server.offer(request):
            return True
        if self.bound is not None:
            return self.bound.put(self.open_queue(), request, may_wait=may_wait)
        self._deliver(server, request)
        return True

    @trio.lowlevel.enable_ki_protection
    def cast(self, operation: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Deliver a cast, or queue it, or drop it when no life will serve it.

        Raises:
            MailboxFull: There is no room.
        """
        server = self.server
        if server is None and not self.expects_life():
            return
        if server is not None and server.is_starting_self():
            # What on_start sends to its own actor is the continuation of the start: before what waits for this life.
            self.put_first(Request(self, operation, args, kwargs))
        elif self.bound is not None and not self.bound.has_room(self.queue):
            self.post(Request(self, operation, args, kwargs))
        else:
            self._deliver(server, to_cast(operation, args, kwargs))

    def _deliver(self, server: ActorLife | None, message: Message) -> None:
        if server is not None and server.offer(message):
            return
        queue = self.open_queue()
        queue.append(message)
        if self.bound is None and server is not None and server.is_ready:
            self.inbox = queue

    def post_own(self, request: Request) -> None:
        """Deliver a timer's message: never refused, a bound is for what comes from outside."""
        server = self.server
        if server is not None and not server.offer(request):
            self.open_queue().append(request)

    def put_first(self, request: Request) -> None:
        """Queue *request* before everything but earlier ones that were put first."""
        server = self.server
        if server is not None:
            self.open_queue().insert(server.firsts, request)
            server.firsts += 1

    def open_queue(self) -> deque[Message]:
        """The queue, made when first needed: an idle actor has none."""
        queue = self.queue
        if queue is None:
            queue = self.queue = deque()
        return queue

    def emit_dropped(self, request: Request) -> None:
        """Report a message that nobody will miss by waiting for it."""
        self.emit(MessageDropped(trio.current_time(), self.path, request.operation))

    def next_message(self, queue: deque[Message]) -> Message:
        """Take the oldest message of the queue, which is not empty."""
        message = queue.popleft()
        if self.bound is not None and self.bound.at_door:
            self.bound.refill(queue)
        return message

    @trio.lowlevel.enable_ki_protection
    def fail_queue(self, exit_: Exit) -> None:
        """Answer everybody who is queued: the life they waited for is over."""
        queue, self.queue, self.inbox = self.queue, None, None
        keep = self.spec.keep_mailbox and not self.is_removed
        for message in queue or ():
            if isinstance(message, tuple):
                if keep:
                    self.open_queue().append(message)
            else:
                # Without a caller it is the life's own, a timer's or a continuation: that ends with it.
                message.fail(self.ended_error(exit_))
        if self.bound is not None and self.bound.at_door:
            self.bound.refill(self.open_queue())

    def close_to_mail(self, life: ActorLife) -> None:
        """Queue what comes from now on for the next life."""
        if self.server is life:
            self.server = self.inbox = None

    def expects_mail(self) -> bool:
        """Whether a message sent now has a chance to be served."""
        return self.server is not None or self.expects_life()

    @trio.lowlevel.enable_ki_protection
    def refuse_mail(self) -> None:
        """Fail what waits for a life: there will be none."""
        self.server = self.inbox = None
        queue, self.queue = self.queue, None
        at_door = () if self.bound is None else tuple(self.bound.at_door)
        for message in (*(queue or ()), *at_door):
            request = to_request(self, message)
            if not request.fail(self.not_alive()) and not request.is_gone:
                self.emit_dropped(request)
        if self.bound is not None:
            self.bound.at_door.clear()

    def remove(self) -> None:
        """Free the name, and refuse what comes from now on."""
        if isinstance(self.spec.name, Name):
            self.team.runtime.release(self.spec.name.name, self)
        super().remove()
        self.refuse_mail()

    def ended_error(self, exit_: Exit) -> Exception:
        """A fresh exception for one waiter of a life that ended so."""
        if exit_.kind is ExitKind.CRASHED:
            error = ActorCrashed(self.path, f"{self.path} crashed: {describe(exit_.error)}")
            error.__cause__ = exit_.error
            return error
        return ActorNotAlive(self.path, f"{self.path} is not alive ({exit_})", exit_)

    def not_alive(self) -> ActorNotAlive:
        """A fresh exception for one caller of a child that is gone for good."""
        return ActorNotAlive(self.path, f"{self.path} is not alive ({self.exit})", self.exit)

    def resolve(self, operation: object) -> str:
        """Name the operation, or say why it is none. Of an actor that was never made, any may be one."""
        try:
            return self.operations[operation][0]
        except (KeyError, TypeError):
            if self.operations is _UNKNOWN and (name := name_operation(operation)):
                return name
            raise refuse_operation(self.path, operation, self.operations) from None

    def check_cycle(self) -> None:
        """Refuse a call that would wait for its own caller."""
        ring = find_ring(self, trio.lowlevel.current_task())
        if ring is not None:
            raise CallCycle(self.path, f"{' -> '.join([*ring, ring[0]])} would wait for itself", ring)

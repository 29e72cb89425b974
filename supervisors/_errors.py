"""What can go wrong, one class per reaction.

::

    SupervisorsError
    ├── CallError                 a call has no answer; path says which actor
    │   ├── ActorCrashed          it crashed meanwhile; __cause__ is the original
    │   ├── ActorNotAlive         it is not there, and will not be; .exit says how it ended
    │   ├── MailboxFull           its bounded mailbox had no room; try later or send less
    │   ├── CallCycle             waiting would never end; .ring names the operations
    │   └── TaskStopped           the task was stopped before it had a result; .exit says how it ended
    ├── SupervisorError           an order to a supervisor was refused; path says which child
    │   ├── StartError            the child did not start; __cause__ is the original
    │   ├── AlreadyStarted        the id or name is taken by a live child; .ref is its address
    │   ├── AlreadyPresent        the id is taken by a child that is down: restart_child or delete_child
    │   ├── ChildNotFound         no child of that id
    │   ├── ChildRunning          it runs; terminate_child first
    │   ├── ChildRestarting       it is between two lives; terminate_child stops the attempts
    │   ├── TooManyChildren       max_children is reached
    │   └── SupervisorStopped     the supervisor is stopping or gone
    ├── AlreadyRegistered         the key of a registry has an owner; .owner is its address
    ├── NotRegistered             nobody has that key of the registry, or somebody else
    ├── SubscriberTooSlow         a subscription was cut off because its buffer was full; subscribe again
    └── RestartLimitExceeded      the supervisor gave up; .failures has the last crashes
"""

from supervisors._exit import Exit


class SupervisorsError(Exception):
    """The root of every error of this package."""


class CallError(SupervisorsError):
    """A call or cast could not be answered."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


class ActorCrashed(CallError):
    """The actor crashed before it answered. ``__cause__`` is what escaped; every waiter gets its own instance."""


class ActorNotAlive(CallError):
    """The actor is not there and will not come back. ``exit`` tells how its last life ended, where known."""

    def __init__(self, path: str, message: str, exit_: Exit | None = None) -> None:
        super().__init__(path, message)
        self.exit = exit_


class MailboxFull(CallError):
    """A bounded mailbox with ``Overflow.RAISE`` has no room."""


class CallCycle(CallError):
    """The call would wait for itself. ``ring`` lists the actors' paths from the callee around to the caller."""

    def __init__(self, path: str, message: str, ring: tuple[str, ...]) -> None:
        super().__init__(path, message)
        self.ring = ring


class TaskStopped(CallError):
    """The task was stopped or killed before it had a result. ``exit`` tells how it ended."""

    def __init__(self, path: str, message: str, exit_: Exit | None = None) -> None:
        super().__init__(path, message)
        self.exit = exit_


class SupervisorError(SupervisorsError):
    """A supervisor refused an order. ``path`` is the child's path."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


class StartError(SupervisorError):
    """The child's factory or ``on_start`` failed. ``__cause__`` is the original; nothing of the child is left."""


class AlreadyStarted(SupervisorError):
    """The id or the name belongs to a live child. ``ref`` is that child's address."""

    def __init__(self, path: str, message: str, ref: object) -> None:
        super().__init__(path, message)
        self.ref = ref


class AlreadyPresent(SupervisorError):
    """The id belongs to a child that is down."""


class ChildNotFound(SupervisorError):
    """The supervisor has no such child."""


class ChildRunning(SupervisorError):
    """The order needs a child that is down."""


class ChildRestarting(SupervisorError):
    """The order needs a child that is down, and this one is between two lives."""


class TooManyChildren(SupervisorError):
    """``max_children`` is reached, children between two lives included."""


class SupervisorStopped(SupervisorError):
    """The supervisor is stopping, restarting or gone."""


class AlreadyRegistered(SupervisorsError):
    """The key belongs to a live actor. ``owner`` is its address."""

    def __init__(self, message: str, owner: object) -> None:
        super().__init__(message)
        self.owner = owner


class NotRegistered(SupervisorsError):
    """The key belongs to nobody, or not to the actor in question."""


class SubscriberTooSlow(SupervisorsError):
    """The subscription's buffer was full, and it asked to be cut off then (``Overflow.RAISE``)."""


class RestartLimitExceeded(SupervisorsError):
    """A supervisor gave up: more than *limit* restarts were needed within *window* seconds.

    ``failures`` holds the last crashes as an ``ExceptionGroup``, oldest first; ``__cause__`` is the last straw.
    """

    def __init__(self, path: str, *, limit: int, window: float, failures: ExceptionGroup[Exception]) -> None:
        super().__init__(f"{path} gave up: more than {limit} restarts within {window:g} s")
        self.path = path
        self.limit = limit
        self.window = window
        self.failures = failures


class Ignore(SupervisorsError):  # not an error of this package's making, but raised and caught like one
    """Raise it in ``on_start`` to decline to run: the child stays listed, without a life, and nothing failed."""


class Misfit(TypeError):  # told to a sender as the TypeError that it is
    """The arguments of a message do not fit the operation, found out before the call that would have said so."""

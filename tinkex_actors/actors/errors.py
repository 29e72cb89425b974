"""What the client itself can say no to. Everything the server says is in :mod:`tinkex_actors.types.errors`.

::

    TinkerError
    ├── ClientClosed       the client or the whole connection was closed; nothing more will be answered
    ├── SessionEnded       the server ended the session; its models are gone: begin again from a checkpoint
    ├── ClientFenced       one model's sequence of requests is broken; __cause__ says by what
    ├── ClientBusy         too much of one model is not answered yet; await some of it and go on
    └── OperationWithdrawn it was cancelled before it was sent
"""

from typing import TypeVar

from tinkex_actors.types.errors import ClientClosed, TinkerError

__all__ = ["ClientBusy", "ClientClosed", "ClientFenced", "OperationWithdrawn", "SessionEnded", "fresh"]

E = TypeVar("E", bound=BaseException)


class SessionEnded(TinkerError):
    """The server ended the session, and with it its models; checkpoints remain."""


class ClientFenced(TinkerError):
    """A model's sequence of requests has a hole that cannot be filled, so nothing later is sent. ``__cause__`` says why."""


class ClientBusy(TinkerError):
    """A client holds as many operations as it may. Nothing was taken in: await some of them and ask again."""


class OperationWithdrawn(TinkerError):
    """The operation was cancelled before it was sent, or a sample before it was answered."""


def fresh(error: E) -> E:
    """Make a twin for one more waiter: tracebacks of different waiters must not mix.

    The twin has the original's attributes and causes, and no traceback. It is not built through ``__init__``, whose
    arguments differ from class to class.
    """
    twin = type(error).__new__(type(error), *error.args)
    twin.__dict__.update(error.__dict__)
    twin.__cause__ = error.__cause__
    return twin

"""The listener: takes connections until it is told to stop, and then lets them end.

At the stop nothing new is taken, connections that wait for a request are closed, and those that have one keep their time
to answer it.
"""

from functools import partial
from socket import socket

import trio
from attrs import define, field
from starlette.types import ASGIApp

from tinkex_actors.local.http.connection import Connection

_PATIENCE = 3600.0
"""Seconds that a connection may wait for a request: long, since a client that reuses a connection in the moment in which
the server drops it sees a failure."""
_ROUNDS = 60.0


@define(eq=False)
class Listener:
    """Serves an application on one socket that listens already."""

    app: ASGIApp
    socket: socket
    grace: float
    """Seconds that requests in flight have to finish at the stop."""
    _connections: set[Connection] = field(factory=set[Connection], init=False)

    async def serve(self, stopping: trio.Event) -> None:
        """Take connections until *stopping*, then let them finish."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self.socket))
        async with trio.open_nursery() as serving:
            async with trio.open_nursery() as taking:
                taking.start_soon(partial(trio.serve_listeners, self._serve_one, [listener], handler_nursery=serving))
                taking.start_soon(self._close_forgotten)
                await stopping.wait()
                taking.cancel_scope.cancel()
            for connection in tuple(self._connections):
                connection.close()
            serving.cancel_scope.deadline = trio.current_time() + self.grace

    async def _serve_one(self, stream: trio.SocketStream) -> None:
        connection = Connection(self.app, stream)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)

    async def _close_forgotten(self) -> None:
        """Close what has not been used for long; whoever is gone without a word is among them."""
        while True:
            await trio.sleep(_ROUNDS)
            oldest = trio.current_time() - _PATIENCE
            for connection in tuple(self._connections):
                if connection.idle_since is not None and connection.idle_since < oldest:
                    connection.close()

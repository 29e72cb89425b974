"""The pool: lanes by origin and name, one sweeper, and one retry where it is safe.

A connection that was idle may be dying while a request is written to it: servers close idle connections without asking.
Such a request is sent once more, on another connection, when nothing of an answer was read and the server cannot take it
for two: the kernel took no byte of it, or the request says that it may be repeated.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from ssl import SSLContext

import httpx

from tinkex_actors.transport.lean.beside import beside
from tinkex_actors.transport.lean.connection import Connection
from tinkex_actors.transport.lean.deadlines import Sweeper
from tinkex_actors.transport.lean.dialing import Dialler, Origin, default_context
from tinkex_actors.transport.lean.lane import Lane
from tinkex_actors.transport.lean.limits import Limits, Timeouts
from tinkex_actors.transport.lean.request import LeanRequest

_DEFAULT = Limits()


class Pool:
    """Keeps connections between requests. Made by :func:`open_pool`."""

    def __init__(self, dialler: Dialler, sweeper: Sweeper, limits: Mapping[str, Limits]) -> None:
        self._dialler = dialler
        self._sweeper = sweeper
        self._limits = limits
        self._lanes: dict[tuple[Origin, str], Lane] = {}
        self._is_closed = False

    def lane(self, origin: Origin, name: str = "") -> Lane:
        """The lane called *name* to *origin*; lanes do not share connections and never wait for one another."""
        if self._is_closed:
            raise RuntimeError("the pool is closed; send requests inside the block that opens it")
        lane = self._lanes.get((origin, name))
        if lane is None:
            limits = self._limits.get(name, _DEFAULT)
            lane = self._lanes[origin, name] = Lane(origin, limits, self._dialler, self._sweeper)
        return lane

    async def begin(
        self, lane: Lane, request: LeanRequest, timeouts: Timeouts, *, is_whole: bool = False
    ) -> Connection:
        """Send *request* and read the head of the answer, or the whole of it; cancelling closes the connection.

        Returns:
            The connection, for this answer alone: take or read it, then give it back with `Lane.put`, or close it.

        Raises:
            httpx.TransportError: No answer.
        """
        connection = lane.take_idle() or await lane.take_new(timeouts)
        try:
            await connection.ask(request, timeouts)
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            if not _may_send_again(connection, request):
                raise
            connection = await lane.take_new(timeouts)
            await connection.ask(request, timeouts)
        if is_whole and not connection.reader.is_complete:
            await connection.read_on()
        return connection

    def count_open(self) -> int:
        """How many connections there are."""
        return sum(lane.open_count for lane in self._lanes.values())

    def close(self) -> None:
        """Close every connection; whoever waits on one is told that it is gone."""
        self._is_closed = True
        for lane in self._lanes.values():
            lane.close()


def _may_send_again(connection: Connection, request: LeanRequest) -> bool:
    if not connection.is_reused or connection.reader.is_begun or request.stream is not None:
        return False
    return request.is_repeatable or connection.is_untouched()


@asynccontextmanager
async def open_pool(
    *, limits: Mapping[str, Limits] | None = None, context: Callable[[], SSLContext] = default_context
) -> AsyncGenerator[Pool, None]:
    """Open a pool; all its connections are closed at the end of the block, and no request outlives it.

    Args:
        limits: By the lanes' names; lanes not named have :class:`~tinkex_actors.transport.lean.limits.Limits`'s own.
        context: Makes the TLS context, for the first connection that needs it.
    """
    sweeper = Sweeper()
    pool = Pool(Dialler(cache(context)), sweeper, limits or {})
    async with beside(sweeper.run):
        try:
            yield pool
        finally:
            pool.close()

"""The connections of one lane to one origin: idle ones, a limit, and a line for them.

Idle connections are used last in, first out, so that those not needed grow old and are closed. Whoever finds the lane full
waits in line, and what becomes free is handed to the first: nobody overtakes. Cancelling while waiting gives the place up,
and passes on what was handed over in the same moment.
"""

from collections import deque
from math import inf

import httpx
import trio
from attrs import define, field

from tinkex_actors.transport.lean.connection import Connection
from tinkex_actors.transport.lean.deadlines import Deadline, Sweeper
from tinkex_actors.transport.lean.dialing import Dialler, Origin, OutOfFiles
from tinkex_actors.transport.lean.limits import Limits, Timeouts


@define(eq=False)
class _Place:
    """One place in the line, and what was handed to it: a connection, or leave to open one."""

    given: trio.Event = field(factory=trio.Event)
    connection: Connection | None = None


class Lane:
    """Lends connections, each to one request at a time."""

    def __init__(self, origin: Origin, limits: Limits, dialler: Dialler, sweeper: Sweeper) -> None:
        self._origin = origin
        self._limits = limits
        self._dialler = dialler
        self._sweeper = sweeper
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._opening = 0
        self._line: deque[_Place] = deque()
        self.is_closed = False

    @property
    def origin(self) -> Origin:
        """Where its connections lead."""
        return self._origin

    @property
    def open_count(self) -> int:
        """How many connections there are, idle ones and those being opened included."""
        return len(self._idle) + len(self._busy) + self._opening

    @property
    def idle_count(self) -> int:
        """How many of them nobody uses."""
        return len(self._idle)

    def take_idle(self) -> Connection | None:
        """Take the connection that became idle last and still lives, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            self._busy.add(connection)
            if connection.is_fresh():
                return connection
            connection.close()
        return None

    async def take_new(self, timeouts: Timeouts) -> Connection:
        """Open a connection; when there can be no more, wait for the next that becomes free.

        Raises:
            httpx.PoolTimeout: None became free in time.
            httpx.TransportError: It cannot be opened.
        """
        self._check_open()
        if self.open_count >= self._limits.connections:
            return await self._wait(timeouts)
        self._opening += 1
        try:
            return await self._open(timeouts)
        except OutOfFiles:
            if not self._busy:
                raise
        return await self._wait(timeouts)

    def put(self, connection: Connection) -> None:
        """Take a connection back: for the first in line, for later, or to be closed."""
        if self.is_closed or not connection.is_reusable:
            connection.close()
        elif self._line:
            place = self._line.popleft()
            place.connection = connection
            place.given.set()
        else:
            self._busy.discard(connection)
            self._idle.append(connection)
            connection.rest(self._limits.idle_seconds)

    def close(self) -> None:
        """Close every connection, whoever uses it, and lend none any more."""
        self.is_closed = True
        for connection in (*self._idle, *self._busy):
            connection.close()
        for place in self._line:
            place.given.set()
        self._line.clear()

    def _check_open(self) -> None:
        if self.is_closed:
            raise RuntimeError("the pool is closed; send requests inside the block that opens it")

    async def _open(self, timeouts: Timeouts) -> Connection:
        """Open a connection where one was allowed for."""
        try:
            deadline = Deadline(self._sweeper)
            wire = await self._dialler.dial(self._origin, deadline, timeouts.connect)
        except BaseException:
            self._opening -= 1
            self._let_next_open()
            raise
        self._opening -= 1
        connection = Connection(wire, deadline, self._sweeper, self._limits, self._forget)
        self._busy.add(connection)
        if self.is_closed:
            connection.close()
        self._check_open()
        return connection

    async def _wait(self, timeouts: Timeouts) -> Connection:
        place = _Place()
        self._line.append(place)
        try:
            with trio.move_on_after(inf if timeouts.pool is None else timeouts.pool):
                await place.given.wait()
        except BaseException:
            self._leave(place)
            raise
        self._check_open()
        if not place.given.is_set():
            self._line.remove(place)
            raise httpx.PoolTimeout(f"all {self.open_count} connections to {self._origin.host} stayed in use")
        if place.connection is None:
            return await self._open(timeouts)
        if place.connection.is_fresh():
            return place.connection
        place.connection.close()
        return await self.take_new(timeouts)

    def _leave(self, place: _Place) -> None:
        """Give up a place, and pass on what was handed to it."""
        if not place.given.is_set():
            self._line.remove(place)
        elif place.connection is not None:
            self.put(place.connection)
        elif not self.is_closed:
            self._opening -= 1
            self._let_next_open()

    def _forget(self, connection: Connection) -> None:
        """A connection was closed: there is room for another."""
        if connection in self._busy:
            self._busy.remove(connection)
        elif connection in self._idle:
            self._idle.remove(connection)
        self._let_next_open()

    def _let_next_open(self) -> None:
        if self._line and self.open_count < self._limits.connections:
            self._opening += 1
            self._line.popleft().given.set()

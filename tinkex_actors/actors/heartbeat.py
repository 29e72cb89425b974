"""Heartbeat: keeps the session alive while it lives itself, whatever the program does meanwhile.

The beats come from a small thread with a loop and a connection of its own, so that neither a computation nor a blocking
call in the program's loop can starve them; the same thread says what blocks that loop. The thread belongs to this life and
ends with it. Where the connection is the program's own and tied to its loop (a mock, a user's transport, the embedded
server), the beats run in the program's loop instead.

What the beats find out reaches this actor as plain data and a bell. A 410 ends the session, and so does a number of
failures in a row, if the figures name one.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import trio

from supervisors import Name
from tinkex_actors.actors.beating import Pulse, keep_beating
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.actors.loop_watch import watch_loop
from tinkex_actors.actors.own_loop import Owner, run_in_own_loop
from tinkex_actors.actors.record import SessionRecord
from tinkex_actors.settings import Figures
from tinkex_actors.transport.seam import Transport
from tinkex_actors.types.ids import SessionId

OpenLine = Callable[[], AbstractAsyncContextManager[Transport]]
"""Opens a connection in the loop it is called in."""
THREAD_NAME = "tinkex heartbeat"


class Heartbeat(Crashable):
    """Beats for one session."""

    def __init__(
        self,
        record: SessionRecord,
        transport: Transport,
        figures: Figures,
        end: Callable[[SessionId, str], None],
        open_line: OpenLine | None = None,
    ) -> None:
        """Beat for the session in *record*.

        Args:
            record: The session's.
            transport: Carries the beats where there is no line of their own.
            figures: The interval and the limits.
            end: Told when the session is over.
            open_line: Opens a line of the thread's own; without it the beats run in this loop.
        """
        self._record = record
        self._transport = transport
        self._open_line = open_line
        self._figures = figures
        self._end = end
        self._pulse = Pulse()
        self._bell = trio.Event()
        self._is_under_way = trio.Event()
        self._heard = 0

    async def on_start(self) -> None:
        """Begin to beat, and return when that is under way: what comes next may block this loop.

        Opening the session counts as being heard.
        """
        if self._record.last_heartbeat is None:
            self._record.last_heartbeat = trio.current_time()
        session_id = self._record.session_id
        if session_id is not None:
            self.start_soon(self._listen)
            self.start_soon(self._beat, session_id)
            await self._is_under_way.wait()

    async def note(self) -> None:
        """Take over what the beats have found out."""
        pulse, record = self._pulse, self._record
        record.missed_beats = pulse.missed
        if pulse.heard > self._heard:
            self._heard = pulse.heard
            record.last_heartbeat = trio.current_time()
        if record.session_id is None:
            return
        if pulse.is_gone:
            self._end(record.session_id, "the server has ended the session (410)")
        elif pulse.missed > self._figures.heartbeat_failures_max:
            self._end(
                record.session_id, f"{pulse.missed} heartbeats in a row failed, the last with: {pulse.last_error}"
            )

    async def _beat(self, session_id: SessionId) -> None:
        open_line, pulse, figures = self._open_line, self._pulse, self._figures
        if open_line is None:
            self._is_under_way.set()
            await keep_beating(session_id, self._transport, figures, pulse, self._ring)
            return

        async def beat_there(owner: Owner) -> None:
            async with open_line() as line, trio.open_nursery() as nursery:
                owner.call_soon(self._is_under_way.set)
                nursery.start_soon(watch_loop, owner, figures)
                await keep_beating(session_id, line, figures, pulse, partial(owner.call_soon, self._ring))
                nursery.cancel_scope.cancel()

        await run_in_own_loop(beat_there, thread_name=THREAD_NAME)

    async def _listen(self) -> None:
        while True:
            await self._bell.wait()
            self._bell = trio.Event()
            self.ref.cast_nowait(Heartbeat.note)

    def _ring(self) -> None:
        self._bell.set()


HEARTBEAT_NAME = Name("heartbeat", Heartbeat)

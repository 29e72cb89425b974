"""Heartbeat: tells the server every few seconds that the session lives.

A beat that fails is repeated at the next interval, never sooner; failures become warnings once the server has not heard
us for long. Only a 410 ends the session. What sends is the actor's own operation, so that moving it to a thread with a
loop of its own changes this file alone.
"""

from collections.abc import Callable

import trio

from supervisors import Name
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.actors.record import SessionRecord
from tinkex_actors.log import get_log
from tinkex_actors.settings import Figures
from tinkex_actors.transport.ask import tell
from tinkex_actors.transport.endpoints import HEARTBEAT
from tinkex_actors.transport.seam import Transport
from tinkex_actors.types.errors import APIStatusError, TinkerError
from tinkex_actors.types.ids import SessionId
from tinkex_actors.wire.requests import SessionHeartbeatRequest

_log = get_log()
_GONE = 410


class Heartbeat(Crashable):
    """Beats for one session."""

    def __init__(
        self, record: SessionRecord, transport: Transport, figures: Figures, end: Callable[[SessionId, str], None]
    ) -> None:
        """Beat for the session in *record*; *end* is told when the server says that it is over."""
        self._record = record
        self._transport = transport
        self._figures = figures
        self._end = end
        self._is_beating = False

    async def on_start(self) -> None:
        """Begin to beat; opening the session counts as being heard."""
        if self._record.last_heartbeat is None:
            self._record.last_heartbeat = trio.current_time()
        self.send_every(self._figures.heartbeat_interval, Heartbeat.beat)

    async def beat(self) -> None:
        """Beat once, unless the last beat is still on its way."""
        session_id = self._record.session_id
        if session_id is None or self._is_beating:
            return
        self._is_beating = True
        try:
            async with self.off_turn():
                await tell(self._transport, HEARTBEAT, SessionHeartbeatRequest(session_id))
        except APIStatusError as error:
            if error.status_code == _GONE:
                self._end(session_id, "the server has ended the session (410)")
            else:
                self._note_failure(error)
        except TinkerError as error:
            self._note_failure(error)
        else:
            self._record.last_heartbeat = trio.current_time()
        finally:
            self._is_beating = False

    def _note_failure(self, error: TinkerError) -> None:
        silent = trio.current_time() - (self._record.last_heartbeat or 0.0)
        if silent > self._figures.heartbeat_warning:
            _log.warning("the server has not heard our heartbeat", seconds=round(silent), error=str(error))


HEARTBEAT_NAME = Name("heartbeat", Heartbeat)

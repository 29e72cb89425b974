"""Session: opens the conversation with the server, asks for its switches, and opens a new one when it was ended.

The session itself is plain data (:class:`~tinkex_actors.actors.record.SessionRecord`): a Session that crashes finds it
again and goes on with it. Only the server ends it; then this life stops, and under ``rest_for_one`` everything that holds
the old session is reborn with the new one.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from supervisors import Name
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.actors.errors import SessionEnded
from tinkex_actors.actors.long_opening import tell_long_opening
from tinkex_actors.actors.record import SessionRecord
from tinkex_actors.log import get_log
from tinkex_actors.settings import SDK_VERSION, Settings
from tinkex_actors.transport.ask import ask, tell
from tinkex_actors.transport.endpoints import (
    CLIENT_CONFIG,
    CREATE_SESSION,
    DYNAMIC_CONFIG,
    DYNAMIC_CONFIG_AGAIN,
    FIRST_HEARTBEAT,
    Question,
)
from tinkex_actors.transport.lean.beside import beside
from tinkex_actors.transport.seam import Transport
from tinkex_actors.transport.standing import Standing
from tinkex_actors.types.errors import APIStatusError, TinkerError
from tinkex_actors.types.sessions import CreateSessionResponse
from tinkex_actors.wire.requests import ClientConfigRequest, CreateSessionRequest, SessionHeartbeatRequest

R = TypeVar("R")

_log = get_log()
_SHORTEST_REFRESH = 10.0
_NO_SUCH_SESSION = frozenset({400, 404, 410, 422})
_NO_SUCH_ROUTE = frozenset({404, 405})


class Session(Crashable):
    """Keeps the session's record true."""

    expected_errors = (TinkerError,)

    def __init__(
        self, record: SessionRecord, transport: Transport, settings: Settings, lose: Callable[[SessionEnded], None]
    ) -> None:
        """Work on *record*; *lose* is told when the server has ended the session."""
        self._record = record
        self._transport = transport
        self._settings = settings
        self._lose = lose
        self._standing = Standing()

    async def on_start(self) -> None:
        """Open the session, unless a former life has."""
        if self._record.is_over:
            return
        async with beside(partial(tell_long_opening, self._standing, self._settings.figures.wait_log_first)):
            if self._record.session_id is None and not self._record.is_borrowed:
                await self._open()
            elif self._record.is_foreign:
                await self._take_over()
        interval = max(self._record.dynamic_config.refresh_interval_sec, _SHORTEST_REFRESH)
        if self._record.capabilities.dynamic_config:
            self.send_every(interval, Session.refresh)

    async def refresh(self) -> None:
        """Ask for the switches that may turn while the session lives; keep the old ones if that fails."""
        async with self.off_turn():
            try:
                fresh = await ask(self._transport, DYNAMIC_CONFIG_AGAIN, ClientConfigRequest(SDK_VERSION))
            except TinkerError as error:
                _log.debug("the server's switches could not be read; the old ones stay", error=str(error))
                return
        self._record.dynamic_config = fresh

    async def end(self, session_id: str, why: str) -> None:
        """The server has ended the session: fail what hangs on it, and make room for a new one if the settings want one.

        A report about another session than the current one comes late and means nothing.
        """
        if session_id != self._record.session_id:
            return
        error = SessionEnded(f"{why}; its models are gone: begin again from a checkpoint")
        self._record.begin_anew()
        self._record.is_over = not self._settings.reopens_session
        self._lose(error)
        self.stop(reason=error)

    async def _open(self) -> None:
        record, settings = self._record, self._settings
        await self._read_switches()
        request = CreateSessionRequest(
            tags=settings.tags,
            user_metadata=dict(settings.user_metadata),
            sdk_version=SDK_VERSION,
            project_id=settings.project_id or None,
            display_name=settings.display_name or None,
        )
        opened = await ask(self._transport, CREATE_SESSION, request, key=record.opening_key, standing=self._standing)
        record.session_id = opened.session_id
        _say(opened)

    async def _read_switches(self) -> None:
        """Learn from the switches, or from their absence, what kind of server this is."""
        record = self._record
        config = await self._ask_if_known(CLIENT_CONFIG)
        if config is None:
            # Servers of the JSON generation have none. One that takes protobuf all the same will refuse JSON.
            record.presume("protobuf_requests", is_there=False)
        else:
            record.begin_with(config)
        dynamic = await self._ask_if_known(DYNAMIC_CONFIG)
        record.learn("dynamic_config", is_there=dynamic is not None)
        record.dynamic_config = dynamic or record.dynamic_config

    async def _take_over(self) -> None:
        """Make sure that the session of another process still lives.

        Raises:
            SessionEnded: It does not.
            TinkerError: Whether it does cannot be known now.
        """
        await self._read_switches()
        try:
            await tell(self._transport, FIRST_HEARTBEAT, SessionHeartbeatRequest(self._record.id))
        except APIStatusError as refusal:
            if refusal.status_code not in _NO_SUCH_SESSION:
                raise
            raise SessionEnded(f"session {self._record.id} cannot be taken over: {refusal}") from refusal
        self._record.is_foreign = False

    async def _ask_if_known(self, question: Question[ClientConfigRequest, R]) -> R | None:
        """Ask what older servers do not know; ``None`` from those."""
        try:
            return await ask(self._transport, question, ClientConfigRequest(SDK_VERSION), standing=self._standing)
        except APIStatusError as refusal:
            if refusal.status_code not in _NO_SUCH_ROUTE:
                raise
            return None


def _say(opened: CreateSessionResponse) -> None:
    """Pass on what the server has to say to people."""
    sayings: dict[str, Any] = {
        "info": opened.info_message,
        "warning": opened.warning_message,
        "error": opened.error_message,
    }
    for level, message in sayings.items():
        if message:
            getattr(_log, level)("the server says", message=message, session_id=opened.session_id)


SESSION = Name("session", Session)

"""Sessions: who is there, until they say goodbye or fall silent.

Times are arguments: `now` is seconds of the clock that heartbeats are measured with; `created_at` is a date for people.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import define, field

from tinkex_actors.local.keys import Owner
from tinkex_actors.local.refusals import Gone, NotFound
from tinkex_actors.types.ids import ModelId, RequestId, SamplingSessionId, SessionId


@define(eq=False)
class Session:
    """One client's stay."""

    session_id: SessionId
    owner: Owner
    created_at: datetime
    last_beat: float
    """When the client was heard last, on the clock of heartbeats."""
    tags: tuple[str, ...] = ()
    user_metadata: Mapping[str, Any] = field(factory=dict[str, Any])
    project_id: str | None = None
    display_name: str | None = None
    idempotency_key: str | None = None
    """What tells a repeated creation from a new one."""
    ended: str | None = None
    """Why the session is over: a finish reason, or ``"expired"``; None while it lives."""
    detail: str | None = None
    models: dict[int, tuple[ModelId, RequestId]] = field(factory=dict[int, tuple[ModelId, RequestId]])
    """What was created under each ``model_seq_id``."""
    samplers: dict[int, SamplingSessionId] = field(factory=dict[int, SamplingSessionId])
    """What was created under each ``sampling_session_seq_id``."""

    @property
    def model_ids(self) -> list[ModelId]:
        """The models of this session, oldest first."""
        return [model_id for model_id, _ in self.models.values()]


@define
class Sessions:
    """All sessions, alive and ended."""

    timeout: float
    """Seconds without a heartbeat after which a session is over."""
    _sessions: dict[SessionId, Session] = field(factory=dict[SessionId, Session])
    _by_key: dict[tuple[Owner, str], SessionId] = field(factory=dict[tuple[Owner, str], SessionId])

    def add(self, session: Session) -> None:
        """Take *session* in; a second request with the same idempotency key is answered by `find_again`."""
        self._sessions[session.session_id] = session
        if session.idempotency_key:
            self._by_key[session.owner, session.idempotency_key] = session.session_id

    def find_again(self, owner: Owner, idempotency_key: str | None) -> Session | None:
        """The session that a repeated request had created."""
        session_id = self._by_key.get((owner, idempotency_key)) if idempotency_key else None
        return self._sessions[session_id] if session_id else None

    def find(self, session_id: SessionId, owner: Owner) -> Session:
        """Return the session, alive or ended.

        Raises:
            NotFound: No such session, or it belongs to another key.
        """
        session = self._sessions.get(session_id)
        if session is None or session.owner != owner:
            raise NotFound(f"session {session_id} is unknown here; create one first")
        return session

    def find_alive(self, session_id: SessionId, owner: Owner) -> Session:
        """Return the session if it has not ended.

        Raises:
            NotFound: See `find`.
            Gone: It has ended.
        """
        session = self.find(session_id, owner)
        if session.ended is not None:
            raise Gone(f"session {session_id} has ended ({session.ended}); create a new one")
        return session

    def beat(self, session_id: SessionId, owner: Owner, *, now: float) -> None:
        """Note that the client is there.

        Raises:
            NotFound: See `find`.
            Gone: The session has ended: its heart may stop.
        """
        self.find_alive(session_id, owner).last_beat = now

    def end(self, session: Session, reason: str, *, detail: str | None = None) -> bool:
        """End *session* and say whether this was the first time; the first reason stands."""
        if session.ended is not None:
            return False
        session.ended, session.detail = reason, detail
        return True

    def expired(self, now: float) -> list[Session]:
        """The living sessions that have been silent for too long."""
        return [one for one in self._sessions.values() if one.ended is None and now - one.last_beat > self.timeout]

    def of(self, owner: Owner) -> list[Session]:
        """The owner's sessions, newest first."""
        mine = [session for session in self._sessions.values() if session.owner == owner]
        return mine[::-1]

    def alive(self, owner: Owner | None = None) -> int:
        """How many sessions live, of *owner* or of all."""
        return sum(one.ended is None and owner in (None, one.owner) for one in self._sessions.values())

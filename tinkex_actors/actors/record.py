"""The session as plain data: what a new life of any actor must know, and all that closing needs."""

import secrets
import uuid

from attrs import define, field

from tinkex_actors.actors.errors import SessionEnded
from tinkex_actors.types.ids import SessionId
from tinkex_actors.types.service import Capabilities, ClientConfigResponse, ClientDynamicConfigResponse


def _new_key() -> str:
    return f"tinkex-{uuid.uuid4()}"


@define(eq=False)
class SessionRecord:
    """One session: its id, its numbers, and what is known of its server."""

    opening_key: str = field(factory=_new_key)
    """The idempotency key of ``create_session``: nothing else tells a repeated opening from a second session."""
    session_id: SessionId | None = None
    is_over: bool = False
    """Whether the server has ended the session and the settings want no other."""
    config: ClientConfigResponse = field(factory=ClientConfigResponse)
    dynamic_config: ClientDynamicConfigResponse = field(factory=ClientDynamicConfigResponse)
    capabilities: Capabilities = field(factory=Capabilities)
    known: frozenset[str] = frozenset()
    """The capabilities that the server has shown to have or to lack; the others are presumed."""
    last_heartbeat: float | None = None
    """When we last knew that the server hears us, on trio's clock."""
    missed_beats: int = 0
    """Heartbeats in a row that the server has not answered."""
    _next_model: int = field(default=0, alias="next_model")
    _next_sampler: int = field(default=0, alias="next_sampler")

    is_foreign: bool = False
    """Whether another process has opened it, so that its switches are still to be asked for."""

    is_borrowed: bool = False
    """Whether it is another's: kept alive while we are here, never ended, never replaced."""

    @classmethod
    def taken_over(cls, session_id: SessionId) -> "SessionRecord":
        """Go on with a session that another process has opened, and left.

        How far it had numbered its models and samplers is not known here; ours begin far from there.
        """
        far = (1 << 20) + secrets.randbelow(1 << 29)
        return cls(session_id=session_id, is_foreign=True, next_model=far, next_sampler=far)

    @property
    def span(self) -> None:
        """What its actors do for no operation in particular belongs to no call of the user."""

    def ids(self) -> dict[str, str]:
        """Name the session for a log: what its actors do when they do it for no operation in particular."""
        return {} if self.session_id is None else {"session_id": self.session_id}

    @property
    def id(self) -> SessionId:
        """The id of the session.

        Raises:
            SessionEnded: There is none at the moment.
        """
        if self.is_over:
            raise SessionEnded("the server has ended the session, and the settings open no other (reopens_session)")
        if self.session_id is None:
            raise SessionEnded("there is no session with the server; it is being opened, or could not be")
        return self.session_id

    def begin_with(self, config: ClientConfigResponse) -> None:
        """Note what the server says of itself in its switches."""
        self.config = config
        self.learn("bulk_poll", is_there=config.sample_use_retrieve_futures)
        self.learn("join_sampling_session", is_there=config.sample_join_sampling_session)

    def presume(self, capability: str, *, is_there: bool) -> None:
        """Begin with the likelier case; the server will show which it is."""
        capabilities = self.capabilities
        self.capabilities = capabilities.having(capability) if is_there else capabilities.without(capability)

    def learn(self, capability: str, *, is_there: bool) -> None:
        """The server has shown whether it can do this."""
        if capability not in self.known or getattr(self.capabilities, capability) != is_there:
            self.presume(capability, is_there=is_there)
            self.known |= {capability}

    def take_model_number(self) -> int:
        """Number one more model; from 0. A number is never given twice."""
        self._next_model += 1
        return self._next_model - 1

    def take_sampler_number(self) -> int:
        """Number one more sampling session, named or ephemeral; from 0. A number is never given twice."""
        self._next_sampler += 1
        return self._next_sampler - 1

    def begin_anew(self) -> None:
        """Forget the session that ended: the next one has numbers and a key of its own."""
        self.opening_key = _new_key()
        self.session_id = None
        self.last_heartbeat = None
        self.missed_beats = 0
        self._next_model = self._next_sampler = 0

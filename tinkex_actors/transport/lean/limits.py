"""What a server may send, how long it may take, and how many connections there are: plain figures."""

from attrs import frozen

MAX_RECEIVE_BYTES = 65_536
"""How much is read at once while a response is parsed."""


@frozen(kw_only=True)
class Limits:
    """Bounds for whatever a server sends, and for what is kept open."""

    header_count: int = 200
    """Fields of one response, trailers included."""
    head_bytes: int = 65_536
    """Bytes that are no content in one run: status line, headers, interim responses, chunk sizes, trailers."""
    whole_body_bytes: int = 1 << 30
    """The largest content that is read as a whole; streams have no limit."""
    idle_seconds: float = 4.0
    """How long an unused connection is kept: less than the five seconds after which common servers close theirs."""
    connections: int = 100
    """How many connections a lane may have to one origin."""


@frozen(kw_only=True)
class Timeouts:
    """How long each kind of waiting may take, in seconds; ``None`` waits for ever."""

    connect: float | None = None
    """To open a connection, TLS included."""
    read: float | None = None
    """Without a byte from the server."""
    write: float | None = None
    """Without the server taking a byte."""
    pool: float | None = None
    """For a connection of the lane to become free."""

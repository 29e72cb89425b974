"""How much the server lets one client ask for. Every number is an option of `open_server`.

A limit that is met answers with a 4xx that names it; none is silent.
"""

from attrs import field, frozen, validators

from tinkex_actors.local.refusals import BadRequest

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1


def check_number(name: str, number: int, *, minimum: int = 0, maximum: int = INT32_MAX) -> int:
    """Return a number a client counts with.

    Raises:
        BadRequest: It is out of bounds.
    """
    if not minimum <= number <= maximum:
        raise BadRequest(f"{name} must be within {minimum} and {maximum}, got {number}")
    return number


def _positive(default: float) -> float:
    """Declare a field that must be above zero."""
    checked: float = field(default=default, validator=validators.gt(0))
    return checked


def _count(default: int) -> int:
    """Declare a field that must be a whole number above zero."""
    checked: int = field(default=default, validator=[validators.instance_of(int), validators.gt(0)])
    return checked


@frozen(kw_only=True)
class Limits:
    """Sizes in bytes, times in seconds, and counts."""

    max_body_bytes: int = _count(64 * 1024 * 1024)
    """The longest request body, as it travels."""
    max_decompressed_bytes: int = _count(256 * 1024 * 1024)
    """The longest request body after decompression."""
    max_rank: int = _count(128)
    """The highest LoRA rank."""
    max_models: int = _count(64)
    """Models in training at once, over all sessions."""
    max_held_requests: int = _count(10_000)
    """Requests of one model that may wait for their turn."""
    max_samples: int = _count(128)
    """Sequences that one request may ask for."""
    max_decoded_together: int = _count(256)
    """Sequences that are decoded at a time, over all sessions; requests beyond wait, ``paused_capacity``."""
    max_decoded_per_session: int = _count(128)
    """Of them, those of one sampling session, so that none can take all; requests beyond wait, ``paused_rate_limit``."""
    max_pending_samples: int = _count(4_000)
    """Sample requests that may wait, over all sessions; one more is answered 429."""
    max_batch_tokens: int = _count(4_000_000)
    """Tokens of one forward_backward request."""
    max_request_tokens: int = _count(1_000_000)
    """Tokens that one sample request may come to: its samples times ``max_tokens``."""
    adapters_in_memory: int = _count(64)
    """Adapters of sampling sessions that are kept in memory; the others are read again when they are used."""
    remembered_samples: int = _count(10_000)
    """Sequence numbers of one sampling session for which a repeated request is known as such."""
    kept_results_bytes: int = _count(256 * 1024 * 1024)
    """Results already fetched that are kept for another fetch; the oldest go first."""
    announced_result_bytes: int = _count(8 * 1024 * 1024)
    """A result longer than this is announced before it is sent, to clients that ask so."""
    long_poll: float = _positive(25.0)
    """How long a retrieval waits before it answers "try again". Clients give up at 45 s."""
    gap_timeout: float = _positive(120.0)
    """How long a request waits for a lower sequence number that has not come."""
    session_timeout: float = _positive(300.0)
    """How long a session lives without a heartbeat."""

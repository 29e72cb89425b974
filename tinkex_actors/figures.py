"""Every number the client waits, counts or limits by, each with the reason it has in its name."""

from math import inf
from typing import Any

from attrs import Attribute, field, frozen


def _require_number(attribute: "Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{attribute.name} must be a number, got {type(value).__name__}")


def _above_zero(_instance: object, attribute: "Attribute[Any]", value: float) -> None:
    _require_number(attribute, value)
    if not value > 0:
        raise ValueError(f"{attribute.name} must be > 0, got {value!r}")


def not_negative(_instance: object, attribute: "Attribute[Any]", value: float) -> None:
    """Refuse what is no number, or below zero."""
    _require_number(attribute, value)
    if not value >= 0:
        raise ValueError(f"{attribute.name} must be >= 0, got {value!r}")


def _share(_instance: object, attribute: "Attribute[Any]", value: float) -> None:
    _require_number(attribute, value)
    if not 0 <= value < 1:
        raise ValueError(f"{attribute.name} must be in [0, 1), got {value!r}")


@frozen(kw_only=True)
class Figures:
    """Every number the client waits, counts or limits by. Times are in seconds, sizes in bytes."""

    connect_timeout: float = field(default=5.0, validator=_above_zero)
    """How long a connection may take to open."""
    request_timeout: float = field(default=60.0, validator=_above_zero)
    """How long a request may stay silent, where its endpoint has no figure of its own."""
    retrieve_timeout: float = field(default=45.0, validator=_above_zero)
    """How long one poll may stay silent; a server holds it for 20 to 40 s."""
    control_timeout: float = field(default=10.0, validator=_above_zero)
    """How long a heartbeat or a configuration refresh may take."""
    telemetry_timeout: float = field(default=5.0, validator=_above_zero)
    """How long a batch of telemetry events may take."""
    idle_connection_timeout: float = field(default=4.0, validator=_above_zero)
    """How long an unused connection is kept; common servers close theirs after 5 s."""
    submit_connections: int = field(default=16, validator=_above_zero)
    """How many connections carry training requests at once, at most."""
    sample_connections: int = field(default=100, validator=_above_zero)
    """The same for submitting samples."""
    retrieve_connections: int = field(default=2048, validator=_above_zero)
    """The same for results that are waited for: each wait holds one."""
    control_connections: int = field(default=16, validator=_above_zero)
    """The same for telemetry, and for everything else."""

    max_retries: int = field(default=10, validator=not_negative)
    """How often a request is sent again, where its endpoint retries at all."""
    retry_patience: float = field(default=300.0, validator=not_negative)
    """How long after its first attempt a submission is still sent again, whatever ``max_retries`` says."""
    patience_delay_max: float = field(default=30.0, validator=_above_zero)
    """The longest delay between the attempts that patience adds; the first is 1 s, and it doubles with each."""
    retry_delay_base: float = field(default=0.5, validator=_above_zero)
    """The first delay between attempts; it doubles with each."""
    retry_delay_max: float = field(default=10.0, validator=_above_zero)
    """The longest delay between attempts."""
    retry_jitter: float = field(default=0.25, validator=_share)
    """The share of a delay that chance may take away."""
    retry_after_max: float = field(default=60.0, validator=_above_zero)
    """The longest ``Retry-After`` that is obeyed; a longer one counts as none."""

    breaker_failures: float = field(default=5, validator=_above_zero)
    """After how many failures in a row requests are held back; infinity turns the breaker off."""
    breaker_open_base: float = field(default=1.0, validator=_above_zero)
    """How long they are held back before one tries; it doubles with each try that fails."""
    breaker_open_max: float = field(default=30.0, validator=_above_zero)
    """The longest time between two tries."""

    billing_pause_max: float = field(default=inf, validator=not_negative)
    """How long a 402 is a pause and no error; the server may say less (3,600 s unless it says otherwise)."""
    billing_delay: float = field(default=5.0, validator=_above_zero)
    """How long a request waits after a 402 before it is sent again."""
    billing_log_interval: float = field(default=60.0, validator=_above_zero)
    """How often a 402 is logged while it is a pause."""
    billing_forget: float = field(default=300.0, validator=_above_zero)
    """How long after the last 402 that was logged the next one begins a new pause."""

    poll_delay_base: float = field(default=0.5, validator=_above_zero)
    """The first delay after a failed poll; it doubles with each failure in a row."""
    poll_delay_max: float = field(default=10.0, validator=_above_zero)
    """The longest delay between polls of one operation."""
    poll_interval_min: float = field(default=0.25, validator=not_negative)
    """The least time between the starts of two polls of one operation, however quickly the server answers."""
    poll_paused_delay: float = field(default=1.0, validator=not_negative)
    """The delay after a poll that finds the server's queue paused, where the server names none."""
    poll_bad_requests: int = field(default=3, validator=not_negative)
    """How many polls in a row may be refused with an empty 400, as a proxy sends them."""
    poll_backoff_max: float = field(default=30.0, validator=_above_zero)
    """The longest delay after a poll that was refused with 429, timed out or found no server."""

    bulk_poll_delay: float = field(default=1.0, validator=_above_zero)
    """How long until a poll for many samples is repeated that failed."""
    lost_poll_delay: float = field(default=0.1, validator=_above_zero)
    """How long until a poll is begun again that was lost with its poller."""
    garbled_promises: int = field(default=3, validator=_above_zero)
    """How many answers to one submission may be unreadable before it counts as unanswered."""
    garbled_delay: float = field(default=0.1, validator=_above_zero)
    """How long until a submission is repeated whose answer could not be read."""

    wait_check: float = field(default=1.0, validator=_above_zero)
    """How often the client looks at what waits."""
    wait_log_first: float = field(default=30.0, validator=_above_zero)
    """How long an operation may wait before that is logged with its reason; and again whenever that time has doubled."""

    trace_interval: float = field(default=5.0, validator=_above_zero)
    """How often the server is asked whether the trace of a session is ready."""

    heartbeat_interval: float = field(default=10.0, validator=_above_zero)
    """How often the server is told that the session lives."""
    heartbeat_warning: float = field(default=120.0, validator=_above_zero)
    """How long heartbeats may fail before each failure is a warning."""
    heartbeat_failures_max: float = field(default=inf, validator=not_negative)
    """How many heartbeats in a row may fail before the session counts as lost; by default any number."""
    blocked_loop_check: float = field(default=1.0, validator=_above_zero)
    """How often the program's event loop is asked whether it still turns."""
    blocked_loop_warning: float = field(default=5.0, validator=_above_zero)
    """How long it may be blocked before that is told, with the stack of what blocks it."""

    train_in_flight: float = field(default=1024, validator=_above_zero)
    """How many operations of one model may be unanswered at once; beyond, they are refused with ``ClientBusy``."""
    sample_in_flight: float = field(default=inf, validator=_above_zero)
    """How many samples of one sampling session may be unanswered at once; the server may say less (2,000)."""
    samples_waiting: float = field(default=100_000, validator=_above_zero)
    """How many samples of one sampling session may wait to be sent; beyond, they are refused with ``ClientBusy``."""
    progress_timeout: float = field(default=7200.0, validator=_above_zero)
    """How long samples of one sampling session may wait while none of them is answered, before they are given up with
    `APITimeoutError`; infinity turns that off, and so may the server. Training waits for as long as its server takes."""
    sample_resubmissions: int = field(default=10, validator=not_negative)
    """How often a sample is asked for anew whose promise the server has lost."""
    submissions_at_once: int = field(default=400, validator=_above_zero)
    """How many samples may be on their way to the server at once."""
    sample_dispatch_bytes: float = field(default=inf, validator=_above_zero)
    """The budget of estimated bytes for samples on their way to the server; the server may say less (10 MiB)."""
    train_dispatch_bytes: float = field(default=inf, validator=_above_zero)
    """The budget of estimated bytes for training batches on their way to the server; the server may say less (50 MB)."""
    response_bytes: float = field(default=inf, validator=_above_zero)
    """The budget of announced bytes for large results on their way here; the server may say less (50 MiB)."""
    loss_threads: int = field(default=4, validator=_above_zero)
    """How many parts of custom losses are evaluated at once, each in a thread."""
    pause_small: float = field(default=1.0, validator=_above_zero)
    """How long a 429 stops sampling, at least."""
    pause_large: float = field(default=5.0, validator=_above_zero)
    """The same for a sample whose estimate is above ``pause_large_bytes``."""
    pause_large_bytes: int = field(default=131_072, validator=_above_zero)
    """Where a sample begins to count as large."""
    throttled_window: float = field(default=10.0, validator=_above_zero)
    """How long after a pause submissions stay throttled."""
    throttled_at_once: int = field(default=10, validator=_above_zero)
    """How many samples may be on their way at once while throttled."""
    throttled_weight: int = field(default=20, validator=_above_zero)
    """How many times its estimate a sample weighs while throttled."""

    telemetry_interval: float = field(default=10.0, validator=_above_zero)
    """How often telemetry events leave."""
    telemetry_batch: int = field(default=100, validator=_above_zero)
    """How many events leave together."""
    telemetry_queue: int = field(default=10_000, validator=_above_zero)
    """How many events may wait; what comes beyond is dropped and counted."""
    last_flush_timeout: float = field(default=1.0, validator=_above_zero)
    """How long the reporter may take to send what is left when it stops."""
    close_timeout: float = field(default=2.0, validator=_above_zero)
    """How long closing may take to tell the server that the session is over."""

    max_restarts: int = field(default=5, validator=not_negative)
    """How many crashes in ``max_seconds`` a supervisor of the client endures before it gives up."""
    max_seconds: float = field(default=10.0, validator=_above_zero)
    """The window of ``max_restarts``."""

    credential_timeout: float = field(default=30.0, validator=_above_zero)
    """How long the credential command may run, and a token's exchange may stay silent."""
    credential_margin: float = field(default=60.0, validator=not_negative)
    """How long before its end a token is replaced before anything else is sent."""
    credential_keep: float = field(default=300.0, validator=_above_zero)
    """How long a key that the credential command printed is used before the command runs again."""

    @classmethod
    def like(cls, parity_mode: str) -> "Figures":
        """Take the timeouts and retries of another client: ``python`` (60 s, 10) or ``conservative`` (120 s, 2).

        ``beam`` and ``elixir`` are other names of ``conservative``; nothing, and an unknown name, mean ``python``.
        """
        if parity_mode.strip().lower() in {"conservative", "beam", "elixir"}:
            return cls(request_timeout=120.0, max_retries=2)
        return cls()

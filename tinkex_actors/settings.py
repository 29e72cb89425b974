"""What a client may be told: the key, the address, the limits. Read once at the door, frozen afterwards.

An argument wins over the environment, and the environment over the default; an empty variable counts as absent. The
process's environment is read in one place, when a :class:`Settings` is made, and never again: two clients with different
settings in one program do not meet. :meth:`Settings.from_environ` reads another mapping instead.

Every number the client waits, counts or limits by is a field of :class:`Figures`. How a batch is cut, and how many samples
of a session may be open, the server says in ``client/config``.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any
from urllib.parse import urlsplit

from attrs import Attribute, evolve, field, frozen

DEFAULT_BASE_URL = "https://tinker.thinkingmachines.dev/services/tinker-prod"
"""Where the production service answers."""

SDK_VERSION = "0.38.0"
"""The protocol generation this client speaks, as ``client/config`` and ``create_session`` announce it."""

KEY_PREFIXES = ("tml-", "eyJ")
"""What a credential begins with: an API key, or a JWT."""

_LOCAL_KEY = "tml-local"
_TRUE_WORDS = frozenset({"1", "true", "yes", "on"})


def _mask(value: str) -> str:
    """Show that a secret is there, and its kind, and no more."""
    if not value:
        return "''"
    return next((f"'{prefix}***'" for prefix in KEY_PREFIXES if value.startswith(prefix)), "'***'")


def _mask_values(headers: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name!r}: '***'" for name in headers) + "}"


def _above_zero(_instance: object, attribute: "Attribute[Any]", value: float) -> None:
    if not value > 0:
        raise ValueError(f"{attribute.name} must be > 0, got {value!r}")


def _not_negative(_instance: object, attribute: "Attribute[Any]", value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{attribute.name} must be >= 0, got {value!r}")


def _share(_instance: object, attribute: "Attribute[Any]", value: float) -> None:
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

    max_retries: int = field(default=10, validator=_not_negative)
    """How often a request is sent again, where its endpoint retries at all."""
    retry_patience: float = field(default=300.0, validator=_not_negative)
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

    billing_pause_max: float = field(default=inf, validator=_not_negative)
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
    poll_interval_min: float = field(default=0.25, validator=_not_negative)
    """The least time between the starts of two polls of one operation, however quickly the server answers."""
    poll_bad_requests: int = field(default=3, validator=_not_negative)
    """How many polls in a row may be refused with an empty 400, as a proxy sends them."""
    poll_backoff_max: float = field(default=30.0, validator=_above_zero)
    """The longest delay after a poll that was refused with 429, timed out or found no server."""

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
    heartbeat_failures_max: float = field(default=inf, validator=_not_negative)
    """How many heartbeats in a row may fail before the session counts as lost; by default any number."""
    blocked_loop_check: float = field(default=1.0, validator=_above_zero)
    """How often the program's event loop is asked whether it still turns."""
    blocked_loop_warning: float = field(default=5.0, validator=_above_zero)
    """How long it may be blocked before that is told, with the stack of what blocks it."""

    sample_in_flight: float = field(default=inf, validator=_above_zero)
    """How many samples of one sampling session may be unanswered at once; the server may say less (2,000)."""
    sample_resubmissions: int = field(default=10, validator=_not_negative)
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

    max_restarts: int = field(default=5, validator=_not_negative)
    """How many crashes in ``max_seconds`` a supervisor of the client endures before it gives up."""
    max_seconds: float = field(default=10.0, validator=_above_zero)
    """The window of ``max_restarts``."""


def _check_key(_instance: object, _attribute: "Attribute[Any]", value: str) -> None:
    """Refuse what cannot be a credential, without repeating it: it may be the wrong secret."""
    if not value:
        raise ValueError(
            "no API key; pass api_key=... or set TINKER_API_KEY (any key such as tml-local suits a local server)"
        )
    if not value.startswith(KEY_PREFIXES):
        raise ValueError(
            f"api_key must begin with 'tml-' or 'eyJ', got {len(value)} characters that do not; "
            "check TINKER_API_KEY (any key such as tml-local suits a local server)"
        )
    if not value.isascii() or any(letter.isspace() for letter in value):
        raise ValueError("api_key must be printable ASCII without spaces; check TINKER_API_KEY for a stray line end")


def _check_url(_instance: object, _attribute: "Attribute[Any]", value: str) -> None:
    try:
        parts = urlsplit(value)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError as fault:
        raise ValueError(f"base_url must be an http:// or https:// address, got {value!r}") from fault
    if not is_good:
        raise ValueError(f"base_url must be an http:// or https:// address, got {value!r}")
    if parts.username or parts.password:
        raise ValueError("base_url must not carry a user name or a password; pass default_headers=... instead")


def _plain_url(url: str) -> str:
    return (url or DEFAULT_BASE_URL).strip().rstrip("/")


def _tuple(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(words)


def _copy(mapping: Mapping[str, str]) -> Mapping[str, str]:
    return dict(mapping)


def _no_words() -> Mapping[str, str]:
    return {}


def _variable(name: str, default: str = "") -> Callable[[], str]:
    """A field's factory: what the process's environment says, else *default*."""
    return lambda: os.environ.get(name, "") or default


def _tags(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The session's tags, in the order given, each once."""
    words = (word.strip() for word in environ.get("TINKER_TAGS", "").split(","))
    return tuple(dict.fromkeys(word for word in words if word)) or ("tinkex-actors",)


def _is_telemetry_on(environ: Mapping[str, str]) -> bool:
    return (environ.get("TINKER_TELEMETRY", "") or "1").strip().lower() in _TRUE_WORDS


def _cloudflare_headers(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The two access headers of a service behind Cloudflare, where the environment has them."""
    names = {
        "CF-Access-Client-Id": "CLOUDFLARE_ACCESS_CLIENT_ID",
        "CF-Access-Client-Secret": "CLOUDFLARE_ACCESS_CLIENT_SECRET",
    }
    return {header: value for header, name in names.items() if (value := environ.get(name, ""))}


@frozen(kw_only=True)
class Settings:
    """Everything one client is told; ``Settings()`` reads the process's environment.

    Two settings are equal when they say the same. ``repr`` shows no secret.

    Raises:
        ValueError: The key is absent or cannot be one, the address is none, or a figure is out of its range. The message
            says what was expected and what to do, and never repeats the key.
    """

    api_key: str = field(factory=_variable("TINKER_API_KEY"), validator=_check_key, repr=_mask)
    """The credential: an API key (``tml-…``) or a JWT (``eyJ…``). Variable ``TINKER_API_KEY``."""
    base_url: str = field(
        factory=_variable("TINKER_BASE_URL", DEFAULT_BASE_URL),
        converter=_plain_url,
        validator=_check_url,
    )
    """The address all paths are appended to, without a trailing slash. Variable ``TINKER_BASE_URL``."""
    project_id: str = field(factory=_variable("TINKER_PROJECT_ID"))
    """The project sessions belong to; empty for none. Variable ``TINKER_PROJECT_ID``."""
    tags: tuple[str, ...] = field(factory=lambda: _tags(os.environ), converter=_tuple)
    """The session's tags. Variable ``TINKER_TAGS``, comma-separated."""
    telemetry: bool = field(factory=lambda: _is_telemetry_on(os.environ))
    """Whether events are reported to the server. Variable ``TINKER_TELEMETRY``: 1, true, yes or on."""
    access_headers: Mapping[str, str] = field(
        factory=lambda: _cloudflare_headers(os.environ), converter=_copy, repr=_mask_values
    )
    """Sent with every request. Variables ``CLOUDFLARE_ACCESS_CLIENT_ID`` and ``CLOUDFLARE_ACCESS_CLIENT_SECRET``."""
    default_headers: Mapping[str, str] = field(factory=_no_words, converter=_copy, repr=_mask_values)
    """Sent with every request; they win over ``access_headers`` and over the client's own."""
    user_metadata: Mapping[str, str] = field(factory=_no_words, converter=_copy)
    """Kept with the session on the server."""
    display_name: str = ""
    """The session's name for people; empty for none."""
    figures: Figures = field(factory=Figures)
    """Every timeout, limit and size."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, api_key: str = "", base_url: str = "") -> "Settings":
        """Read *environ* instead of the process's environment; an argument that is not empty wins."""
        return cls(
            api_key=api_key or environ.get("TINKER_API_KEY", ""),
            base_url=base_url or environ.get("TINKER_BASE_URL", ""),
            project_id=environ.get("TINKER_PROJECT_ID", ""),
            tags=_tags(environ),
            telemetry=_is_telemetry_on(environ),
            access_headers=_cloudflare_headers(environ),
        )

    @classmethod
    def local(cls, url: str) -> "Settings":
        """Settings for a server on this machine: no variable is read, and any key will do."""
        return cls.from_environ({}, api_key=_LOCAL_KEY, base_url=url)

    def at(self, url: str) -> "Settings":
        """The same settings for another address."""
        return evolve(self, base_url=url)

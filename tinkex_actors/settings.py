"""What a client may be told: the key, the address, the limits. Read once at the door, frozen afterwards.

An argument wins over an application's configuration, that over the environment, and the environment over the default; an empty variable counts as absent. The
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

from attrs import Attribute, evolve, field, fields, frozen

from tinkex_actors.environment import (
    Environ,
    read_cloudflare,
    read_pairs,
    read_stored_key,
    read_switch,
    read_words,
)
from tinkex_actors.redaction import KEY_PREFIXES, mask, mask_url, mask_values

DEFAULT_BASE_URL = "https://tinker.thinkingmachines.dev/services/tinker-prod"
"""Where the production service answers."""

SDK_VERSION = "0.38.0"
"""The protocol generation this client speaks, as ``client/config`` and ``create_session`` announce it."""

FEATURE_GATES = ("async_sampling",)
"""Every feature gate there is."""

_LOCAL_KEY = "tml-local"


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
    poll_paused_delay: float = field(default=1.0, validator=_not_negative)
    """The delay after a poll that finds the server's queue paused, where the server names none."""
    poll_bad_requests: int = field(default=3, validator=_not_negative)
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
    heartbeat_failures_max: float = field(default=inf, validator=_not_negative)
    """How many heartbeats in a row may fail before the session counts as lost; by default any number."""
    blocked_loop_check: float = field(default=1.0, validator=_above_zero)
    """How often the program's event loop is asked whether it still turns."""
    blocked_loop_warning: float = field(default=5.0, validator=_above_zero)
    """How long it may be blocked before that is told, with the stack of what blocks it."""

    train_in_flight: float = field(default=1024, validator=_above_zero)
    """How many operations of one model may be unanswered at once; beyond, they are refused with ``ClientBusy``."""
    sample_in_flight: float = field(default=inf, validator=_above_zero)
    """How many samples of one sampling session may be unanswered at once; the server may say less (2,000)."""
    progress_timeout: float = field(default=7200.0, validator=_above_zero)
    """How long samples of one sampling session may wait while none of them is answered, before they are given up with
    `APITimeoutError`; infinity turns that off, and so may the server. Training waits for as long as its server takes."""
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

    credential_timeout: float = field(default=30.0, validator=_above_zero)
    """How long the credential command may run, and a token's exchange may stay silent."""
    credential_margin: float = field(default=60.0, validator=_not_negative)
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


def _check_key(settings: "Settings", _attribute: "Attribute[Any]", value: str) -> None:
    """Refuse what cannot be a credential, without repeating it: it may be the wrong secret."""
    if value:
        check_credential(value, "api_key", "check TINKER_API_KEY (any key such as tml-local suits a local server)")
    elif not settings.credential_command:
        raise ValueError(
            "no API key; pass api_key=... or set TINKER_API_KEY (any key such as tml-local suits a local server)"
        )


def check_credential(value: str, name: str, step: str) -> None:
    """Refuse what cannot be a credential, without repeating it.

    Raises:
        ValueError: It begins with neither of the prefixes, or has letters that no header can carry. Says *name* and *step*.
    """
    if not value.startswith(KEY_PREFIXES):
        raise ValueError(f"{name} must begin with 'tml-' or 'eyJ', got {len(value)} characters that do not; {step}")
    if not value.isascii() or any(letter.isspace() for letter in value):
        raise ValueError(f"{name} must be printable ASCII without spaces; {step} for a stray line end")


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


def _check_proxy(_instance: object, _attribute: "Attribute[Any]", value: str) -> None:
    parts = urlsplit(value)
    if value and not (parts.scheme in {"http", "https"} and parts.hostname):
        raise ValueError(f"proxy must be an http:// or https:// address, got {mask_url(value)}")


def _from(read: Callable[[Environ], Any], variable: str, **how: Any) -> Any:
    """A field that the environment may fill; attrs types what `field` returns as the field's own type."""
    return field(factory=lambda: read(os.environ), metadata={"read": read, "variable": variable}, **how)


def _text(name: str, default: str = "") -> Callable[[Environ], str]:
    return lambda environ: environ.get(name, "") or default


def _key(environ: Environ) -> str:
    """The key of the environment; without one, and without a command that prints one, the stored one."""
    key = environ.get("TINKER_API_KEY", "")
    return key if key or environ.get("TINKER_CREDENTIAL_CMD", "") else read_stored_key(environ)


def _figures(environ: Environ) -> Figures:
    return Figures.like(environ.get("TINKEX_PARITY", ""))


@frozen(kw_only=True)
class Settings:
    """Everything one client is told; ``Settings()`` reads the process's environment.

    Two settings are equal when they say the same. ``repr`` shows no secret.

    Raises:
        ValueError: The key is absent or cannot be one, the address is none, or a figure is out of its range. The message
            says what was expected and what to do, and never repeats the key.
    """

    api_key: str = _from(_key, "TINKER_API_KEY", validator=_check_key, repr=mask)
    """The credential: an API key (``tml-…``) or a JWT (``eyJ…``); without one, what ``tinkex auth login`` has stored."""
    credential_command: str = _from(_text("TINKER_CREDENTIAL_CMD"), "TINKER_CREDENTIAL_CMD", repr=mask)
    """A shell command that prints a credential; used where there is no key, and where the server wants it."""
    base_url: str = _from(
        _text("TINKER_BASE_URL", DEFAULT_BASE_URL), "TINKER_BASE_URL", converter=_plain_url, validator=_check_url
    )
    """The address all paths are appended to, without a trailing slash."""
    project_id: str = _from(_text("TINKER_PROJECT_ID"), "TINKER_PROJECT_ID")
    """The project sessions belong to; empty for none."""
    tags: tuple[str, ...] = _from(
        lambda environ: read_words(environ, "TINKER_TAGS") or ("tinkex-actors",), "TINKER_TAGS", converter=_tuple
    )
    """The session's tags. The variable's are separated by commas."""
    telemetry: bool = _from(lambda environ: read_switch(environ, "TINKER_TELEMETRY", default=True), "TINKER_TELEMETRY")
    """Whether events are reported to the server."""
    feature_gates: tuple[str, ...] = _from(
        lambda environ: read_words(environ, "TINKER_FEATURE_GATES") or FEATURE_GATES,
        "TINKER_FEATURE_GATES",
        converter=_tuple,
    )
    """Names of features to turn on. The one that exists, ``async_sampling``, is always on; others are ignored, and named
    in the log."""
    access_headers: Mapping[str, str] = _from(
        read_cloudflare,
        "CLOUDFLARE_ACCESS_CLIENT_ID, CLOUDFLARE_ACCESS_CLIENT_SECRET",
        converter=_copy,
        repr=mask_values,
    )
    """Sent with every request."""
    default_headers: Mapping[str, str] = _from(
        lambda environ: read_pairs(environ, "TINKEX_DEFAULT_HEADERS"),
        "TINKEX_DEFAULT_HEADERS",
        converter=_copy,
        repr=mask_values,
    )
    """Sent with every request; they win over ``access_headers`` and over the client's own. The variable is JSON."""
    default_query: Mapping[str, str] = _from(
        lambda environ: read_pairs(environ, "TINKEX_DEFAULT_QUERY"),
        "TINKEX_DEFAULT_QUERY",
        converter=_copy,
        repr=mask_values,
    )
    """Added to every address, where a request does not say otherwise. The variable is JSON."""
    proxy: str = _from(_text("TINKEX_PROXY"), "TINKEX_PROXY", validator=_check_proxy, repr=mask_url)
    """An ``http://`` or ``https://`` proxy for all requests; without one, the usual variables (``HTTPS_PROXY``, …)
    are honoured, but for servers on this machine."""
    proxy_headers: Mapping[str, str] = _from(
        lambda environ: read_pairs(environ, "TINKEX_PROXY_HEADERS"),
        "TINKEX_PROXY_HEADERS",
        converter=_copy,
        repr=mask_values,
    )
    """Sent to the proxy alone. The variable is JSON."""
    ca_file: str = ""
    """Certificates to trust instead of the usual ones: the path of a PEM file. ``SSL_CERT_FILE`` is honoured without."""
    dump_headers: bool = _from(
        lambda environ: read_switch(environ, "TINKEX_DUMP_HEADERS", default=False), "TINKEX_DUMP_HEADERS"
    )
    """Whether each request and answer is logged at debug level, headers included, secrets masked."""
    dump_bytes: int = field(default=0, validator=_not_negative)
    """How many bytes of each body are logged with them; those of a token's exchange never are."""
    user_metadata: Mapping[str, str] = field(factory=_no_words, converter=_copy)
    """Kept with the session on the server."""
    display_name: str = ""
    """The session's name for people; empty for none."""
    reopens_session: bool = True
    """Whether a new session is opened when the server has ended one; what hung on the old one fails either way."""
    figures: Figures = field(
        factory=lambda: _figures(os.environ),
        metadata={"read": _figures, "variable": "TINKEX_PARITY"},
    )
    """Every timeout, limit and size. The variable is ``python`` or ``conservative``; see `Figures.like`."""

    @classmethod
    def from_environ(cls, environ: Environ, *, app: Mapping[str, Any] | None = None, **arguments: Any) -> "Settings":
        """Read *environ* instead of the process's environment.

        Args:
            environ: The variables.
            app: An application's own configuration, by the names of the fields; ``figures`` may be a table. It wins over
                the environment.
            **arguments: Fields; they win over both. An empty text, and ``None``, count as not given.

        Raises:
            ValueError: A name is no field, or a value cannot be.
        """
        told = {name: value for name, value in arguments.items() if value is not None and value != ""}
        given = {**(app or {}), **told}
        readers = {one.name: one.metadata.get("read") for one in fields(cls)}
        if unknown := sorted(given.keys() - readers.keys()):
            raise ValueError(f"settings must be of {', '.join(readers)}, got {', '.join(unknown)}")
        command = given.get("credential_command") or environ.get("TINKER_CREDENTIAL_CMD", "")
        given.setdefault("api_key", _key({**environ, "TINKER_CREDENTIAL_CMD": command}))
        for name, read in readers.items():
            if read is not None and name not in given:
                given[name] = read(environ)
        table: Any = given["figures"]
        if not isinstance(table, Figures):
            given["figures"] = _evolve_figures(_figures(environ), table)
        return cls(**given)

    @classmethod
    def local(cls, url: str) -> "Settings":
        """Settings for a server on this machine: no variable is read, and any key will do."""
        return cls.from_environ({}, api_key=_LOCAL_KEY, base_url=url)

    def at(self, url: str) -> "Settings":
        """The same settings for another address."""
        return evolve(self, base_url=url)


def _evolve_figures(figures: Figures, table: Mapping[str, Any]) -> Figures:
    known = [one.name for one in fields(Figures)]
    if unknown := sorted(table.keys() - known):
        raise ValueError(f"figures must be of {', '.join(known)}, got {', '.join(unknown)}")
    return evolve(figures, **table)

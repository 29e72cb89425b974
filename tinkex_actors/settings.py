"""What a client may be told: the key, the address, the limits. Read once at the door, frozen afterwards.

An argument wins over an application's configuration, that over the environment, and the environment over the default; an empty variable counts as absent. The
process's environment is read in one place, when a :class:`Settings` is made, and never again: two clients with different
settings in one program do not meet. :meth:`Settings.from_environ` reads another mapping instead.

Every number the client waits, counts or limits by is a field of :class:`Figures`. How a batch is cut, and how many samples
of a session may be open, the server says in ``client/config``.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import Attribute, evolve, field, fields, frozen

from tinkex_actors.environment import (
    LEVELS,
    Environ,
    read_authorities,
    read_cloudflare,
    read_level,
    read_pairs,
    read_stored_key,
    read_switch,
    read_words,
)
from tinkex_actors.figures import Figures, not_negative
from tinkex_actors.redaction import KEY_PREFIXES, mask, mask_url, mask_values
from tinkex_actors.setting_checks import check_base_url, check_headers, check_proxy

__all__ = ["Figures", "Settings"]

DEFAULT_BASE_URL = "https://tinker.thinkingmachines.dev/services/tinker-prod"
"""Where the production service answers."""

SDK_VERSION = "0.38.0"
"""The protocol generation this client speaks, as ``client/config`` and ``create_session`` announce it."""

FEATURE_GATES = ("async_sampling",)
"""Every feature gate there is."""

_LOCAL_KEY = "tml-local"


def _check_key(settings: "Settings", _attribute: "Attribute[Any]", value: str) -> None:
    """Refuse what cannot be a credential, without repeating it: it may be the wrong secret."""
    _is_text(settings, _attribute, value)
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


# Any: what is no text is the validator's business.
def _plain_url(url: Any) -> Any:
    return (url or DEFAULT_BASE_URL).strip().rstrip("/") if url is None or isinstance(url, str) else url


def _tuple(words: Iterable[str]) -> tuple[str, ...]:
    if isinstance(words, str):
        raise TypeError(f"expected a list of texts, got {words!r}; write [{words!r}]")
    return tuple(words)


def _copy(mapping: Mapping[str, str]) -> Mapping[str, str]:
    return dict(mapping)


# Validators look at what a caller may have passed in spite of the types. None repeats a value: it may be a secret.
def _is_text(_instance: object, attribute: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be text, got {type(value).__name__}")


def _is_switch(_instance: object, attribute: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be True or False, got {type(value).__name__}")


def _are_texts(_instance: object, attribute: "Attribute[Any]", value: Iterable[object]) -> None:
    wrong = next((one for one in value if not isinstance(one, str)), None)
    if wrong is not None:
        raise TypeError(f"{attribute.name} must be texts, got {type(wrong).__name__} among them")


def _are_pairs(instance: object, attribute: "Attribute[Any]", value: Mapping[str, object]) -> None:
    _are_texts(instance, attribute, [*value, *value.values()])


def _are_figures(_instance: object, attribute: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, Figures):
        raise TypeError(f"{attribute.name} must be Figures, got {type(value).__name__}; write Figures(max_retries=3)")


def _no_words() -> Mapping[str, str]:
    return {}


def _check_level(_instance: object, _attribute: "Attribute[Any]", value: str) -> None:
    if value and value not in LEVELS:
        raise ValueError(f"log_level must be one of {', '.join(LEVELS)}, or empty, got {value!r}")


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
    credential_command: str = _from(
        _text("TINKER_CREDENTIAL_CMD"), "TINKER_CREDENTIAL_CMD", repr=mask, validator=_is_text
    )
    """A shell command that prints a credential; used where there is no key, and where the server wants it."""
    base_url: str = _from(
        _text("TINKER_BASE_URL", DEFAULT_BASE_URL),
        "TINKER_BASE_URL",
        converter=_plain_url,
        validator=[_is_text, check_base_url],
    )
    """The address all paths are appended to, without a trailing slash."""
    project_id: str = _from(_text("TINKER_PROJECT_ID"), "TINKER_PROJECT_ID", validator=_is_text)
    """The project sessions belong to; empty for none."""
    tags: tuple[str, ...] = _from(
        lambda environ: read_words(environ, "TINKER_TAGS") or ("tinkex-actors",),
        "TINKER_TAGS",
        converter=_tuple,
        validator=_are_texts,
    )
    """The session's tags. The variable's are separated by commas."""
    telemetry: bool = _from(
        lambda environ: read_switch(environ, "TINKER_TELEMETRY", default=True), "TINKER_TELEMETRY", validator=_is_switch
    )
    """Whether events are reported to the server."""
    feature_gates: tuple[str, ...] = _from(
        lambda environ: read_words(environ, "TINKER_FEATURE_GATES") or FEATURE_GATES,
        "TINKER_FEATURE_GATES",
        converter=_tuple,
        validator=_are_texts,
    )
    """Names of features to turn on. The one that exists, ``async_sampling``, is always on; others are ignored, and named
    in the log."""
    access_headers: Mapping[str, str] = _from(
        read_cloudflare,
        "CLOUDFLARE_ACCESS_CLIENT_ID, CLOUDFLARE_ACCESS_CLIENT_SECRET",
        converter=_copy,
        repr=mask_values,
        validator=[_are_pairs, check_headers],
    )
    """Sent with every request."""
    default_headers: Mapping[str, str] = _from(
        lambda environ: read_pairs(environ, "TINKEX_DEFAULT_HEADERS"),
        "TINKEX_DEFAULT_HEADERS",
        converter=_copy,
        repr=mask_values,
        validator=[_are_pairs, check_headers],
    )
    """Sent with every request; they win over ``access_headers`` and over the client's own. The variable is JSON."""
    default_query: Mapping[str, str] = _from(
        lambda environ: read_pairs(environ, "TINKEX_DEFAULT_QUERY"),
        "TINKEX_DEFAULT_QUERY",
        converter=_copy,
        repr=mask_values,
        validator=_are_pairs,
    )
    """Added to every address, where a request does not say otherwise. The variable is JSON."""
    proxy: str = _from(_text("TINKEX_PROXY"), "TINKEX_PROXY", validator=[_is_text, check_proxy], repr=mask_url)
    """An ``http://`` or ``https://`` proxy for all requests; without one, the usual variables (``HTTPS_PROXY``, …)
    are honoured, but for servers on this machine."""
    proxy_headers: Mapping[str, str] = _from(
        lambda environ: read_pairs(environ, "TINKEX_PROXY_HEADERS"),
        "TINKEX_PROXY_HEADERS",
        converter=_copy,
        repr=mask_values,
        validator=[_are_pairs, check_headers],
    )
    """Sent to the proxy alone. The variable is JSON."""
    ca_file: str = _from(read_authorities, "SSL_CERT_FILE, SSL_CERT_DIR", validator=_is_text)
    """Whom to trust instead of the usual authorities: the path of a PEM file, or of a folder as OpenSSL wants it. A server's
    certificate is always checked; for one that signs its own, name that certificate here."""
    client_certificate: str = _from(_text("TINKEX_CLIENT_CERT"), "TINKEX_CLIENT_CERT", validator=_is_text)
    """Who we are, for servers that ask: the path of a PEM file with our certificate and whatever vouches for it."""
    client_key: str = _from(_text("TINKEX_CLIENT_KEY"), "TINKEX_CLIENT_KEY", validator=_is_text)
    """The key of ``client_certificate``, if it is in a file of its own."""
    client_key_password: str = _from(
        _text("TINKEX_CLIENT_KEY_PASSWORD"), "TINKEX_CLIENT_KEY_PASSWORD", repr=mask, validator=_is_text
    )
    """What the key is encrypted with, if it is."""
    log_level: str = _from(
        lambda environ: read_level(environ, "TINKER_LOG"), "TINKER_LOG", validator=[_is_text, _check_level]
    )
    """From which level on the library's log is shown on stderr, in a program that has arranged no logging of its own:
    ``debug``, ``info``, ``warning`` or ``error``; empty leaves all as it is."""
    dump_headers: bool = _from(
        lambda environ: read_switch(environ, "TINKEX_DUMP_HEADERS", default=False),
        "TINKEX_DUMP_HEADERS",
        validator=_is_switch,
    )
    """Whether each request and answer is logged at debug level, headers included, secrets masked."""
    dump_bytes: int = field(default=0, validator=not_negative)
    """How many bytes of each body are logged with them; those of a token's exchange never are."""
    user_metadata: Mapping[str, str] = field(factory=_no_words, converter=_copy, validator=_are_pairs)
    """Kept with the session on the server."""
    display_name: str = field(default="", validator=_is_text)
    """The session's name for people; empty for none."""
    reopens_session: bool = field(default=True, validator=_is_switch)
    """Whether a new session is opened when the server has ended one; what hung on the old one fails either way."""
    figures: Figures = field(
        factory=lambda: _figures(os.environ),
        metadata={"read": _figures, "variable": "TINKEX_PARITY"},
        validator=_are_figures,
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

"""What the environment of a process says, read by name: one reader for each kind of variable, each from any mapping.

An empty variable counts as absent. A variable that says something else than it may is refused by name, and never by its
value where that may be a secret.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

Environ = Mapping[str, str]

LEVELS = ("debug", "info", "warning", "error")
"""What a log can be shown from."""

_TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
_FALSE_WORDS = frozenset({"0", "false", "no", "off"})


def read_switch(environ: Environ, name: str, *, default: bool) -> bool:
    """Read a yes or a no.

    Raises:
        ValueError: It is neither.
    """
    word = environ.get(name, "").strip().lower()
    if not word:
        return default
    if word not in _TRUE_WORDS | _FALSE_WORDS:
        raise ValueError(f"{name} must be one of 1, true, yes, on, 0, false, no, off, got {word!r}")
    return word in _TRUE_WORDS


def read_level(environ: Environ, name: str) -> str:
    """Read a level of the log; ``warn`` is ``warning``.

    Raises:
        ValueError: There is no such level.
    """
    word = environ.get(name, "").strip().lower()
    level = "warning" if word == "warn" else word
    if level and level not in LEVELS:
        raise ValueError(f"{name} must be one of {', '.join(LEVELS)}, got {word!r}")
    return level


def read_authorities(environ: Environ) -> str:
    """Read whom to trust, from OpenSSL's own variables: a file, or else a folder."""
    return environ.get("SSL_CERT_FILE", "") or environ.get("SSL_CERT_DIR", "")


def read_words(environ: Environ, name: str) -> tuple[str, ...]:
    """Read a list separated by commas: in its order, each word once, without empty ones."""
    words = (word.strip() for word in environ.get(name, "").split(","))
    return tuple(dict.fromkeys(word for word in words if word))


def read_pairs(environ: Environ, name: str) -> dict[str, str]:
    """Read names and values from a JSON object, or from a list of pairs.

    Raises:
        ValueError: It is neither; the message does not repeat it, since headers hold secrets.
    """
    text = environ.get(name, "")
    try:
        # orjson declares Any; the shape is looked at next.
        found: Any = orjson.loads(text) if text else {}
        pairs: dict[Any, Any] = dict(found)
    except (orjson.JSONDecodeError, TypeError, ValueError):
        pairs = {None: None}
    if not all(isinstance(key, str) and isinstance(value, str) for key, value in pairs.items()):
        raise ValueError(f'{name} must be a JSON object of texts such as {{"X-Name": "value"}}')
    return pairs


def read_stored_key(environ: Environ) -> str:
    """Read the default key that ``tinkex auth login`` or ``tinker auth login`` has stored; empty if there is none.

    Raises:
        ValueError: The file is there and cannot be read.
    """
    home = environ.get("HOME", "")
    path = Path(home) / ".tinker" / "credentials.json"
    if not home or not path.is_file():
        return ""
    try:
        stored: Any = orjson.loads(path.read_bytes())
        default = stored["default"]
        return str(stored["keys"][default]["key"]) if default else ""
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as fault:
        raise ValueError(
            f"{path} must hold credentials as `tinkex auth login` writes them; remove it and log in again"
        ) from fault


def read_cloudflare(environ: Environ) -> dict[str, str]:
    """Read the two access headers of a service behind Cloudflare, where the environment has them."""
    names = {
        "CF-Access-Client-Id": "CLOUDFLARE_ACCESS_CLIENT_ID",
        "CF-Access-Client-Secret": "CLOUDFLARE_ACCESS_CLIENT_SECRET",
    }
    return {header: value for header, name in names.items() if (value := environ.get(name, ""))}

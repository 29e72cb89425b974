"""Showing that a secret is there, and its kind, and no more."""

from collections.abc import Mapping
from urllib.parse import urlsplit

KEY_PREFIXES = ("tml-", "eyJ")
"""What a credential begins with: an API key, or a JWT."""

_SECRET_PARTS = ("key", "auth", "token", "secret", "cookie", "cf-access", "password", "credential")


def mask(value: str) -> str:
    """Show a credential by its prefix."""
    if not value:
        return "''"
    return next((f"'{prefix}***'" for prefix in KEY_PREFIXES if value.startswith(prefix)), "'***'")


def mask_values(pairs: Mapping[str, str]) -> str:
    """Show the names of headers, and none of their values."""
    return "{" + ", ".join(f"{name!r}: '***'" for name in pairs) + "}"


def mask_url(url: str) -> str:
    """Show an address without the name and the password in it."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    del user
    return repr(parts._replace(netloc=f"***@{host}" if at else host).geturl())


def mask_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Copy headers for a log: a value stays if neither its name nor its beginning looks like a secret."""
    return {name: "***" if _is_secret(name, value) else value for name, value in headers.items()}


def _is_secret(name: str, value: str) -> bool:
    lower = name.lower()
    if lower == "x-idempotency-key":
        return False
    return any(part in lower for part in _SECRET_PARTS) or any(prefix in value for prefix in KEY_PREFIXES)

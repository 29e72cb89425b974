"""Which addresses and headers a setting may hold: what could not be sent is refused at the door, not in the first request.

No message repeats a password or a header's value.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from attrs import Attribute

from tinkex_actors.redaction import mask_url

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_FRAMING = frozenset({"content-length", "transfer-encoding"})
_BLANK = re.compile(r"[\x00-\x20\x7f]")


def check_base_url(_instance: object, setting: "Attribute[Any]", value: str) -> None:
    """Refuse what paths cannot be appended to, and what holds a secret: it is printed in errors and logs."""
    parts = _split(setting, value)
    if parts.username or parts.password:
        raise ValueError("base_url must not carry a user name or a password; pass default_headers=... instead")
    if "?" in value or "#" in value:
        raise ValueError(f"base_url must end with its path, got {mask_url(value)}; pass default_query=... for a query")


def check_proxy(_instance: object, setting: "Attribute[Any]", value: str) -> None:
    """Refuse what is no proxy's address; empty is none."""
    if value:
        _split(setting, value)


def check_headers(_instance: object, setting: "Attribute[Any]", value: Mapping[str, str]) -> None:
    """Refuse headers that cannot be sent, or that would make another request of ours."""
    for name, content in value.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _FRAMING:
            raise ValueError(
                f"{setting.name} must have names of headers, but none that frames a request, got {name!r}; {_step(setting)}"
            )
        if not _VALUE.fullmatch(content):
            raise ValueError(
                f"{setting.name} must be printable ASCII, got something else in {name!r}; {_step(setting)} "
                "for a stray line end"
            )


def _split(setting: "Attribute[Any]", url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good, parts = False, urlsplit("")
    if not is_good or _BLANK.search(url):
        # Chained to nothing: the parser's own message repeats parts of the address.
        raise ValueError(
            f"{setting.name} must be an http:// or https:// address, got {mask_url(url)}; {_step(setting)}"
        ) from None
    return parts


def _step(setting: "Attribute[Any]") -> str:
    return f"check {setting.metadata['variable']} and the argument"

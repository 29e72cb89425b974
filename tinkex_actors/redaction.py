"""Text without secrets: keys, tokens and passwords that found their way into a message, an error or a traceback.

What looks like a secret is taken out wherever it stands; what is named like one, whatever it looks like. The last line of
defence: nothing of ours puts a secret into a text to begin with.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

MASK = "***"
_DEEPEST = 8

_NAMES = r"(?:x[-_])?api[-_]?key|(?:weights[-_])?access[-_]token|authorization|proxy[-_]authorization|cookie|set[-_]cookie|password|passwd|secret|client[-_]secret|credentials?|token|jwt|signature|sig|x-amz-[a-z-]+|[a-z0-9_-]*(?:_token|_secret|_password|_key|-token|-secret)"
_SECRET_NAME = re.compile(rf"(?:{_NAMES})\Z", re.IGNORECASE)
_RULES: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"\btml-[A-Za-z0-9_\-.~+/=]{3,}"), f"tml-{MASK}"),
    (re.compile(r"\beyJ[A-Za-z0-9_\-]{4,}(?:\.[A-Za-z0-9_\-]*)*"), f"eyJ{MASK}"),
    (re.compile(r"\b(Bearer|Basic|Negotiate)\s+[^\s\"',;]+", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"(://)[^/\s:@]*:[^/\s@]*@"), rf"\1{MASK}@"),
    (
        re.compile(rf"(?<![A-Za-z0-9])((?:b?[\"']|\\\")?(?:{_NAMES})(?:[\"']|\\\")?\s*(?:[:=]|,\s)\s*)(b?\"[^\"]*\"|b?'[^']*'|[^\s,;&)}}\]]+)", re.IGNORECASE),
        rf"\1{MASK}",
    ),
)  # fmt: skip


def redact_text(text: str) -> str:
    """Return *text* with every secret replaced by ``***``."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


# Any: log records hold whatever their authors put in.
def redact(value: Any, *, depth: int = 0) -> Any:
    """Return *value* without secrets: texts, and whatever mappings and sequences hold, to a depth no record needs."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return redact_text(value)
        case bytes() | bytearray():
            return redact_text(value.decode("utf-8", "replace"))
        case _:
            return MASK if depth >= _DEEPEST else _redact_inside(value, depth + 1)


def _redact_inside(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return redact_fields(cast("dict[Any, Any]", value), depth=depth)
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth=depth) for item in cast("list[Any]", value)]
    return redact_text(repr(value))


def redact_fields(fields: Mapping[Any, Any], *, depth: int = 0) -> dict[str, Any]:
    """Return *fields* without secrets; one that is named like a secret is masked whatever it holds."""
    return {
        redact_text(str(name)): MASK
        if is_secret_name(str(name)) and value not in (None, "")
        else redact(value, depth=depth)
        for name, value in fields.items()
    }


def is_secret_name(name: str) -> bool:
    """Tell whether what is called *name* is a secret."""
    return _SECRET_NAME.match(name) is not None

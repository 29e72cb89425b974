"""Text without secrets: keys, tokens and passwords that found their way into a message, an error or a traceback.

What looks like a secret is taken out wherever it stands; what is named like one, whatever it looks like. This is the last
line of defence, and the only place that knows what a secret looks like: settings show theirs by `mask`, dumps show headers
by `redact_headers`, logs go through `redact_fields` and `redact_record`, and pages through `redact`.

Pure, and in time linear in the length of a text: nothing that is logged may stop the program that logs it.
"""

import re
from collections.abc import Mapping, Sequence
from copy import copy
from logging import LogRecord, makeLogRecord
from traceback import format_exception
from typing import Any, cast

MASK = "***"

KEY_PREFIXES = ("tml-", "eyJ")
"""What a credential begins with: an API key, or a JWT."""

_DEEPEST = 8

_KINDS = r"key|token|secret|password|passwd|passphrase|credentials?|jwt|signature|sig|cookie|authorization"
_NAMES = rf"(?:[a-z0-9_-]{{0,40}}[-_])?(?:{_KINDS})|[a-z0-9_-]{{0,40}}(?:api|access|auth|refresh|session|client|private)(?:{_KINDS})|[a-z0-9]{{0,40}}password|x-amz-[a-z-]{{1,40}}|cf-access-[a-z-]{{1,40}}"
_SECRET_NAME = re.compile(rf"(?:{_NAMES})\Z", re.IGNORECASE)
_NOT_SECRET = frozenset({"x-idempotency-key", "idempotency_key"})
_SECRET_HEADER_PARTS = ("key", "auth", "token", "secret", "cookie", "cf-access", "password", "credential", "signature")

# Where a name may begin: behind no other letter of one, or behind a line end that repr has written out.
_START = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))"
_QUOTE = r"(?:b?\\{0,8}[\"'])?"
_VALUE = r"(?:b?\"(?:[^\"\\]|\\.)*+|b?'(?:[^'\\]|\\.)*+|b?(\\{1,8}[\"']).{0,512}?\2|[^\s,;&)}\]]++)[\"']?"

# All up to the last @: a password may hold any letter, and an address that was mistyped has no scheme.
_CREDENTIALS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?.*@", re.DOTALL)

_Rules = Sequence[tuple[re.Pattern[str], str]]

_LOOKS: _Rules = (
    (re.compile(r"(?<![hH])tml-[A-Za-z0-9_\-.~+/=]{3,}"), f"tml-{MASK}"),
    (re.compile(r"eyJ[A-Za-z0-9_\-]{4,}(?:\.[A-Za-z0-9_\-]*)*"), f"eyJ{MASK}"),
    (re.compile(r"\b(Bearer|Basic|Negotiate)\s+[^\s\"',;]+", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\b(Digest)\s+[a-z]+=[^\r\n]+", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"(://)[^/\s\"'<>?#@]*+@(?:[^/\s\"'<>?#@]*+@)*"), rf"\1{MASK}@"),
)
_IS_NAMED: _Rules = (
    # A header's line: all of it, since a cookie or a digest has many parts.
    (
        re.compile(rf"{_START}((?:proxy-)?authorization|(?:set-)?cookie)(:\s*)[^\r\n\"'\\]+", re.IGNORECASE),
        rf"\1\2{MASK}",
    ),
    (
        re.compile(
            rf"({_START}{_QUOTE}(?!(?:x-)?idempotency[-_]key)(?:{_NAMES}){_QUOTE}\s{{0,8}}(?:[:=]|,\s)\s{{0,8}}){_VALUE}",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)
_HINTS = ("key", "token", "secret", "passw", "passphrase", "credential", "jwt", "sig", "cookie", "authorization", "x-amz-", "cf-access-")  # fmt: skip
"""One of these is in every name of a secret; looking for them is cheap, and most texts have none."""


def redact_text(text: str) -> str:
    """Return *text* with every secret replaced by ``***``."""
    text = redact_credentials(text)
    folded = text.casefold()
    if any(hint in folded for hint in _HINTS):
        for pattern, replacement in _IS_NAMED:
            text = pattern.sub(replacement, text)
    return text


def redact_credentials(text: str) -> str:
    """Return *text* without what looks like a secret; for texts in which the word "key" is no sign of one."""
    for pattern, replacement in _LOOKS:
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
        case BaseException():
            return redact_text("; ".join([repr(value), *getattr(value, "__notes__", ())]))
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
        redact_text(_text(name)): MASK
        if is_secret_name(_text(name)) and value not in (None, "")
        else redact(value, depth=depth)
        for name, value in fields.items()
    }


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return *headers* without secrets.

    Their names are anybody's to invent, so a value is masked whose name only sounds like a secret's.
    """
    return {name: MASK if _is_secret_header(name.lower()) else redact_text(value) for name, value in headers.items()}


def redact_record(record: LogRecord) -> LogRecord:
    """Return a copy of *record* without secrets, as the standard library's formatters print it.

    The message is complete, the traceback is text in ``exc_text``, and fields of ``extra=`` are redacted. The exception
    itself stays in ``exc_info`` for handlers that need the object.
    """
    told = copy(record)
    told.msg, told.args = redact_text(_message(record)), None
    if record.exc_info and record.exc_info[1] is not None:
        told.exc_text = redact_text("".join(format_exception(record.exc_info[1]))).rstrip("\n")
    if record.stack_info:
        told.stack_info = redact_text(record.stack_info)
    extra = {name: value for name, value in vars(record).items() if name not in vars(makeLogRecord({}))}
    vars(told).update(redact_fields(extra))
    return told


def is_secret_name(name: str) -> bool:
    """Tell whether what is called *name* is a secret."""
    return name.lower() not in _NOT_SECRET and _SECRET_NAME.match(name) is not None


def mask(value: str) -> str:
    """Show a credential by its prefix; for the ``repr`` of a field."""
    if not value:
        return "''"
    return next((f"'{prefix}{MASK}'" for prefix in KEY_PREFIXES if value.startswith(prefix)), f"'{MASK}'")


def mask_values(pairs: Mapping[str, str]) -> str:
    """Show the names of headers, and none of their values; for the ``repr`` of a field."""
    return "{" + ", ".join(f"{name!r}: '{MASK}'" for name in pairs) + "}"


def mask_url(url: str) -> str:
    """Show an address without the name and the password in it, whatever else may be wrong with it."""
    return repr(redact_text(_CREDENTIALS.sub(rf"\1{MASK}@", url)))


def _is_secret_header(name: str) -> bool:
    return name not in _NOT_SECRET and any(part in name for part in _SECRET_HEADER_PARTS)


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _message(record: LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a message that its arguments do not fit
        return f"{record.msg} {record.args!r}"

"""What one field of a spec may be: converters and validators that name the field, the value and what is allowed."""

import math
from enum import Enum
from typing import Any, TypeGuard, TypeVar

from attrs import Attribute

from supervisors._exit import describe

E = TypeVar("E", bound=Enum)


def to_enum(kind: type[E], field_name: str, value: E | str) -> E:
    """The member of *kind* that *value* is or names."""
    try:
        return kind(value if isinstance(value, str | kind) else "")  # a lookup shows the value, and may trip over it
    except ValueError:
        allowed = ", ".join(repr(member.value) for member in kind)
        raise ValueError(f"{field_name} must be one of {allowed}, got {describe(value)}") from None


def check_count(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Refuse what is no number of things."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{attribute.name} must be an int >= 0, got {describe(value)}")


def check_seconds(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Refuse what is no finite, positive time."""
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{attribute.name} must be a finite number of seconds > 0, got {describe(value)}")


def check_timeout(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Refuse what is no time to wait, finite or not."""
    if not is_number(value) or not value > 0:
        raise ValueError(f"{attribute.name} must be seconds > 0 or math.inf, got {describe(value)}")


def check_flag(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Refuse what is no bool: a string would be true."""
    if not isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be True or False, got {describe(value)}")


def is_number(value: object) -> TypeGuard[float]:
    """Whether *value* counts as seconds; a bool does not."""
    return isinstance(value, int | float) and not isinstance(value, bool)

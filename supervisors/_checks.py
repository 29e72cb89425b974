"""What one field of a spec may be: converters and validators that name the field, the value and what is allowed."""

import inspect
import math
from collections.abc import Mapping
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
    check_int(attribute.name, value, least=0)


def check_int(name: str, value: object, *, least: int, most: float = math.inf) -> None:
    """Refuse what is no number of things, or too few or too many."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        allowed = f">= {least}" if most == math.inf else f"within [{least}, {most}]"
        raise ValueError(f"{name} must be an int {allowed}, got {describe(value)}")


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


def check_callable(name: str, value: object) -> None:
    """Refuse what is no function; of a coroutine, the likely mistake, say what it should have been."""
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError(f"{name} must be a function, got what a call of one returned; give fn, *args, not fn(*args)")
    if not callable(value):
        raise TypeError(f"{name} must be a function, got {describe(value)}")


def check_options(kind: type, options: Mapping[str, object], of: str) -> None:
    """Refuse keywords that are none of the typed dict *kind*'s."""
    for name, value in options.items():
        if name not in kind.__annotations__:
            allowed = ", ".join(kind.__annotations__)
            raise TypeError(f"{of} has no option {name!r}, got {describe(value)}; it has: {allowed}")


def is_number(value: object) -> TypeGuard[float]:
    """Whether *value* counts as seconds; a bool does not."""
    return isinstance(value, int | float) and not isinstance(value, bool)

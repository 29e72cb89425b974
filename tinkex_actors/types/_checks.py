"""Validators for the nouns' fields: type and range in one line, expected before got in the message.

A wrong type is a `TypeError`, a wrong value a `ValueError`. Booleans are not numbers here.
"""

import math
from collections.abc import Callable
from typing import Any

import attrs

# attrs calls a validator with an instance and an attribute of any class.
Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1


def text(*, empty: bool = True) -> Validator:
    """Require a string, and one of at least one character unless *empty*."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, str):
            raise TypeError(f"{attribute.name} must be a string, got {type(value).__name__}")
        if not value and not empty:
            raise ValueError(f"{attribute.name} must not be empty")

    return check


def flag() -> Validator:
    """Require True or False."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"{attribute.name} must be True or False, got {value!r}")

    return check


def integer(*, minimum: int = -(2**63), maximum: int = 2**64 - 1) -> Validator:
    """Require an int in ``[minimum, maximum]``; by default whatever 64 bits can hold, signed or not."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{attribute.name} must be an int, got {type(value).__name__}")
        if value < minimum:
            raise ValueError(f"{attribute.name} must be >= {minimum}, got {value}")
        if value > maximum:
            raise ValueError(f"{attribute.name} must be <= {maximum}, got {value}")

    return check


def number(*, minimum: float = -math.inf, maximum: float = math.inf, below: float = math.inf) -> Validator:
    """Require a finite number with ``minimum <= value <= maximum`` and ``value < below``."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{attribute.name} must be a number, got {type(value).__name__}")
        if not math.isfinite(value):
            raise ValueError(f"{attribute.name} must be finite, got {value}")
        if value < minimum:
            raise ValueError(f"{attribute.name} must be >= {minimum:g}, got {value}")
        if value > maximum:
            raise ValueError(f"{attribute.name} must be <= {maximum:g}, got {value}")
        if value >= below:
            raise ValueError(f"{attribute.name} must be < {below:g}, got {value}")

    return check


def optional(validator: Validator) -> Validator:
    """Let ``None`` pass, and ask *validator* about the rest."""

    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if value is not None:
            validator(instance, attribute, value)

    return check


def unique_names(what: str) -> Validator:
    """Require that no two members of a tuple have the same ``name``; *what* they are, for the message."""

    def check(_: Any, __: "attrs.Attribute[Any]", members: Any) -> None:
        names = [member.name for member in members]
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise ValueError(f"names of {what} must be unique, got {', '.join(doubles)} more than once")

    return check

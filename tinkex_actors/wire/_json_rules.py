"""How JSON becomes values in general: no coercion, and a path for whatever is wrong.

These rules hold for every class; `_json_hooks` and `_json_results` add what is special about some.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypeAlias, TypeGuard, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from tinkex_actors.wire._mismatch import Mismatch, show

T = TypeVar("T")

# JSON of unknown shape is Any by nature; this is the door where it becomes typed.
Hook: TypeAlias = Callable[[Any, Any], Any]

_PLAIN = frozenset({str, int, float, bool})
"""What JSON holds as it is: asking the converter about each would be most of the writing."""
_FAILURES = (cattrs.BaseValidationError, ValueError, TypeError, KeyError, OverflowError)


def register_rules(converter: cattrs.Converter) -> None:
    """Teach *converter* the general rules."""
    for kind, name in ((str, "text"), (int, "an integer"), (bool, "true or false")):
        converter.register_structure_hook(kind, _exactly(kind, name))
    converter.register_structure_hook(float, _read_float)
    converter.register_structure_hook(datetime, _read_datetime)
    # Nearer than text in the order of an enumeration's bases.
    converter.register_structure_hook(StrEnum, _read_enum)
    converter.register_structure_hook_func(_is_generic(Literal), _read_literal)
    converter.register_structure_hook_factory(_is_generic(tuple), _tuple_hook)
    converter.register_structure_hook_factory(_is_generic(dict), _dict_hook)
    converter.register_structure_hook_factory(_is_generic(Mapping), _dict_hook)
    converter.register_structure_hook_factory(attrs.has, _class_hook)
    converter.register_unstructure_hook_factory(attrs.has, _body_hook)
    converter.register_unstructure_hook(datetime, lambda moment: moment)  # orjson writes RFC 3339


def _is_generic(origin: object) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) is origin


def _exactly(kind: type, name: str) -> Hook:
    def read(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise Mismatch("", name, show(value))
        return value

    return read


def _read_float(value: Any, _: Any) -> float:
    if type(value) not in {float, int}:
        raise Mismatch("", "a number", show(value))
    return float(value)


def _read_datetime(value: Any, _: Any) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise Mismatch("", "a time in ISO 8601", show(value)) from None


def _read_enum(value: Any, kind: type[StrEnum]) -> StrEnum:
    try:
        if isinstance(value, str):
            return kind(value)
    except ValueError:
        pass
    raise Mismatch("", f"one of {', '.join(kind)}", show(value))


def _read_literal(value: Any, kind: Any) -> Any:
    if value not in get_args(kind):
        raise Mismatch("", " or ".join(repr(choice) for choice in get_args(kind)), show(value))
    return value


def _tuple_hook(kind: Any, converter: cattrs.BaseConverter) -> Hook:
    item = get_args(kind)[0]
    read = converter.get_structure_hook(item)
    return lambda value, _: tuple(read_each(enumerate(as_list(value)), lambda element: read(element, item)))


def _dict_hook(kind: Any, converter: cattrs.BaseConverter) -> Hook:
    item = get_args(kind)[1]
    if item is Any:
        return lambda value, _: as_dict(value)
    read = converter.get_structure_hook(item)

    def structure(value: Any, _: Any) -> dict[str, Any]:
        items = as_dict(value)
        return dict(zip(items, read_each(items.items(), lambda element: read(element, item)), strict=True))

    return structure


def read_each(items: Iterable[tuple[int | str, Any]], read: Callable[[Any], Any]) -> list[Any]:
    """Read every element; a complaint names the place.

    Raises:
        Mismatch: The first complaint.
    """
    values: list[Any] = []
    for place, element in items:
        try:
            values.append(read(element))
        except _FAILURES as error:
            raise mismatch_of(error).under(f"[{place}]" if isinstance(place, int) else place) from error
    return values


def at(name: str, read: Callable[[], T]) -> T:
    """Read one part; a complaint names it.

    Raises:
        Mismatch: The complaint.
    """
    try:
        return read()
    except _FAILURES as error:
        raise mismatch_of(error).under(name) from error


def as_list(value: Any) -> list[Any]:
    """Insist on a JSON list.

    Raises:
        Mismatch: It is none.
    """
    if not _is_list(value):
        raise Mismatch("", "a list", show(value))
    return value


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def as_dict(value: Any) -> dict[str, Any]:
    """Insist on a JSON object.

    Raises:
        Mismatch: It is none.
    """
    if not _is_dict(value):
        raise Mismatch("", "an object", show(value))
    return value


def _is_dict(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _class_hook(kind: Any, converter: cattrs.BaseConverter) -> Hook:
    read = make_dict_structure_fn(kind, converter)
    return lambda value, _: read(as_dict(value), kind)


def _body_hook(kind: Any, converter: cattrs.BaseConverter) -> Callable[[Any], dict[str, Any]]:
    names = [a.name for a in attrs.fields(kind)]
    nullable = frozenset(a.name for a in attrs.fields(kind) if a.metadata.get("nullable"))

    def unstructure(value: Any) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name in names:
            part = getattr(value, name)
            if part is not None:
                body[name] = part if type(part) in _PLAIN else converter.unstructure(part)
            elif name in nullable:
                body[name] = None
        return body

    return unstructure


def mismatch_of(error: BaseException) -> Mismatch:
    """Find the first complaint inside what cattrs collected, and its path."""
    if isinstance(error, Mismatch):
        return error
    if isinstance(error, cattrs.BaseValidationError):
        first = error.exceptions[0]
        return mismatch_of(first).under(_place_of(first)) if _place_of(first) else mismatch_of(first)
    if isinstance(error, KeyError):
        return Mismatch("", "a value", "nothing")
    return Mismatch("", "a value that the type allows", str(error))


def _place_of(error: BaseException) -> str:
    notes: list[Any] = getattr(error, "__notes__", [])
    return next((note.name for note in notes if isinstance(note, cattrs.AttributeValidationNote)), "")

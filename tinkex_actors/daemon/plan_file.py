"""Plans as TOML files: read, checked completely, every fault named with file, line and key, all of them at once.

Three checks follow one another, each complete: the file is TOML; its values have the types and bounds of
:mod:`~tinkex_actors.daemon.plan`; what they name exists (files, functions, other runs, the key of the service).

``tomllib`` keeps no positions, and needs none: the line of a key is where the file, cut off behind a line, first has it.
The parser itself is the line finder, so the two cannot disagree.
"""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

import attrs
import cattrs

from tinkex_actors.daemon.errors import Fault, PlanError
from tinkex_actors.daemon.plan import Plan, Source, Token
from tinkex_actors.daemon.plan_checks import Key, find_faults
from tinkex_actors.daemon.references import Reference

_TABLE = "a table"


class _Faults(ValueError):
    """Everything that is wrong below one place."""

    def __init__(self, faults: list[tuple[Key, str]]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = faults


def read_plan(path: Path, environ: Mapping[str, str]) -> Plan:
    """Read and check a plan.

    Args:
        path: The file. Relative paths in it, and modules, are looked for beside it.
        environ: Where the key of the service comes from, ``TINKER_API_KEY``; its address, unless the plan has one.

    Raises:
        PlanError: Every fault there is, in the order of the file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PlanError(
            path, [Fault("", f"not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}")]
        ) from error
    except OSError as error:
        raise PlanError(path, [Fault("", f"cannot be read: {error.strerror or error}")]) from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(path, [_syntax_fault(str(error))]) from error
    try:
        plan = attrs.evolve(_converter(path.parent).structure(table, Plan), base=path.parent, path=path)
        found = [*find_faults(plan, environ)]
    except _Faults as wrong:
        found, plan = wrong.faults, None
    if plan is None or found:
        raise PlanError(path, _placed(text, found))
    return plan


def locate(path: Path, key: Key) -> int | None:
    """Find the line of a plan in which *key* has its value; None if there is none."""
    try:
        return _line_of(path.read_text(encoding="utf-8"), key)
    except (OSError, UnicodeDecodeError):
        return None


def _syntax_fault(words: str) -> Fault:
    """Read the place from the parser's words: ``… (at line 3, column 7)``."""
    message, _, place = words.rpartition(" (at ")
    line = place.removeprefix("line ").partition(",")[0]
    return Fault("", f"not TOML: {message or words}", int(line) if line.isdigit() else None)


def _placed(text: str, found: list[tuple[Key, str]]) -> list[Fault]:
    faults = [Fault(_dotted(key), message, _line_of(text, key)) for key, message in found]
    return sorted(faults, key=lambda fault: fault.line or 0)


def _dotted(key: Key) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def _line_of(text: str, key: Key) -> int | None:
    """Find the line where the value of *key*, or of what should hold it, begins."""
    lines = text.splitlines(keepends=True)
    for length in range(len(key), 0, -1):
        if (line := _first_line_with(lines, key[:length])) is not None:
            return line
    return None


def _first_line_with(lines: list[str], key: Key) -> int | None:
    before = 0
    for end in range(1, len(lines) + 1):
        try:
            table = tomllib.loads("".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a value of several lines
        if _has(table, key):
            # Behind the last line that made a whole file came blank lines and comments, then the key.
            return next(n for n in range(before + 1, end + 1) if not _is_filler(lines[n - 1]) or n == end)
        before = end
    return None


def _is_filler(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


# Any: parsed TOML.
def _has(table: Any, key: Key) -> bool:
    for part in key:
        try:
            table = table[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


# ---------------------------------------------------------------------- from tables to values


def _converter(base: Path) -> cattrs.Converter:
    """Make the converter for files in *base*: no coercion, every fault collected."""
    converter = cattrs.Converter(detailed_validation=False)
    for kind, name in ((str, "text"), (int, "an integer"), (bool, "true or false")):
        converter.register_structure_hook(kind, _exactly(kind, name))
    converter.register_structure_hook(float, _read_number)
    converter.register_structure_hook(Token, lambda value, _: _read_token(value))
    converter.register_structure_hook(Path, lambda value, _: base / _text(value))
    converter.register_structure_hook(Reference, lambda value, _: _read_reference(value))
    converter.register_structure_hook_func(_is_source, lambda value, _: _read_source(value, base))
    converter.register_structure_hook_func(_is_choice, _read_choice)
    converter.register_structure_hook_factory(_is_mapping, partial(_mapping_hook, converter))
    converter.register_structure_hook_factory(_is_tuple, partial(_tuple_hook, converter))
    converter.register_structure_hook_factory(attrs.has, partial(_class_hook, converter))
    return converter


def _is_source(kind: Any) -> bool:
    """Whether *kind* is `Source`, or that or nothing: TOML has no null, so what is there is never nothing."""
    return {*get_args(kind)} - {type(None)} == {*get_args(Source)}


def _is_choice(kind: Any) -> bool:
    return str(get_origin(kind)) == str(Literal)


def _is_mapping(kind: Any) -> bool:
    return isinstance(get_origin(kind), type) and issubclass(get_origin(kind), Mapping)


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _exactly(kind: type, name: str) -> Any:
    def read(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"expected {name}, got {_show(value)}")
        return value

    return read


def _read_number(value: Any, _: Any) -> float:
    if type(value) not in {float, int}:
        raise ValueError(f"expected a number, got {_show(value)}")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected text that is not empty, got {_show(value)}")
    return value


def _read_token(value: Any) -> Token:
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {type(value).__name__}")  # noqa: TRY004 - the converter's callers collect those
    return Token(value)


def _read_reference(value: Any) -> Reference:
    if not Reference.is_one(_text(value)):
        raise ValueError(f"expected 'module:function', got {_show(value)}")
    return Reference(value)


def _read_source(value: Any, base: Path) -> Source:
    text = _text(value)
    return Reference(text) if Reference.is_one(text) else base / text


def _read_choice(value: Any, kind: Any) -> Any:
    if value not in get_args(kind):
        choices = ", ".join(repr(one) for one in get_args(kind))
        raise ValueError(f"expected one of {choices}; got {_show(value)}")
    return value


def _mapping_hook(converter: cattrs.Converter, kind: Any) -> Any:
    _, value_kind = get_args(kind)

    def read(value: Any, _: Any) -> dict[str, Any]:
        return _collect({key: (value_kind, one) for key, one in _table(value).items()}, converter)

    return read


def _tuple_hook(converter: cattrs.Converter, kind: Any) -> Any:
    item_kind = get_args(kind)[0]

    def read(value: Any, _: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            raise ValueError(f"expected a list with at least one value, got {_show(cast('object', value))}")
        items = cast("list[object]", value)
        return tuple(_collect({index: (item_kind, one) for index, one in enumerate(items)}, converter).values())

    return read


def _class_hook(converter: cattrs.Converter, kind: Any) -> Any:
    fields = {one.name: one for one in attrs.fields(kind) if one.name not in {"base", "path"}}

    def read(value: Any, _: Any) -> Any:
        table = _table(value)
        faults: list[tuple[Key, str]] = [((key,), _unknown(key, fields)) for key in table.keys() - fields.keys()]
        faults += [((), f"{name} is missing") for name, one in fields.items() if _is_missing(one, table)]
        known = {name: (fields[name].type, one) for name, one in table.items() if name in fields}
        made: dict[str, Any] = {}
        try:
            made = _collect(known, converter, checks=fields)
        except _Faults as inner:
            faults += inner.faults
        if faults:
            raise _Faults(faults)
        return kind(**made)

    return read


def _collect(
    parts: Mapping[Any, tuple[Any, Any]], converter: cattrs.Converter, *, checks: Mapping[str, Any] | None = None
) -> dict[Any, Any]:
    """Read each part; raise the faults of all of them together, each under its key."""
    made: dict[Any, Any] = {}
    faults: list[tuple[Key, str]] = []
    for key, (kind, value) in parts.items():
        try:
            made[key] = converter.structure(value, kind)
            if checks is not None and checks[key].validator is not None:
                checks[key].validator(None, checks[key], made[key])
        except _Faults as inner:
            faults += [((key, *path), message) for path, message in inner.faults]
        except (ValueError, TypeError) as error:
            faults.append(((key,), str(error).removeprefix(f"{key} ")))
    if faults:
        raise _Faults(faults)
    return made


def _is_missing(one: "attrs.Attribute[Any]", table: Mapping[str, Any]) -> bool:
    return one.default is attrs.NOTHING and one.name not in table


def _unknown(key: str, fields: Mapping[str, Any]) -> str:
    near = get_close_matches(key, fields, n=1)
    return f"unknown key; did you mean {near[0]!r}?" if near else f"unknown key; expected one of {', '.join(fields)}"


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        # A ValueError, since the converter's callers collect those.
        raise ValueError(f"expected {_TABLE}, got {_show(cast('object', value))}")  # noqa: TRY004
    return cast("dict[str, Any]", value)


def _show(value: object) -> str:
    match value:
        case dict():
            return _TABLE
        case list():
            return "a list"
        case _:
            return repr(value)

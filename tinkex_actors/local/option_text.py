"""Limits and flags as people write them: ``NAME=VALUE`` on a command line, tables in a TOML file.

::

    [limits]
    max_rank = 64

    [flags]                       # those of client/config and of client/dynamic_config
    proto_compress_fwdbwd = true
    refresh_interval_sec = 60
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve, fields, frozen

from tinkex_actors.local.limits import Limits
from tinkex_actors.local.options import ServerOptions
from tinkex_actors.types.errors import RequestInvalid
from tinkex_actors.types.service import ClientConfigResponse, ClientDynamicConfigResponse
from tinkex_actors.wire.json_codec import decode_request, encode_json

T = TypeVar("T")
Values = Mapping[str, Any]  # Any: what TOML holds, judged below


@frozen
class WrittenOptions:
    """Limits and flags by name, as far as they were given."""

    limits: Values
    flags: Values

    @classmethod
    def read(cls, path: Path | None, *, limits: Iterable[str] = (), flags: Iterable[str] = ()) -> "WrittenOptions":
        """Read a file, if there is one, and then what was given beside it, which wins.

        Raises:
            ValueError: The file is none, or a pair is no ``NAME=VALUE``.
            OSError: The file cannot be read.
        """
        tables = {} if path is None else _read(path)
        unknown = tables.keys() - {"limits", "flags"}
        if unknown:
            raise ValueError(f"{path}: expected the tables limits and flags, got {', '.join(sorted(unknown))}")
        return cls(
            {**tables.get("limits", {}), **dict(map(_parse_pair, limits))},
            {**tables.get("flags", {}), **dict(map(_parse_pair, flags))},
        )

    def apply(self, options: ServerOptions) -> ServerOptions:
        """Return *options* with what is written here.

        Raises:
            ValueError: A name is unknown or a value is wrong; the message names it.
        """
        once, again = _names(ClientConfigResponse), _names(ClientDynamicConfigResponse)
        _check_names("limit", self.limits, _names(Limits))
        _check_names("flag", self.flags, once | again)
        return evolve(
            options,
            limits=_changed(options.limits, self.limits),
            flags=_changed(options.flags, {name: self.flags[name] for name in self.flags.keys() & once}),
            dynamic_flags=_changed(
                options.dynamic_flags, {name: self.flags[name] for name in self.flags.keys() & again}
            ),
        )


def _read(path: Path) -> dict[str, Values]:
    try:
        tables = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected TOML, got {error}") from error
    if not all(isinstance(table, dict) for table in tables.values()):
        raise ValueError(f"{path}: expected the tables limits and flags, got a value outside of them")
    return tables


def _parse_pair(pair: str) -> tuple[str, Any]:
    name, equals, text = pair.partition("=")
    if not (equals and name and text):
        raise ValueError(f"expected NAME=VALUE, got {pair!r}")
    try:
        return name, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return name, text  # text without quotes


def _names(kind: type[Any]) -> set[str]:
    return {attribute.name for attribute in fields(kind)}


def _check_names(what: str, values: Values, known: set[str]) -> None:
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ValueError(f"a {what} must be one of {', '.join(sorted(known))}, got {unknown[0]!r}")


def _changed(before: T, values: Values) -> T:
    """Read the whole anew, by the rules of the wire, so that types and bounds are checked in one place."""
    if not values:
        return before
    whole = {name: getattr(before, name) for name in _names(type(before))} | dict(values)
    try:
        return decode_request(type(before), encode_json(whole))
    except RequestInvalid as error:
        raise ValueError(str(error)) from error

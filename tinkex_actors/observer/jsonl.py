"""JSON lines files that others write: read on from where they were left, whole lines only, garbage passed over."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from attrs import define, field

Row = dict[str, Any]

_PIECE = 8_000_000
"""Bytes read at once; a line longer than that is no line."""


@define(eq=False)
class Lines:
    """A file that grows. Its methods block."""

    path: Path
    _offset: int = field(default=0, init=False)
    _identity: tuple[int, int] | None = field(default=None, init=False)

    def begins_anew(self) -> bool:
        """Look whether it is another file than before, or was cut; then it is read from its beginning."""
        try:
            status = self.path.stat()
        except OSError:
            return False
        identity, before = (status.st_dev, status.st_ino), self._identity
        if identity == before and status.st_size >= self._offset:
            return False
        self._offset, self._identity = 0, identity
        return before is not None

    def read_on(self) -> Iterator[Row]:
        """Give the lines that were added since the last time.

        A line that is not whole yet waits for its rest. A file that is not there has no lines.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                rest = b""
                while piece := os.read(file.fileno(), _PIECE):
                    whole, newline, rest = (rest + piece).rpartition(b"\n")
                    self._offset += len(whole) + len(newline)
                    yield from (row for line in whole.splitlines() if (row := parse_object(line)) is not None)
                    if len(rest) >= _PIECE:
                        self._offset, rest = self._offset + len(rest), b""
        except OSError:
            return


def parse_object(text: bytes) -> Row | None:
    """Read a JSON object; ``None`` for whatever else it is."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("Row", found) if isinstance(found, dict) else None

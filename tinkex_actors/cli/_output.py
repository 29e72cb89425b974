"""What a command shows: a table for people, JSON for programs, and its progress beside either.

JSON goes to stdout alone, indented by two, with the field names of the types that hold the values, times in ISO 8601 with
their zone, and ``null`` for what is not there. A field that is there once stays there.

A table on a terminal is coloured and fits the window; elsewhere it is plain, and no value is cut or folded.
"""

import math
import sys
import time
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs
import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

T = TypeVar("T")

_WIDE = 100_000
_PAGE = 100
_REDRAWN = 0.1


class Output:
    """Where one command speaks."""

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json
        is_terminal = sys.stdout.isatty()
        self.console = Console(highlight=False, width=None if is_terminal else _WIDE)
        self.errors = Console(stderr=True, highlight=False)

    def show(self, document: object, table: Table) -> None:
        """Show the command's answer: *document* for programs, *table* for people."""
        if self.is_json:
            click.echo(_write(document))
        else:
            self._print(table)

    def done(self, document: object, sentence: str) -> None:
        """Say that something was done."""
        if self.is_json:
            click.echo(_write(document))
        else:
            self.console.print(Text(sentence), soft_wrap=True)

    def note(self, sentence: str) -> None:
        """Say something beside the answer."""
        self.errors.print(Text(sentence), soft_wrap=True)

    def progress(self, words: str, *columns: Any) -> Progress:
        """Make a bar on stderr, for people who wait; elsewhere it is not shown. Refreshed when it is told of something."""
        is_shown = self.errors.is_terminal and not self.is_json
        return Progress(
            TextColumn(words),
            BarColumn(),
            *(columns or (MofNCompleteColumn(),)),
            TimeRemainingColumn(),
            console=self.errors,
            auto_refresh=False,
            transient=True,
            disable=not is_shown,
        )

    async def collect(self, items: AsyncIterable[T], words: str, total: int | None = None) -> list[T]:
        """Read a list of unknown length; a bar appears when it takes more than a page."""
        found = list[T]()
        with self.progress(words) as progress:
            bar = progress.add_task("", total=total, visible=False)
            async for item in items:
                found.append(item)
                if len(found) % _PAGE == 0:
                    progress.update(bar, completed=len(found), visible=True, refresh=True)
        return found

    def _print(self, table: Table) -> None:
        if self.console.is_terminal:
            self.console.print(table)
            return
        with self.console.capture() as captured:
            self.console.print(table)
        click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def drawing_bytes(progress: Progress, bar: TaskID) -> Callable[[int, int | None], None]:
    """Make what is told how many bytes are there, and of how many; the bar is drawn anew at most ten times a second."""
    drawn = -math.inf

    def show(done: int, total: int | None) -> None:
        nonlocal drawn
        progress.update(bar, completed=done, total=total)
        if time.monotonic() - drawn >= _REDRAWN or done == total:
            drawn = time.monotonic()
            progress.refresh()

    return show


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> Table:
    """Make a table; its first column is what the others are about."""
    made = Table(box=None, pad_edge=False, title=title, title_justify="left", header_style="bold")
    for place, column in enumerate(columns):
        made.add_column(column, overflow="fold", style="bright_cyan" if place == 0 else "")
    for row in rows:
        # As Text: brackets in a user's data are not rich's markup.
        made.add_row(*(Text(str(cell)) for cell in row))
    return made


def facts(pairs: Mapping[str, object]) -> Table:
    """Make a table of one thing's properties."""
    return table(("Property", "Value"), list(pairs.items()))


def plain(value: object) -> Any:
    """Turn what the client returns into what JSON has; a number that JSON has not becomes ``null``."""
    return orjson.loads(_write(value))


def _write(value: object) -> bytes:
    return orjson.dumps(value, default=_fields, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)


def _fields(value: object) -> object:
    """Take apart what orjson does not know."""
    kind = type(value)
    return {field.name: getattr(value, field.name) for field in attrs.fields(kind)} if attrs.has(kind) else str(value)

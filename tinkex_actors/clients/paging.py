"""Lists that a server hands out in pages, walked as one.

::

    async for run in rest.list_training_runs():     # asks for the next page when it is needed
        if run.corrupted:
            break                                    # nothing is left behind: no task, no connection, no generator

One request at a time, made by the task that walks; a page is held while its items are handed out, and no more than one.
A request that fails or is cancelled loses nothing: the next step of the same iterator asks for the same page.

A server's list may change while it is walked. Lists begin with the newest: an item that comes in moves the others on by one,
and the last of one page may be the first of the next.
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from attrs import frozen

from tinkex_actors.clients.checks import check_count, check_int
from tinkex_actors.types import Cursor, ResponseInvalid

T = TypeVar("T")
K = TypeVar("K")


@frozen(eq=False)
class Page(Generic[T]):
    """What one request brought."""

    items: tuple[T, ...]
    total_count: int | None
    """How long the whole list is, where the server says so."""
    ask_next: "Callable[[], Awaitable[Page[T]]] | None" = None
    """Ask for the page behind this one; ``None`` behind the last."""


class PagedList(Generic[T]):
    """A list on the server. ``async for`` walks it from its beginning, as often as wanted; nothing is asked before."""

    def __init__(self, first: Callable[[], Awaitable[Page[T]]]) -> None:
        self._first = first

    def __aiter__(self) -> "PagedIterator[T]":
        return PagedIterator(self._first)

    def __repr__(self) -> str:
        return "<PagedList, asked for when it is walked>"

    async def page(self) -> Page[T]:
        """Ask for the first page alone: its items, and the length of the list where the server says so.

        Raises:
            TinkerError: The server says no, something that is none of the protocol's, or nothing.
        """
        return await self._first()


class PagedIterator(AsyncIterator[T], Generic[T]):
    """One walk through a list. Belongs to one task at a time."""

    def __init__(self, first: Callable[[], Awaitable[Page[T]]]) -> None:
        self._ask: Callable[[], Awaitable[Page[T]]] | None = first
        self._items = deque[T]()

    def __aiter__(self) -> "PagedIterator[T]":
        return self

    async def __anext__(self) -> T:
        while not self._items:
            ask = self._ask
            if ask is None:
                raise StopAsyncIteration
            page = await ask()
            self._items.extend(page.items)
            self._ask = page.ask_next
        return self._items.popleft()


@frozen
class Part(Generic[T, K]):
    """One answer: what it holds and where it goes on."""

    items: tuple[T, ...]
    following: K | None
    """Where the rest begins; ``None`` at the end."""
    total_count: int | None = None


@frozen(eq=False)
class Reader(Generic[T, K]):
    """Asks for one part after another, from a place on."""

    ask: Callable[[K, int], Awaitable[Part[T, K]]]
    """From where, and how many at most."""
    page_size: int
    operation: str

    async def read(self, place: K, left: int | None, before: tuple[T, ...] = ()) -> Page[T]:
        """Read the page at *place*.

        Args:
            place: Where it begins.
            left: How many items are still wanted; ``None`` is all.
            before: The page before it.

        Raises:
            ResponseInvalid: The server hands out the same page again: the walk would never end.
        """
        part = await self.ask(place, self.page_size if left is None else min(left, self.page_size))
        is_stuck = part.following is not None and part.following == place
        if is_stuck or (part.items and part.items == before):
            raise ResponseInvalid(
                path="$", expected="the next page", got="the same page again", operation=self.operation
            )
        items = part.items if left is None else part.items[:left]
        remaining = None if left is None else left - len(items)
        if part.following is None or remaining == 0:
            return Page(items, part.total_count)
        return Page(items, part.total_count, partial(self.read, part.following, remaining, part.items))


def part_at(items: tuple[T, ...], offset: int, cursor: Cursor | None) -> Part[T, int]:
    """Tell where a list goes on that is read by offset.

    Without a cursor only an empty page is the end: a server may hand out fewer items at a time than were asked for.
    """
    following = offset + len(items)
    is_end = not items or (cursor is not None and following >= cursor.total_count)
    return Part(items, None if is_end else following, None if cursor is None else cursor.total_count)


def list_by_offset(
    ask: Callable[[int, int], Awaitable[Part[T, int]]],
    *,
    operation: str,
    limit: int | None,
    offset: int,
    page_size: int,
) -> PagedList[T]:
    """Make a list that is read by offset.

    Args:
        ask: Given an offset and a number of items, brings that part.
        operation: The protocol's name of it.
        limit: How many items at most; ``None`` is all.
        offset: How many to pass over.
        page_size: How many to ask for at once.

    Raises:
        TypeError: A number is none.
        ValueError: It is out of its range.
    """
    check_count("offset", offset, minimum=0)
    check_sizes(limit, page_size)
    return PagedList(partial(Reader(ask, page_size, operation).read, offset, limit))


def check_sizes(limit: int | None, page_size: int, *, most: int | None = None) -> None:
    """Check how much is wanted, in all and at once.

    Raises:
        TypeError: A number is none.
        ValueError: It is out of its range.
    """
    if limit is not None and check_int("limit", limit) < 1:
        raise ValueError(f"limit must be >= 1, or None for everything, got {limit}")
    if check_int("page_size", page_size) < 1 or (most is not None and page_size > most):
        raise ValueError(f"page_size must be >= 1{'' if most is None else f' and <= {most}'}, got {page_size}")

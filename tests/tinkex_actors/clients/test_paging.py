"""Walking through lists that come in pages."""

import pytest
import trio
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.clients.paging import PagedList, Part, Reader, check_sizes, list_by_offset, part_at
from tinkex_actors.types import APIConnectionError, Cursor, ResponseInvalid


@define
class Shelf:
    """A list on a server that hands out at most *most* items at a time."""

    items: tuple[int, ...]
    most: int = 1000
    tells_length: bool = True
    asked: list[tuple[int, int]] = field(factory=list[tuple[int, int]])

    async def ask(self, offset: int, count: int) -> Part[int, int]:
        """Hand out one page."""
        self.asked.append((offset, count))
        await trio.lowlevel.checkpoint()
        page = self.items[offset : offset + min(count, self.most)]
        cursor = Cursor(offset, count, len(self.items)) if self.tells_length else None
        return part_at(page, offset, cursor)

    def list(self, *, limit: int | None = None, offset: int = 0, page_size: int = 3) -> PagedList[int]:
        """List what is on it."""
        return list_by_offset(self.ask, operation="shelf", limit=limit, offset=offset, page_size=page_size)


@given(
    length=st.integers(0, 9),
    most=st.integers(1, 5),
    page_size=st.integers(1, 5),
    limit=st.none() | st.integers(1, 9),
    offset=st.integers(0, 9),
    tells_length=st.booleans(),
)
def test_every_item_comes_once_and_in_order(
    *, length: int, most: int, page_size: int, limit: int | None, offset: int, tells_length: bool
) -> None:
    """Whatever the sizes, also when the server hands out fewer than were asked for."""
    shelf = Shelf(tuple(range(length)), most, tells_length)

    async def walk() -> list[int]:
        """Bring what the test wants."""
        return [item async for item in shelf.list(limit=limit, offset=offset, page_size=page_size)]

    everything = list(range(offset, length))
    assert trio.run(walk) == (everything if limit is None else everything[:limit])


async def test_nothing_is_asked_before_it_is_needed() -> None:
    """Nor after: who leaves early leaves nothing behind."""
    shelf = Shelf(tuple(range(9)))
    listed = shelf.list()
    assert shelf.asked == []
    async for item in listed:
        if item == 3:
            break
    assert shelf.asked == [(0, 3), (3, 3)]


async def test_a_limit_is_asked_for_and_no_more() -> None:
    """The last page is as long as what is still wanted."""
    shelf = Shelf(tuple(range(9)))
    assert [item async for item in shelf.list(limit=5)] == [0, 1, 2, 3, 4]
    assert shelf.asked == [(0, 3), (3, 2)]


async def test_a_list_may_be_walked_again_and_looked_at() -> None:
    """Each walk begins anew; the first page alone tells the length."""
    listed = Shelf(tuple(range(4))).list()
    assert [item async for item in listed] == [item async for item in listed] == [0, 1, 2, 3]
    page = await listed.page()
    assert (page.items, page.total_count) == ((0, 1, 2), 4)


async def test_a_walk_goes_on_where_it_failed() -> None:
    """The page that was lost is asked for again; no item is lost or repeated."""
    shelf = Shelf(tuple(range(5)))
    failures = [False, True, False]

    async def ask(offset: int, count: int) -> Part[int, int]:
        """Bring what the test wants."""
        if failures.pop(0):
            raise APIConnectionError("lost")
        return await shelf.ask(offset, count)

    walk = aiter(list_by_offset(ask, operation="shelf", limit=None, offset=0, page_size=3))
    assert [await anext(walk) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(APIConnectionError):
        await anext(walk)
    assert [item async for item in walk] == [3, 4]


async def test_a_cancelled_step_loses_nothing() -> None:
    """Cancellation comes before a page is taken in, or after."""
    walk = aiter(Shelf(tuple(range(4))).list())
    with trio.CancelScope() as scope:
        scope.cancel()
        await anext(walk)
    assert scope.cancelled_caught
    assert [item async for item in walk] == [0, 1, 2, 3]


async def test_a_server_that_repeats_itself_is_an_error() -> None:
    """One that ignores the offset would be walked for ever."""

    async def ask(offset: int, _: int) -> Part[int, int]:
        """Bring what the test wants."""
        await trio.lowlevel.checkpoint()
        return part_at((1, 2), offset, Cursor(0, 2, 100))

    walk = list_by_offset(ask, operation="shelf", limit=None, offset=0, page_size=2)
    with pytest.raises(ResponseInvalid, match="expected the next page, got the same page again in the answer to shelf"):
        assert [item async for item in walk] == []


async def test_a_cursor_that_does_not_move_is_an_error() -> None:
    """Also when its pages are empty."""

    async def ask(_: str | None, __: int) -> Part[int, str | None]:
        """Bring what the test wants."""
        await trio.lowlevel.checkpoint()
        return Part((), "here")

    walk = PagedList(lambda: Reader(ask, 1, "search").read(None, None))
    with pytest.raises(ResponseInvalid, match="the same page again"):
        assert [item async for item in walk] == []


@pytest.mark.parametrize(
    ("limit", "page_size", "message"),
    [
        (0, 1, "limit must be >= 1, or None for everything, got 0"),
        (1, 0, "page_size must be >= 1 and <= 200, got 0"),
        (1, 201, "page_size must be >= 1 and <= 200, got 201"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(limit: int, page_size: int, message: str) -> None:
    """Before anything is asked."""
    with pytest.raises(ValueError, match=message):
        check_sizes(limit, page_size, most=200)
    with pytest.raises(ValueError, match="offset must be >= 0, got -1"):
        Shelf(()).list(offset=-1)

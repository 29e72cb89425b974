"""One poll for many promises."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tinkex_actors.local.completions import CompletionLog
from tinkex_actors.types.ids import RequestId
from tinkex_actors.wire.requests import Completion


def done(name: str) -> Completion:
    """A promise that was kept."""
    return Completion("finished", RequestId(name), 3)


async def test_a_poll_brings_what_came_after_the_cursor_and_forgets_what_was_before() -> None:
    """What the client has acknowledged needs no memory."""
    log = CompletionLog()
    for name in "abc":
        log.add(done(name))
    assert [one.request_id for one in await log.read(1, 0)] == ["b", "c"]
    assert [one.request_id for one in await log.read(0, 0)] == ["b", "c"]
    assert log.cursor == 3
    assert await log.read(3, 0) == ()


async def test_a_poll_waits_for_the_next_completion(autojump_clock: MockClock) -> None:
    """And is answered in its moment."""
    log, seen = CompletionLog(), list[str]()
    started = autojump_clock.current_time()

    async def poll() -> None:
        seen.extend(one.request_id for one in await log.read(0, 30))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(poll)
        await wait_all_tasks_blocked()
        log.add(done("a"))
    assert seen == ["a"]
    assert autojump_clock.current_time() == started


async def test_a_poll_without_news_ends(autojump_clock: MockClock) -> None:
    """Clients give up at 45 s."""
    started = autojump_clock.current_time()
    assert await CompletionLog().read(0, 30) == ()
    assert autojump_clock.current_time() - started == 30

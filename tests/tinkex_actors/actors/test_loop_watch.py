"""A blocked loop is told once, and once more when it turns again; the clock here is the watcher's."""

import threading
from collections.abc import Callable
from typing import cast

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tinkex_actors.actors.loop_watch import watch_loop
from tinkex_actors.actors.own_loop import Owner
from tinkex_actors.settings import Figures


class Loop:
    """Stands for the other side: answers at once, or when it turns again."""

    def __init__(self) -> None:
        self.thread_id = threading.get_ident()
        self.is_blocked = False
        self.asked = 0
        self._waiting: list[Callable[[], object]] = []

    def call_soon(self, fn: Callable[[], object]) -> None:
        self.asked += 1
        if self.is_blocked:
            self._waiting.append(fn)
        else:
            fn()

    def turn(self) -> None:
        self.is_blocked = False
        while self._waiting:
            self._waiting.pop()()


async def test_a_loop_that_is_blocked_for_an_hour_is_told_twice(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Once with what blocks it, once with how long it took; and it is asked one question meanwhile."""
    loop, figures = Loop(), Figures()
    with capture_logs() as logs:
        nursery.start_soon(watch_loop, cast("Owner", loop), figures)
        await trio.sleep(60)
        assert not logs
        asked, loop.is_blocked = loop.asked, True
        await trio.sleep(3600)
        assert [line["event"] for line in logs] == ["the event loop has been blocked for 5 s"]
        assert "loop_watch.py" in logs[0]["stack"]  # here the watcher shares the thread it watches
        assert loop.asked == asked + 1
        loop.turn()
        await trio.sleep(60)
    assert [line["event"] for line in logs[1:]] == ["the event loop turns again"]
    assert 3590 < logs[1]["blocked_seconds"] <= 3600
    assert autojump_clock.current_time() > 3600
    nursery.cancel_scope.cancel()

"""Small actors that the tests of calls, turns and ends share."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Unpack

import trio
import trio.testing

from supervisors import Actor, Exit, Ref, Supervisor, open_supervisor
from supervisors._spec import ChildOptions


class Bug(Exception):
    """An unexpected error, on purpose."""


class Clerk(Actor):
    """Does what tests need of an actor, and keeps a log."""

    expected_errors = (ValueError,)

    def __init__(self, log: list[str] | None = None) -> None:
        self.log = [] if log is None else log

    async def on_stop(self, reason: Exit, /) -> None:
        self.log.append(f"stop {reason.kind.value}")

    async def echo(self, value: str) -> str:
        """Note and return *value*."""
        self.log.append(value)
        return value

    async def wait(self, seconds: float) -> str:
        """Keep the turn for a while."""
        self.log.append(f"wait {seconds:g}")
        await trio.sleep(seconds)
        self.log.append("waited")
        return "waited"

    async def wait_off_turn(self, seconds: float) -> str:
        """Wait without the turn."""
        self.log.append("leave")
        try:
            async with self.off_turn():
                await trio.sleep(seconds)
        finally:
            self.log.append("back")
        return "came back"

    async def refuse(self) -> None:
        """Answer with an expected error."""
        raise ValueError("no")

    async def crash(self) -> None:
        """End by a bug."""
        raise Bug("boom")

    async def finish(self, reason: object = None) -> str:
        """End normally, with an answer."""
        self.stop(reason)
        return "last words"


@asynccontextmanager
async def open_clerk(
    log: list[str] | None = None, **options: Unpack[ChildOptions]
) -> AsyncGenerator[tuple[Supervisor, Ref[Clerk]]]:
    """A root with one clerk under it; *options* are those of ``start_child``."""
    async with open_supervisor(max_restarts=1000) as root:
        yield root, await root.start_child(lambda: Clerk(log), name="clerk", **options)


async def settle() -> None:
    """Let everything happen that needs no time."""
    await trio.testing.wait_all_tasks_blocked()


async def outcome_of(into: list[Any], fn: Callable[..., Awaitable[Any]], *args: Any) -> None:
    """Keep what ``fn(*args)`` returns or raises."""
    try:
        into.append(await fn(*args))
    except Exception as error:  # noqa: BLE001 - the test looks at it
        into.append(error)

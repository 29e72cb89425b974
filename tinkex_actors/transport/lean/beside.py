"""A task beside a block: begun with it, cancelled at its end, and no change to what the block raises."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def beside(task: Callable[[], Awaitable[None]]) -> AsyncGenerator[None, None]:
    """Run *task* while the block runs.

    What the block raises comes out as it is: a nursery would wrap it in a group, as if the task had a share in it.
    What the task raises cancels the block and comes out as a group.
    """
    manager = trio.open_nursery()
    nursery = await manager.__aenter__()
    nursery.start_soon(task)
    try:
        yield
    finally:
        nursery.cancel_scope.cancel()
        await manager.__aexit__(None, None, None)

"""Children that are no actors of one's own: context managers and plain functions."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from supervisors import child_from, open_supervisor


@asynccontextmanager
async def open_connection() -> AsyncGenerator[str]:
    print("connected")
    try:
        yield "connection"
    finally:
        print("disconnected")


async def poll() -> None:
    for number in range(2):
        print("poll", number)
        await trio.sleep(1)
    raise OSError("the line is dead")


async def main() -> None:
    async with open_supervisor(strategy="rest_for_one") as root:
        await root.start_child(child_from(open_connection, name="connection"))  # started when entered
        await root.start_child(child_from(poll, name="poll"))
        await trio.sleep(2.5)
        print(root.tree())


if __name__ == "__main__":
    trio.run(main)

"""Who is replaced when one of three crashes."""

import trio

from supervisors import Actor, Strategy, open_supervisor


class Worker(Actor):
    """Can be told to crash."""

    async def crash(self) -> None:
        raise RuntimeError("a bug")

    async def ping(self) -> str:
        return "pong"


async def lives_after_a_crash(strategy: Strategy) -> list[int]:
    async with open_supervisor(strategy=strategy) as root:
        workers = [await root.start_child(Worker, name=name) for name in ("first", "second", "third")]
        workers[1].cast_nowait(Worker.crash)
        await workers[1].ended()
        for worker in workers:
            await worker.call(Worker.ping)  # waits for the new life, where there is one
        return [worker.life for worker in workers]


async def main() -> None:
    for strategy in Strategy:
        print(strategy.value, await lives_after_a_crash(strategy))


if __name__ == "__main__":
    trio.run(main)

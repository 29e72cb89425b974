"""Timers belong to a life: they end with it, and a cancelled one is never heard."""

import trio

from supervisors import Actor, open_supervisor


class Heart(Actor):
    """Beats every ten seconds until it is told to rest."""

    def __init__(self) -> None:
        self._beats = 0

    async def on_start(self) -> None:
        self._timer = self.send_every(10, Heart.beat)

    async def beat(self) -> None:
        self._beats += 1

    async def rest(self) -> int:
        self._timer.cancel()
        return self._beats


async def main() -> None:
    async with open_supervisor() as root:
        heart = await root.start_child(Heart)
        await trio.sleep(45)
        print("beats:", await heart.call(Heart.rest))
        await trio.sleep(3600)
        print("beats:", await heart.call(Heart.rest))


if __name__ == "__main__":
    trio.run(main)

"""Waiting for the world without keeping everybody else waiting."""

import trio
import trio.testing

from supervisors import Actor, open_supervisor


class Downloads(Actor):
    """Fetches pages; can always be asked how far it is."""

    def __init__(self) -> None:
        self._running = 0

    async def fetch(self, page: str, seconds: float) -> str:
        self._running += 1
        async with self.off_turn():
            await trio.sleep(seconds)  # stands for the network; the mailbox goes on meanwhile
        self._running -= 1  # back in the turn: nobody else touches the state
        return f"<{page}>"

    async def running(self) -> int:
        return self._running


async def main() -> None:
    async with open_supervisor() as root, trio.open_nursery() as nursery:
        downloads = await root.start_child(Downloads)

        async def show(page: str, seconds: float) -> None:
            print(await downloads.call(Downloads.fetch, page, seconds))

        for page, seconds in (("slow", 3), ("slower", 4), ("quick", 1)):
            nursery.start_soon(show, page, seconds)
            await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        print("running:", await downloads.call(Downloads.running))
        print("answered after", trio.current_time() - began, "s")


if __name__ == "__main__":
    trio.run(main)

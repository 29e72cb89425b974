"""Leaving the block, by whatever way, stops the children in order."""

import trio

from supervisors import Actor, Exit, open_supervisor


class Service(Actor):
    """Needs a while to tidy up."""

    def __init__(self, needs: float) -> None:
        self._needs = needs

    async def on_stop(self, reason: Exit) -> None:
        asked = trio.current_time()
        await trio.sleep(self._needs)
        print(f"{self.path} is done after {trio.current_time() - asked:.1f} s ({reason})")


async def main() -> None:
    began = trio.current_time()
    with trio.move_on_after(1):
        async with open_supervisor() as root:
            await root.start_child(lambda: Service(0.5), name="database")
            await root.start_child(lambda: Service(0.5), name="cache")
            await root.start_child(lambda: Service(60), name="stubborn", shutdown=2)
            await trio.sleep_forever()
    print(f"the program goes on after {trio.current_time() - began:.1f} s")


if __name__ == "__main__":
    trio.run(main)

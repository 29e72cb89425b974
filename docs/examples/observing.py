"""Everything that happens in a tree, as values."""

import trio
import trio.testing

from supervisors import Actor, Event, ObserverFailed, open_supervisor


class Printer:
    """Is told every event."""

    def notify(self, event: Event, /) -> None:
        match event:
            case ObserverFailed():
                print("an observer failed:", event.observer)
            case _:
                print(type(event).__name__, event.path)


class Fragile(Actor):
    """Crashes on demand."""

    async def crash(self) -> None:
        raise RuntimeError("a bug")


async def main() -> None:
    async with open_supervisor(observers=[Printer()]) as root:
        fragile = await root.start_child(Fragile, name="fragile")
        fragile.cast_nowait(Fragile.crash)
        await fragile.ended()
        await trio.testing.wait_all_tasks_blocked()
        print(fragile.snapshot().status, "after", fragile.snapshot().restarts, "restart")


if __name__ == "__main__":
    trio.run(main)

"""A door: what an event means depends on the state, and some events wait for another one."""

from enum import Enum

import trio

from supervisors import StateMachine, open_supervisor


class Is(Enum):
    """States of a door."""

    OPEN = "open"
    CLOSED = "closed"
    LOCKED = "locked"


class Door(StateMachine[Is]):
    """Closes by itself; who pushes while it is locked waits until it is not."""

    def __init__(self) -> None:
        super().__init__(Is.LOCKED)

    async def on_enter(self, previous: Is) -> None:
        print(f"{trio.current_time():>2.0f} s: {previous.value} -> {self.state.value}")

    async def push(self, who: str) -> str:
        match self.state:
            case Is.LOCKED:
                self.postpone()  # the handler ends here; the caller waits
            case Is.CLOSED:
                self.next_state(Is.OPEN)
                self.state_timeout(5, Door.swing)  # unless the state changes before
            case Is.OPEN:
                pass
        return f"{who} walks in"

    async def swing(self) -> None:
        self.next_state(Is.CLOSED)

    async def unlock(self) -> None:
        self.next_state(Is.CLOSED)


async def main() -> None:
    async with open_supervisor() as root:
        door = await root.start_child(Door)

        async def push(who: str) -> None:
            print(await door.call(Door.push, who))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(push, "ann")
            await trio.sleep(2)
            await door.call(Door.unlock)
        await trio.sleep(10)


if __name__ == "__main__":
    trio.run(main)

"""Names of one's own: a room per key, found by whoever has the registry."""

import trio

from supervisors import Actor, AlreadyStarted, Registry, open_supervisor


class Room(Actor):
    """Counts its guests, and closes when told to."""

    def __init__(self) -> None:
        self._guests: list[str] = []

    async def enter(self, who: str) -> int:
        self._guests.append(who)
        return len(self._guests)

    async def close(self) -> None:
        self.stop()


async def main() -> None:
    rooms = Registry[str, Room, int]("rooms")  # keys, owners, values
    async with open_supervisor() as root:
        with rooms.listen() as events:
            hall = await root.start_child(Room, name=rooms.via("hall", 40), restart="transient")
            print(await rooms.whereis("hall").call(Room.enter, "ann"), "of", rooms.select()[0].value)
            try:
                await root.start_child(Room, name=rooms.via("hall", 40))
            except AlreadyStarted as error:
                print("taken by", error.ref)
            hall.cast_nowait(Room.close)
            await hall.ended()
            print("hall" in rooms)  # gone with its owner, in the same step
            print([type(await anext(events)).__name__ for _ in range(2)])


if __name__ == "__main__":
    trio.run(main)

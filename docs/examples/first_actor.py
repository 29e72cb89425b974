"""An actor, and the two ways to talk to it."""

import trio

from supervisors import Actor, open_supervisor


class Counter(Actor):
    """Counts, and refuses to count down."""

    expected_errors = (ValueError,)

    def __init__(self, start: int = 0) -> None:
        self._value = start

    async def add(self, by: int) -> int:
        """Add *by* and return the new total."""
        if by < 0:
            raise ValueError(f"by must be >= 0, got {by}")
        self._value += by
        return self._value


async def main() -> None:
    async with open_supervisor() as root:
        counter = await root.start_child(lambda: Counter(40))

        print("call:", await counter.call(Counter.add, 2))
        counter.cast_nowait(Counter.add, 1)
        print("call:", await counter.call(Counter.add, by=0))
        try:
            await counter.call(Counter.add, -1)
        except ValueError as error:
            print("refused:", error)


if __name__ == "__main__":
    trio.run(main)

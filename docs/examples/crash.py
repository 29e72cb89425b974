"""A crash, what the caller sees of it, and what the next caller sees."""

import trio

from supervisors import Actor, ActorCrashed, open_supervisor


class Parser(Actor):
    """Has a bug."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines  # plain data that the factory closes over: it survives the crash

    async def read(self, line: str) -> int:
        self._lines.append(line)
        return int(line)  # the bug: not every line is a number

    async def count(self) -> int:
        return len(self._lines)


async def main() -> None:
    lines: list[str] = []
    async with open_supervisor() as root:
        parser = await root.start_child(lambda: Parser(lines))
        print("life", parser.life, "read", await parser.call(Parser.read, "12"))
        try:
            await parser.call(Parser.read, "twelve")
        except ActorCrashed as crash:
            print("crashed:", crash.__cause__)
        counted = await parser.call(Parser.count)  # waits for the new life
        print("life", parser.life, "counts", counted, "lines")
        print(root.tree())


if __name__ == "__main__":
    trio.run(main)

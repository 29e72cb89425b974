"""A tree as a value: what it promises is known before it runs."""

import trio

from supervisors import (
    Actor,
    Backoff,
    ChildSpec,
    Name,
    Strategy,
    SupervisorSpec,
    explain,
    open_supervisor,
)


class Source(Actor):
    """Must be there first."""


class Reader(Actor):
    """Reads from the source, and crashes when it is told nonsense."""

    async def read(self, line: str) -> int:
        return int(line)


class Guest(Actor):
    """Comes and goes."""


READER = Name("reader", Reader)

PIPELINE = SupervisorSpec(
    "pipeline",
    children=[
        ChildSpec(Source, name="source", shutdown=1.0),
        ChildSpec(Reader, name=READER, shutdown=2.0, backoff=Backoff(initial=0.5)),
    ],
    strategy=Strategy.REST_FOR_ONE,  # whatever was started after a child that crashes starts anew, too
)


async def main() -> None:
    print(explain(PIPELINE))
    async with open_supervisor() as root:
        await root.start_supervisor(PIPELINE)
        guests = await root.start_supervisor("guests", dynamic=True, max_children=2)
        ann = await guests.start_child(Guest, name="ann")
        await guests.start_child(Guest, name="bob")
        root.whereis(READER).cast_nowait(Reader.read, "nonsense")
        await root.whereis(READER).ended()
        print(root.tree())
        await guests.terminate_child(ann)  # a dynamic supervisor forgets who is down
        print(await root.whereis(READER).call(Reader.read, "12"), trio.current_time())  # it waited for the new life


if __name__ == "__main__":
    trio.run(main)

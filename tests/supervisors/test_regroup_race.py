"""A group restart that meets another failure loses nobody."""

from typing import Any

import trio
import trio.testing

from supervisors import Actor, ChildSpec, ChildStarted, Event, Name, Strategy, Supervisor, open_supervisor


class First(Actor):
    async def fall(self) -> None:
        raise LookupError


class Last(Actor):
    pass


FIRST, LAST = Name("first", First), Name("last", Last)


class KillFirstWhenLastIsReborn:
    """Strikes in the moment in which the group is whole again."""

    root: Supervisor | None = None

    def notify(self, event: Event, /) -> None:
        if self.root is not None and isinstance(event, ChildStarted) and event.path == "root/last" and event.life == 2:
            self.root.whereis(FIRST).kill()


async def test_a_failure_in_the_moment_of_the_last_start_replaces_the_whole_group_again() -> None:
    """The last child has just started when the first one dies once more: it is replaced too, not left down.

    Whether the death or the start is looked at first is up to trio's scheduler: twenty rounds see both.
    """
    children: list[ChildSpec[Any]] = [ChildSpec(First, name=FIRST), ChildSpec(Last, name=LAST)]
    for _ in range(20):
        observer = KillFirstWhenLastIsReborn()
        async with open_supervisor(strategy=Strategy.REST_FOR_ONE, children=children, observers=[observer]) as root:
            observer.root = root
            root.whereis(FIRST).cast_nowait(First.fall)
            await trio.testing.wait_all_tasks_blocked()
            assert [(child.status, child.life) for child in root.which_children()] == [("running", 3), ("running", 3)]

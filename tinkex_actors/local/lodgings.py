"""Where the actors of runs and sampling sessions live: by name, under one dynamic supervisor.

A name is reserved at once and its actor starts after; whoever asks meanwhile waits for the start.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import trio
from attrs import define, field

from supervisors import Actor, Ref, Restart, Supervisor
from tinkex_actors.local.refusals import Gone

A = TypeVar("A", bound=Actor)


@define(eq=False)
class _Lodging(Generic[A]):
    started: trio.Event = field(factory=trio.Event)
    ref: Ref[A] | None = None


@define(eq=False)
class Lodgings(Generic[A]):
    """Actors of one kind, by name."""

    supervisor: Supervisor
    _lodgings: dict[str, _Lodging[A]] = field(factory=dict[str, _Lodging[A]])

    def __len__(self) -> int:
        return len(self._lodgings)

    async def open(self, name: str, factory: Callable[[], A]) -> None:
        """Start an actor under a name that nobody has."""
        lodging = self._lodgings[name] = _Lodging[A]()
        lodging.ref = await self.supervisor.start_child(factory, name=name, restart=Restart.TRANSIENT)
        lodging.started.set()

    async def find(self, name: str) -> Ref[A]:
        """Return the actor of a name, waiting for its start.

        Raises:
            Gone: Nobody lives here, or not any more.
        """
        lodging = self._lodgings.get(name)
        if lodging is not None:
            await lodging.started.wait()
        if lodging is None or lodging.ref is None:
            raise Gone(f"{name} has ended; create a new one")
        return lodging.ref

    async def close(self, name: str) -> None:
        """Stop the actor of a name, if there is one."""
        lodging = self._lodgings.pop(name, None)
        if lodging is not None and lodging.ref is not None:
            await self.supervisor.terminate_child(lodging.ref)

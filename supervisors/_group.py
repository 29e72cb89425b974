"""Groups of actors under names, in OTP's word: pg.

A group is there while it has a member. Membership is a set, belongs to one life of the member, and ends with it, in the
step in which its exit becomes known. One :class:`Groups` is one scope; it is plain data, and there may be many.
"""

from collections.abc import Generator, Hashable
from contextlib import contextmanager
from typing import Generic, TypeVar

from supervisors._policy import Overflow
from supervisors._ref import Ref
from supervisors._registry import DuplicateRegistry, RegistryEvent
from supervisors._topic import Subscription

G = TypeVar("G", bound=Hashable)
A = TypeVar("A")


class Groups(Generic[G, A]):
    """Who is in which group."""

    def __init__(self, name: str = "groups") -> None:
        self.name = name
        self._members = DuplicateRegistry[G, A, None](name)

    def join(self, group: G, *members: Ref[A]) -> None:
        """Make *members* members; those who are, stay.

        Raises:
            TypeError: One is no ref; nobody has joined.
            ActorNotAlive: One has no life now; nobody has joined.
        """
        present = set(self.members(group))
        joining = [member for member in dict.fromkeys(members) if member not in present]
        self._members.register_all(group, joining)

    def leave(self, group: G, *members: Ref[A]) -> bool:
        """End the membership of *members*. Returns whether any of them was one."""
        left = [self._members.unregister(group, member) for member in members]
        return any(left)

    @contextmanager
    def joined(self, group: G, *members: Ref[A]) -> Generator[None]:
        """Make *members* members for the length of the block."""
        self.join(group, *members)
        try:
            yield
        finally:
            self.leave(group, *members)

    def members(self, group: G) -> tuple[Ref[A], ...]:
        """Who is in *group* now, in the order of joining. Alive, all of them."""
        return tuple(entry.owner for entry in self._members.lookup_all(group))

    def which_groups(self) -> tuple[G, ...]:
        """The groups that have a member."""
        return self._members.all_keys()

    def listen(
        self, capacity: int = 64, *, overflow: Overflow = Overflow.RAISE
    ) -> Subscription[RegistryEvent[G, A, None]]:
        """Subscribe to joins (:class:`Registered`) and leaves (:class:`Unregistered`), as with a registry.

        What :meth:`members` says on the first line of the ``with`` block and the events after it fit together.
        """
        return self._members.listen(capacity, overflow=overflow)

    def __repr__(self) -> str:
        return f"<Groups {self.name}, {len(self.which_groups())} groups>"

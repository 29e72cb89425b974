"""Names of one's own making: actors registered under typed keys, with typed values.

A registry is plain data, made where it is needed and passed to whoever needs it; there may be many, and none is global.
An entry belongs to one *life* of its owner. It goes in the very step in which that life's exit becomes known, before
anybody can hear of the exit: a lookup never returns the dead, and whoever saw an owner end can register its key at
once. A new life registers itself again, in ``on_start`` or by its ``via`` name.

Keys are compared strictly: ``1``, ``1.0`` and ``True`` are three keys, also inside tuples.
"""

from collections.abc import AsyncGenerator, Callable, Hashable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast, overload

import trio
from attrs import frozen

from supervisors._checks import check_callable
from supervisors._errors import AlreadyRegistered, NotRegistered
from supervisors._exit import Exit, describe
from supervisors._life import Life
from supervisors._policy import Overflow
from supervisors._ref import Ref
from supervisors._spec import Via
from supervisors._topic import Subscription, Topic

if TYPE_CHECKING:
    from supervisors._cell import Cell

K = TypeVar("K", bound=Hashable)
A = TypeVar("A")
V = TypeVar("V")


@frozen
class Entry(Generic[K, A, V]):
    """One registration: *owner* has *key*, and says *value* about it."""

    key: K
    owner: Ref[A]
    value: V


@frozen
class Registered(Generic[K, A, V]):
    """A key was registered."""

    registry: str
    entry: Entry[K, A, V]


@frozen
class Unregistered(Generic[K, A, V]):
    """A key was given up, or its owner's life ended."""

    registry: str
    entry: Entry[K, A, V]
    exit: Exit | None
    """How the owner's life ended; None when the key was given up."""


RegistryEvent: TypeAlias = Registered[K, A, V] | Unregistered[K, A, V]


class _Row(Generic[K, A, V]):
    __slots__ = ("entry", "life", "strict")

    def __init__(self, strict: Hashable, entry: Entry[K, A, V], life: Life) -> None:
        self.strict = strict
        self.entry = entry
        self.life = life


class _Table(Generic[K, A, V]):
    """What unique and duplicate registries share: rows by key and by owner, events, locks."""

    def __init__(self, name: str = "registry") -> None:
        self.name = name
        self._rows: dict[Hashable, dict[_Row[K, A, V], None]] = {}
        self._rows_of: dict[Life, dict[_Row[K, A, V], None]] = {}
        self._events: Topic[RegistryEvent[K, A, V]] = Topic(name)
        self._locks: dict[Hashable, trio.Lock] = {}

    def unregister(self, key: K, owner: Ref[A]) -> bool:
        """Give up all that *owner* has under *key*. Returns whether there was anything; others' entries stay."""
        return self.unregister_match(key, owner, lambda _: True) > 0

    def unregister_match(self, key: K, owner: Ref[A], predicate: Callable[[V], bool]) -> int:
        """Give up what *owner* has under *key* with a value that *predicate* accepts. Returns how many."""
        rows = [row for row in self._rows_under(key) if row.entry.owner == owner and predicate(row.entry.value)]
        for row in rows:
            self._remove(row, None)
        return len(rows)

    def lookup_all(self, key: K) -> tuple[Entry[K, A, V], ...]:
        """The entries under *key*, oldest first."""
        return tuple(row.entry for row in self._rows_under(key))

    def keys(self, owner: Ref[A]) -> tuple[K, ...]:
        """The keys *owner* has, oldest first; one that it has twice is there twice."""
        life = _life_of(owner)
        return tuple(row.entry.key for row in self._rows_of.get(life, ())) if life is not None else ()

    def all_keys(self) -> tuple[K, ...]:
        """The keys that have an entry, each once."""
        return tuple(next(iter(rows)).entry.key for rows in self._rows.values())

    def select(self, predicate: Callable[[Entry[K, A, V]], bool] = lambda _: True) -> tuple[Entry[K, A, V], ...]:
        """All entries that *predicate* accepts."""
        check_callable("predicate", predicate)
        entries = [row.entry for rows in self._rows.values() for row in rows]
        return tuple(entry for entry in entries if predicate(entry))

    def count(self, predicate: Callable[[Entry[K, A, V]], bool] = lambda _: True) -> int:
        """How many entries *predicate* accepts."""
        return len(self.select(predicate))

    def dispatch(self, key: K, action: Callable[[tuple[Entry[K, A, V], ...]], object]) -> None:
        """Call *action* with the entries under *key*; not at all if there are none. What it raises is the caller's."""
        check_callable("action", action)
        entries = self.lookup_all(key)
        if entries:
            action(entries)

    def listen(
        self, capacity: int = 64, *, overflow: Overflow = Overflow.RAISE
    ) -> Subscription[RegistryEvent[K, A, V]]:
        """Subscribe to what is registered and unregistered from the moment the ``with`` block is entered.

        Nothing can happen between entering the block and a :meth:`select` on its first line: together they are a
        snapshot and every change after it, each once.

        Raises:
            ValueError: *overflow* is ``WAIT``: a life's end waits for nobody.
        """
        if overflow is Overflow.WAIT:
            raise ValueError("overflow must be RAISE, DROP_NEWEST or DROP_OLDEST, got WAIT; nobody's end can wait")
        return self._events.subscribe(capacity, overflow=overflow)

    @asynccontextmanager
    async def lock(self, key: K) -> AsyncGenerator[None]:
        """Hold *key*'s lock for the block: blocks of one key run one after the other, in order; other keys' beside.

        Released however the block ends, and when its waiter is cancelled.
        """
        strict = strict_key(key)
        lock = self._locks.setdefault(strict, trio.Lock())
        async with lock:
            try:
                yield
            finally:
                if not lock.statistics().tasks_waiting:
                    self._locks.pop(strict, None)

    def __len__(self) -> int:
        return sum(len(rows) for rows in self._rows.values())

    def __contains__(self, key: K) -> bool:
        return strict_key(key) in self._rows

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}, {len(self)} entries>"

    def _rows_under(self, key: K) -> tuple[_Row[K, A, V], ...]:
        return tuple(self._rows.get(strict_key(key), ()))

    def _add(self, entry: Entry[K, A, V], life: Life) -> None:
        row = _Row(strict_key(entry.key), entry, life)
        self._rows.setdefault(row.strict, {})[row] = None
        if life not in self._rows_of:
            self._rows_of[life] = {}
            life.at_end(self, self._end_life)
        self._rows_of[life][row] = None
        self._events.publish_nowait(Registered(self.name, entry))

    def _remove(self, row: _Row[K, A, V], exit_: Exit | None) -> None:
        rows = self._rows[row.strict]
        del rows[row]
        if not rows:
            del self._rows[row.strict]
        owned = self._rows_of[row.life]
        del owned[row]
        if not owned:
            del self._rows_of[row.life]
            row.life.not_at_end(self)
        self._events.publish_nowait(Unregistered(self.name, row.entry, exit_))

    def _end_life(self, life: Life, exit_: Exit) -> None:
        for row in tuple(self._rows_of.get(life, ())):
            self._remove(row, exit_)


class Registry(_Table[K, A, V]):
    """At most one owner per key.

    ::

        rooms = Registry[str, Room, int]("rooms")
        room = await root.start_child(Room, name=rooms.via("lobby", 0))
        await rooms.whereis("lobby").call(Room.enter)
    """

    @overload
    def register(self: "Registry[K, A, None]", key: K, owner: Ref[A]) -> None: ...
    @overload
    def register(self, key: K, owner: Ref[A], value: V) -> None: ...
    def register(self, key: K, owner: Ref[A], value: Any = None) -> None:
        """Make *key* the current life's of *owner*.

        Raises:
            AlreadyRegistered: It has an owner, maybe this one; nothing has changed.
            ActorNotAlive: *owner* has no life now.
        """
        life = _living(owner)
        self._check_free(key)
        self._add(Entry(key, owner, value), life)

    def lookup(self, key: K) -> Entry[K, A, V] | None:
        """The entry of *key*, if there is one."""
        rows = self._rows_under(key)
        return rows[0].entry if rows else None

    def whereis(self, key: K) -> Ref[A]:
        """The owner of *key*.

        Raises:
            NotRegistered: It has none.
        """
        entry = self.lookup(key)
        if entry is None:
            raise NotRegistered(f"nobody has {describe(key)} in registry {self.name!r}")
        return entry.owner

    def update(self, key: K, owner: Ref[A], change: Callable[[V], V]) -> V:
        """Replace *owner*'s value under *key* by what *change* makes of it, and return the new one.

        Raises:
            NotRegistered: The key is not the owner's; *change* was not called.
        """
        rows = self._rows_under(key)
        if not rows or rows[0].entry.owner != owner:
            holder = rows[0].entry.owner.path if rows else "nobody"
            raise NotRegistered(f"{describe(key)} in registry {self.name!r} belongs to {holder}, not to {owner.path}")
        value = change(rows[0].entry.value)
        rows[0].entry = Entry(rows[0].entry.key, owner, value)
        return value

    @overload
    def via(self: "Registry[K, A, None]", key: K) -> Via[A]: ...
    @overload
    def via(self, key: K, value: V) -> Via[A]: ...
    def via(self, key: K, value: Any = None) -> Via[A]:
        """Make a child's ``name`` of *key*: every life of the child has it, from before its ``on_start`` to its end.

        A second child under a taken key is refused (:exc:`AlreadyStarted`, with the owner); a new life that finds its
        key taken by a stranger has failed to start.
        """

        def claim(life: object) -> None:
            born = cast(Life, life)
            self._check_free(key)
            self._add(Entry(key, cast("Cell[Any]", born.slot).ref, value), born)

        def find_owner() -> object:
            entry = self.lookup(key)
            return None if entry is None else entry.owner

        return Via(f"{self.name}[{describe(key)}]".replace("/", "%2F"), claim, find_owner)

    def _check_free(self, key: K) -> None:
        entry = self.lookup(key)
        if entry is not None:
            raise AlreadyRegistered(
                f"{describe(key)} in registry {self.name!r} belongs to {entry.owner.path}", entry.owner
            )


class DuplicateRegistry(_Table[K, A, V]):
    """Any number of owners per key, and any number of entries per owner."""

    @overload
    def register(self: "DuplicateRegistry[K, A, None]", key: K, owner: Ref[A]) -> None: ...
    @overload
    def register(self, key: K, owner: Ref[A], value: V) -> None: ...
    def register(self, key: K, owner: Ref[A], value: Any = None) -> None:
        """Add an entry of the current life of *owner* under *key*.

        Raises:
            ActorNotAlive: *owner* has no life now.
        """
        self._add(Entry(key, owner, value), _living(owner))

    def register_all(self: "DuplicateRegistry[K, A, None]", key: K, owners: Iterable[Ref[A]]) -> None:
        """Add an entry for each of *owners* under *key*, or for none.

        Raises:
            ActorNotAlive: One has no life now.
        """
        for life, owner in [(_living(owner), owner) for owner in owners]:
            self._add(Entry(key, owner, None), life)

    def values(self, key: K, owner: Ref[A]) -> tuple[V, ...]:
        """What *owner* says under *key*, oldest first."""
        return tuple(entry.value for entry in self.lookup_all(key) if entry.owner == owner)


def strict_key(key: Hashable) -> Hashable:
    """Tell apart what Python calls equal but is not the same thing: ``1``, ``1.0`` and ``True``."""
    if isinstance(key, tuple):
        parts = cast("tuple[Hashable, ...]", key)
        return (type(parts).__name__, tuple(strict_key(part) for part in parts))
    return (type(key), key)


def _life_of(owner: Ref[Any]) -> Life | None:
    return owner._cell.life  # noqa: SLF001 - the ref is this package's


def _living(owner: Ref[Any]) -> Life:
    if not isinstance(owner, Ref):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
        raise TypeError(f"expected the Ref of an actor, got {describe(owner)}")
    owner._cell.team.runtime.check_home()  # noqa: SLF001 - the ref is this package's
    life = _life_of(owner)
    if life is None:
        raise owner._cell.not_alive()  # noqa: SLF001 - the ref is this package's
    return life

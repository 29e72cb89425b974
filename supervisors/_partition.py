"""Partitions: the same child several times, and each key always at the same one.

One thread has no parallelism to win by that. What is won: what belongs to one key is done in sequence while other keys
go on, and a crash costs one partition's state, not all of it.

The hash is stable over runs, machines and versions of Python, so what one run has written under a key the next one
finds. Keys that are equal have one partition: ``1``, ``1.0`` and ``True`` are one key.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, Generic, TypeAlias, TypedDict, TypeVar, Unpack, cast, overload

from attrs import evolve

from supervisors._checks import check_callable, check_int, check_options
from supervisors._errors import SupervisorStopped
from supervisors._exit import describe
from supervisors._policy import Backoff, Restart, Shutdown
from supervisors._ref import Ref
from supervisors._slot import Intent
from supervisors._spec import AnySpec, ChildSpec, SupervisorSpec
from supervisors._supervisor import Supervisor, check_supervisor
from supervisors._tree import ChildCounts, Tree

A = TypeVar("A")
T = TypeVar("T")

Key: TypeAlias = "int | float | str | bytes | tuple[Key, ...] | None"
"""What can be told apart in the same way in every run."""


class PartitionOptions(TypedDict, total=False):
    """The keywords of a partition supervisor: those of :class:`SupervisorSpec` that are left to choose."""

    max_restarts: int
    max_seconds: float
    restart: Restart | str
    shutdown: Shutdown
    significant: bool
    backoff: Backoff | None


def partitioned(
    name: str, make: Callable[[int], AnySpec], *, partitions: int, **options: Unpack[PartitionOptions]
) -> SupervisorSpec:
    """Describe a supervisor of *partitions* children, to be declared or started like any other.

    Args:
        name: The supervisor's id.
        make: Given the partition's number, from 0, describes its child. Its name is replaced by the number.
        partitions: How many, >= 1.
        **options: Fields of :class:`SupervisorSpec`; the strategy is one_for_one.

    Raises:
        TypeError, ValueError: An argument is not valid.
    """
    check_callable("make", make)
    check_int("partitions", partitions, least=1)
    check_options(PartitionOptions, options, "a partition supervisor")
    children = [_number(make(number), number) for number in range(partitions)]
    return SupervisorSpec(name, children=children, **options)


def _number(spec: AnySpec, number: int) -> AnySpec:
    if not isinstance(spec, ChildSpec | SupervisorSpec):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
        raise TypeError(
            f"make must answer a ChildSpec or a SupervisorSpec, got {describe(spec)} for partition {number}"
        )
    return evolve(spec, name=str(number))


class PartitionSupervisor(Generic[T]):
    """Routes keys to the children of a partitioned supervisor; *T* is their address, a ref or a supervisor's handle.

    ::

        caches = await PartitionSupervisor.start(
            root, "caches", lambda number: ChildSpec(lambda: Cache(number)), partitions=8
        )
        await caches.route("user 42").call(Cache.put, "user 42", value)

    Plain data over the supervisor's handle: there may be several over one, and ``PartitionSupervisor(handle)`` makes
    one over a supervisor that was declared by :func:`partitioned`.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._team = check_supervisor(supervisor)._team  # noqa: SLF001 - of this package
        names = [str(child.name) for child in self._team.spec.children]
        if names != [str(number) for number in range(len(names))] or not names:
            raise ValueError(f"expected a supervisor made by partitioned(...), got {supervisor!r}")
        self.supervisor = supervisor

    @overload
    @staticmethod
    async def start(
        parent: Supervisor,
        name: str,
        make: Callable[[int], ChildSpec[A]],
        *,
        partitions: int,
        **options: Unpack[PartitionOptions],
    ) -> "PartitionSupervisor[Ref[A]]": ...
    @overload
    @staticmethod
    async def start(
        parent: Supervisor,
        name: str,
        make: Callable[[int], SupervisorSpec],
        *,
        partitions: int,
        **options: Unpack[PartitionOptions],
    ) -> "PartitionSupervisor[Supervisor]": ...
    @staticmethod
    async def start(
        parent: Supervisor,
        name: str,
        make: Callable[[int], AnySpec],
        *,
        partitions: int,
        **options: Unpack[PartitionOptions],
    ) -> "PartitionSupervisor[Any]":
        """Start *partitions* children under a supervisor of their own, and route to them.

        The arguments are those of :func:`partitioned`; the errors, too, and those of ``start_supervisor``.
        """
        spec = partitioned(name, make, partitions=partitions, **options)
        return PartitionSupervisor(await parent.start_supervisor(spec))

    @property
    def capacity(self) -> int:
        """The number of partitions it was made with."""
        return len(self._team.spec.children)

    @property
    def partitions(self) -> int:
        """The number of partitions that keys are spread over now."""
        self._check_present()
        slots = self._team.slots
        return next((n for n in range(self.capacity, 0, -1) if slots[str(n - 1)].intent is not Intent.DOWN), 0)

    def route(self, key: Key) -> T:
        """The address of the partition that *key* belongs to: an integer modulo their number, else by its hash.

        Raises:
            ValueError: There are no partitions now (``resize(0)``).
            TypeError: The key is of a type that has no stable hash.
            SupervisorStopped: The supervisor is gone.
        """
        partitions = self.partitions
        if not partitions:
            raise ValueError(f"{self.supervisor.path} has zero partitions; resize it first")
        number = abs(key) if isinstance(key, int) else stable_hash(key)
        return cast(T, self.supervisor.child(str(number % partitions)))

    async def resize(self, partitions: int) -> int:
        """Spread keys over the first *partitions*, and return how many there were.

        The others are stopped, the last first, or started again, the first first. Most keys move to another
        partition: what they left behind at the old one is not moved with them.

        Args:
            partitions: At least 0, at most :attr:`capacity`.

        Raises:
            StartError: A partition did not start again; those before it did.
            SupervisorStopped: The supervisor is stopping or gone.
        """
        check_int("partitions", partitions, least=0, most=self.capacity)
        before = self.partitions
        for number in reversed(range(partitions, before)):
            await self.supervisor.terminate_child(str(number))
        for number in range(before, partitions):
            await self.supervisor.restart_child(str(number))
        return before

    def which_children(self) -> tuple[Tree, ...]:
        """All partitions in order, those out of use included. Never waits."""
        return self.supervisor.which_children()

    def count_children(self) -> ChildCounts:
        """How many partitions there are; ``active`` ones are alive. Never waits."""
        return self.supervisor.count_children()

    def _check_present(self) -> None:
        if not self._team.slots:
            path = self.supervisor.path
            raise SupervisorStopped(path, f"{path} is gone, and its partitions with it")

    def __repr__(self) -> str:
        return f"<PartitionSupervisor {self.supervisor.path}>"


def stable_hash(key: Key) -> int:
    """A hash that is the same in every run: equal keys have equal hashes, 64 bits.

    Raises:
        TypeError: *key* is, or contains, something else than numbers, strings, bytes, None and tuples.
    """
    return int.from_bytes(blake2b(b"".join(_encode(key)), digest_size=8).digest(), "big")


def _encode(key: object) -> Iterator[bytes]:
    # Each piece says its kind and its length, so no two different keys read the same.
    match key:
        case None:
            yield b"n"
        case int():
            yield b"i%d;" % key
        case float():
            yield b"i%d;" % int(key) if key.is_integer() else b"f" + key.hex().encode()
        case str():
            text = key.encode("utf-8", "surrogatepass")
            yield b"s%d:" % len(text) + text
        case bytes():
            yield b"b%d:" % len(key) + key
        case tuple():
            yield b"t%d:" % len(cast("tuple[object, ...]", key))
            for part in cast("tuple[object, ...]", key):
                yield from _encode(part)
        case _:
            raise TypeError(
                f"a key must be a number, a string, bytes, None or a tuple of these, got {describe(key)}; "
                "route by a text of it that is the same in every run"
            )

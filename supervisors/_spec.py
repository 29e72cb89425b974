"""What a child is: how it is made, what it is called, and how it is to be kept; checked before anything starts.

Pure: no clock, no tasks. Every refusal names the field, the value and what is allowed.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeAlias, TypedDict, TypeVar

from attrs import field, frozen
from attrs.validators import optional

from supervisors._checks import check_count, check_flag, check_seconds, check_timeout
from supervisors._exit import describe
from supervisors._policy import (
    AutoShutdown,
    Backoff,
    BrutalKill,
    Mailbox,
    Restart,
    Shutdown,
    Strategy,
    check_backoff,
    check_mailbox,
    check_shutdown,
    to_auto_shutdown,
    to_restart,
    to_shutdown,
    to_strategy,
)

A = TypeVar("A")


@frozen
class Name(Generic[A]):
    """A name for one child, unique in its tree, that knows the child's type: lookups by it are typed."""

    name: str = field()
    """The id of the child under its supervisor; not empty, without a slash."""

    actor: type[A] = field()
    """The actor's class."""

    def __attrs_post_init__(self) -> None:
        check_name(self.name)
        if not isinstance(self.actor, type):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
            raise TypeError(f"the actor of a Name must be a class, got {describe(self.actor)}")

    def __str__(self) -> str:
        return self.name


@frozen
class Via(Generic[A]):
    """A name for one child that a registry keeps. Made by :meth:`Registry.via`."""

    id: str
    """The id of the child under its supervisor."""

    claim: Callable[[object], None]
    """Registers one life, the argument, or raises :exc:`AlreadyRegistered`."""

    find_owner: Callable[[], object]
    """The ref of whoever has the key now, or None."""

    def __str__(self) -> str:
        return self.id


def check_name(name: object) -> str:
    """Refuse a name that cannot stand in a path."""
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError(f"a name must be a non-empty string without '/', got {describe(name)}")
    return name


def _check_optional_name(value: object) -> None:
    if value is None or isinstance(value, Name | Via):
        return
    if not isinstance(value, str):
        raise TypeError(f"name must be a Name, registry.via(...), a string or None, got {describe(value)}")
    check_name(value)


def _check_factory(value: object) -> None:
    if not callable(value):
        raise TypeError(
            f"factory must be a function without arguments that makes the actor, got {describe(value)}; "
            "pass `lambda: Counter(40)`, not `Counter(40)`"
        )


class ChildOptions(TypedDict, total=False):
    """The keywords of ``start_child``: the fields of :class:`ChildSpec` beside factory and name."""

    restart: Restart | str
    shutdown: Shutdown
    significant: bool
    start_timeout: float
    backoff: Backoff | None
    mailbox: Mailbox | None
    keep_mailbox: bool


def _to_children(value: "Iterable[ChildSpec[Any] | SupervisorSpec]") -> "tuple[ChildSpec[Any] | SupervisorSpec, ...]":
    try:
        return tuple(value)
    except TypeError:
        raise TypeError(f"children must be a list of ChildSpec or SupervisorSpec, got {describe(value)}") from None


class SupervisorOptions(TypedDict, total=False):
    """The keywords of ``start_supervisor``: the fields of :class:`SupervisorSpec` beside the name."""

    children: "Iterable[ChildSpec[Any] | SupervisorSpec]"
    strategy: Strategy | str
    max_restarts: int
    max_seconds: float
    auto_shutdown: AutoShutdown | str
    dynamic: bool
    max_children: int | None
    keep_children: bool
    restart: Restart | str
    shutdown: Shutdown
    significant: bool
    backoff: Backoff | None


@frozen(kw_only=True)
class ChildSpec(Generic[A]):
    """One actor under a supervisor: how to make it, and how to keep it."""

    factory: Callable[[], A] = field(kw_only=False)
    """Makes a fresh actor for every life. What must survive a crash is plain data it closes over."""

    name: Name[A] | Via[A] | str | None = None
    """The child's id; a :class:`Name` makes it known in the whole tree, ``registry.via(key)`` in a registry.

    Without one it is called after its class.
    """

    restart: Restart = field(default=Restart.PERMANENT, converter=to_restart)
    """When it is started again."""

    shutdown: float | BrutalKill = field(default=5.0, converter=to_shutdown, validator=check_shutdown)
    """Seconds it may take to stop, clean-up included."""

    significant: bool = field(default=False, validator=check_flag)
    """Whether its end by itself may stop the supervisor (``auto_shutdown``)."""

    start_timeout: float = field(default=math.inf, validator=check_timeout)
    """Seconds ``on_start`` may take."""

    backoff: Backoff | None = field(default=None, validator=check_backoff)
    """A pause before restarts."""

    mailbox: Mailbox | None = field(default=None, validator=check_mailbox)
    """A bound for its mailbox; unbounded without."""

    keep_mailbox: bool = field(default=False, validator=check_flag)
    """Whether casts queued at a crash are kept for the next life. Queued calls always fail."""

    def __attrs_post_init__(self) -> None:
        _check_factory(self.factory)
        _check_optional_name(self.name)
        check_significance(significant=self.significant, restart=self.restart)


@frozen(kw_only=True)
class SupervisorSpec:
    """A supervisor under a supervisor, with the children it always begins with."""

    name: str = field(kw_only=False, converter=check_name)
    """The child's id."""

    children: "tuple[ChildSpec[Any] | SupervisorSpec, ...]" = field(default=(), converter=_to_children)
    """Started in this order in every life of the supervisor."""

    strategy: Strategy = field(default=Strategy.ONE_FOR_ONE, converter=to_strategy)
    max_restarts: int = field(default=3, validator=check_count)
    max_seconds: float = field(default=5.0, validator=check_seconds)
    auto_shutdown: AutoShutdown = field(default=AutoShutdown.NEVER, converter=to_auto_shutdown)
    dynamic: bool = field(default=False, validator=check_flag)
    """Children come and go: they need no names, all are stopped at once, and a child that is down is forgotten."""

    max_children: int | None = field(default=None, validator=optional(check_count))
    """Limit for a dynamic supervisor, children between two lives included."""

    keep_children: bool = field(default=False, validator=check_flag)
    """Whether children started at run time come back when this supervisor itself is restarted (OTP: no)."""

    restart: Restart = field(default=Restart.PERMANENT, converter=to_restart)
    shutdown: float | BrutalKill = field(default=math.inf, converter=to_shutdown, validator=check_shutdown)
    """Unlimited by default: the children's own budgets are finite."""

    significant: bool = field(default=False, validator=check_flag)
    backoff: Backoff | None = field(default=None, validator=check_backoff)

    def __attrs_post_init__(self) -> None:
        check_significance(significant=self.significant, restart=self.restart)
        self._check_dynamic()
        seen: set[str] = set()
        for child in self.children:
            self._check_child(child, seen)

    def _check_dynamic(self) -> None:
        if self.max_children is not None and not self.dynamic:
            raise ValueError("max_children needs dynamic=True")
        if self.dynamic and self.strategy is not Strategy.ONE_FOR_ONE:
            raise ValueError(f"a dynamic supervisor is one_for_one, got strategy {self.strategy.value!r}")
        if self.dynamic and self.auto_shutdown is not AutoShutdown.NEVER:
            raise ValueError(f"a dynamic supervisor has auto_shutdown 'never', got {self.auto_shutdown.value!r}")

    def _check_child(self, child: "AnySpec", seen: set[str]) -> None:
        if not _is_spec(child):
            raise TypeError(f"children must be ChildSpec or SupervisorSpec, got {describe(child)}")
        significant, name = child.significant, child.name
        check_significant_child(significant=significant, name=str(name), auto_shutdown=self.auto_shutdown)
        if name is not None and str(name) in seen:
            raise ValueError(f"child ids must differ, got {str(name)!r} twice")
        seen.add(str(name))


AnySpec: TypeAlias = "ChildSpec[Any] | SupervisorSpec"
"""What a supervisor can have as a child."""


def name_child(spec: AnySpec, serial: int) -> str:
    """The id of a child: its name; without one its class, where the spec shows it, and *serial*."""
    if spec.name is not None:
        return str(spec.name)
    factory = None if isinstance(spec, SupervisorSpec) else spec.factory
    return f"{factory.__name__.lower() if isinstance(factory, type) else 'child'}-{serial}"


def _is_spec(value: object) -> bool:
    return isinstance(value, ChildSpec | SupervisorSpec)


def check_significance(*, significant: bool, restart: Restart) -> None:
    """Refuse a significant child that could never end by itself."""
    if significant and restart is Restart.PERMANENT:
        raise ValueError("a significant child must be 'transient' or 'temporary', got restart 'permanent'")


def check_significant_child(*, significant: bool, name: str, auto_shutdown: AutoShutdown) -> None:
    """Refuse a significant child under a supervisor that never looks at it."""
    if significant and auto_shutdown is AutoShutdown.NEVER:
        raise ValueError(
            f"significant child {describe(name)} needs a supervisor with auto_shutdown "
            "'any_significant' or 'all_significant', got 'never'"
        )

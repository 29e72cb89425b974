"""What a child is and how it is to be kept: validated when written down, before anything starts.

Pure: no clock, no tasks. Every enum may be given as its string; every refusal names the field, the value and what is
allowed.
"""

import math
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Final, Generic, Literal, TypeAlias, TypedDict, TypeVar

from attrs import Attribute, field, frozen
from attrs.validators import optional

from supervisors._checks import (
    check_count,
    check_flag,
    check_int,
    check_seconds,
    check_timeout,
    is_number,
    to_enum,
)
from supervisors._exit import describe

A = TypeVar("A")


class Strategy(Enum):
    """Which siblings are replaced when a child has to be restarted."""

    ONE_FOR_ONE = "one_for_one"
    """Only the child itself."""

    ONE_FOR_ALL = "one_for_all"
    """All children: stopped in reverse order, then started in order."""

    REST_FOR_ONE = "rest_for_one"
    """The child and those started after it."""


class Restart(Enum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"
    """Always."""

    TRANSIENT = "transient"
    """After a failure; after a clean end it stays listed, down."""

    TEMPORARY = "temporary"
    """Never; it is forgotten."""


class AutoShutdown(Enum):
    """Whether significant children that end by themselves stop their supervisor."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class Overflow(Enum):
    """What a full bounded mailbox does with one more message."""

    WAIT = "wait"
    """Senders wait for room; ``cast_nowait`` raises :exc:`MailboxFull`."""

    RAISE = "raise"
    """Senders get :exc:`MailboxFull`."""

    DROP_NEWEST = "drop_newest"
    """The message being sent is dropped and counted; a dropped call raises :exc:`MailboxFull`."""

    DROP_OLDEST = "drop_oldest"
    """The oldest queued message makes room and is counted; if it was a call, its caller gets :exc:`MailboxFull`."""


class BrutalKill(Enum):
    """The type of :data:`BRUTAL_KILL`."""

    BRUTAL_KILL = "brutal_kill"


BRUTAL_KILL: Final = BrutalKill.BRUTAL_KILL
"""A ``shutdown`` that cancels the child at once: ``on_stop`` is not called, ``finally`` blocks still run."""

Shutdown: TypeAlias = float | BrutalKill
"""Seconds a child may take to stop before it is cancelled; ``math.inf`` waits; :data:`BRUTAL_KILL` does not."""


def _to_strategy(value: Strategy | str) -> Strategy:
    return to_enum(Strategy, "strategy", value)


def _to_restart(value: Restart | str) -> Restart:
    return to_enum(Restart, "restart", value)


def _to_auto_shutdown(value: AutoShutdown | str) -> AutoShutdown:
    return to_enum(AutoShutdown, "auto_shutdown", value)


def _to_overflow(value: Overflow | str) -> Overflow:
    return to_enum(Overflow, "overflow", value)


def _shutdown(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if value is not BRUTAL_KILL and not (is_number(value) and value >= 0):
        raise ValueError(f"{attribute.name} must be seconds >= 0, math.inf or BRUTAL_KILL, got {describe(value)}")


def _backoff(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if value is not None and not isinstance(value, Backoff):
        raise TypeError(f"{attribute.name} must be a Backoff or None, got {describe(value)}")


def _mailbox(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if value is not None and not isinstance(value, Mailbox):
        raise TypeError(
            f"{attribute.name} must be a Mailbox or None, got {describe(value)}; a bound is Mailbox(capacity)"
        )


def _to_shutdown(value: Shutdown | Literal["brutal_kill"]) -> Shutdown:
    return BRUTAL_KILL if value == "brutal_kill" else value


@frozen
class Mailbox:
    """A bound for a mailbox. Orders to stop and other control traffic are exempt."""

    capacity: int
    """Messages that may wait, >= 1. The one being served does not count."""

    overflow: Overflow = field(default=Overflow.WAIT, converter=_to_overflow)
    """What happens to one more."""

    def __attrs_post_init__(self) -> None:
        check_int("capacity", self.capacity, least=1)


@frozen
class Backoff:
    """A pause before each restart of one child. Attempts still count against ``max_restarts``."""

    initial: float = field(default=0.1, validator=check_seconds)
    """Seconds before the first restart, > 0."""

    factor: float = 2.0
    """Growth per restart in a row; 1.0 keeps the pause constant."""

    maximum: float = field(default=30.0, validator=check_seconds)
    """The longest pause, seconds."""

    jitter: float = 0.0
    """Fraction of the pause, in [0, 1], that chance may add."""

    reset_after: float = field(default=60.0, validator=check_seconds)
    """A life of at least this many seconds begins the count anew."""

    def __attrs_post_init__(self) -> None:
        if not is_number(self.factor) or not self.factor >= 1:
            raise ValueError(f"factor must be >= 1, got {describe(self.factor)}")
        if not is_number(self.jitter) or not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter must be within [0, 1], got {describe(self.jitter)}")

        if self.initial > self.maximum:
            raise ValueError(f"initial must be <= maximum, got {self.initial:g} > {self.maximum:g}; give maximum, too")

    def pause(self, attempt: int, chance: float) -> float:
        """Seconds to wait before restart number *attempt* (from 1) in a row, with *chance* in [0, 1)."""
        base = min(self.maximum, self.initial * self.factor ** min(attempt - 1, 64))
        return base * (1 + self.jitter * chance)


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

    restart: Restart = field(default=Restart.PERMANENT, converter=_to_restart)
    """When it is started again."""

    shutdown: float | BrutalKill = field(default=5.0, converter=_to_shutdown, validator=_shutdown)
    """Seconds it may take to stop, clean-up included."""

    significant: bool = field(default=False, validator=check_flag)
    """Whether its end by itself may stop the supervisor (``auto_shutdown``)."""

    start_timeout: float = field(default=math.inf, validator=check_timeout)
    """Seconds ``on_start`` may take."""

    backoff: Backoff | None = field(default=None, validator=_backoff)
    """A pause before restarts."""

    mailbox: Mailbox | None = field(default=None, validator=_mailbox)
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

    strategy: Strategy = field(default=Strategy.ONE_FOR_ONE, converter=_to_strategy)
    max_restarts: int = field(default=3, validator=check_count)
    max_seconds: float = field(default=5.0, validator=check_seconds)
    auto_shutdown: AutoShutdown = field(default=AutoShutdown.NEVER, converter=_to_auto_shutdown)
    dynamic: bool = field(default=False, validator=check_flag)
    """Children come and go: they need no names, all are stopped at once, and a child that is down is forgotten."""

    max_children: int | None = field(default=None, validator=optional(check_count))
    """Limit for a dynamic supervisor, children between two lives included."""

    keep_children: bool = field(default=False, validator=check_flag)
    """Whether children started at run time come back when this supervisor itself is restarted (OTP: no)."""

    restart: Restart = field(default=Restart.PERMANENT, converter=_to_restart)
    shutdown: float | BrutalKill = field(default=math.inf, converter=_to_shutdown, validator=_shutdown)
    """Unlimited by default: the children's own budgets are finite."""

    significant: bool = field(default=False, validator=check_flag)
    backoff: Backoff | None = field(default=None, validator=_backoff)

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

"""What users write: a class whose public ``async def`` methods are the messages it understands."""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Concatenate, ParamSpec, Self, cast

import outcome
import trio

from supervisors._exit import Exit, ExitKind, describe
from supervisors._monitor import Down, Monitor
from supervisors._off_turn import OffTurn
from supervisors._ref import Ref
from supervisors._reply import Request
from supervisors._timer import LifeTimer
from supervisors._turn import ActorLife

P = ParamSpec("P")

_NOT_OPERATIONS = frozenset({"on_start", "on_stop"})


class Actor:
    """State of its own, and operations that run one at a time.

    Every public ``async def`` method is an operation, told through a :class:`Ref`: ``await ref.call(Counter.add, 2)``.
    Between its first and last line nobody else touches the actor's state, except inside ``async with
    self.off_turn():``. What an operation raises is a crash, except for :attr:`expected_errors`, which are answers.

    ``__init__`` runs for every life and should only remember its arguments; open things in :meth:`on_start`.
    """

    __slots__ = ("_life_of_actor",)

    _life_of_actor: ActorLife

    expected_errors: ClassVar[tuple[type[Exception], ...]] = ()
    """Exceptions that are answers to the caller and no crash."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        errors: Any = cls.expected_errors  # of callers without a type checker, too
        if not isinstance(errors, tuple) or not all(map(_is_error, cast("tuple[object, ...]", errors))):
            raise TypeError(
                f"{cls.__name__}.expected_errors must be a tuple of Exception classes, got {describe(cast('object', errors))}"
            )

    async def on_start(self) -> None:
        """Begin the life, before its first message. What it raises is a failed start."""

    async def on_stop(self, reason: Exit, /) -> None:
        """End the life: after the last operation, helper tasks and timers; within the child's ``shutdown`` budget.

        Called after a stop and after a crash; not when killed, and not when ``on_start`` failed.
        """

    @property
    def ref(self) -> Ref[Self]:
        """The address of this actor."""
        ref: Ref[Self] = self._living.cell.ref
        return ref

    @property
    def path(self) -> str:
        """Where this actor is in its tree: ``"root/session/poller"``."""
        return self._living.cell.path

    def stop(self, reason: object = None) -> None:
        """End this life once the running operation has finished. A permanent child is started again."""
        self._living.ask_stop(Exit(ExitKind.NORMAL, reason=reason))

    def off_turn(self) -> OffTurn:
        """Let the mailbox go on while this operation waits for the world.

        ``async with self.off_turn():`` gives the turn away and has it back at the end of the block, whatever happens
        inside. If the caller goes away, or the actor is stopped, the block is cancelled and the operation unwinds.
        """
        return OffTurn(self._living)

    def continue_with(
        self, operation: Callable[Concatenate[Any, P], Awaitable[object]], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Perform *operation* right after the running one, before anything that is queued.

        What ``on_start`` sends to ``self.ref`` is treated the same way.
        """
        cell = self._living.cell
        cell.put_first(Request(cell, cell.resolve(operation), args, kwargs))

    def start_soon(self, fn: Callable[..., Awaitable[object]], /, *args: Any) -> None:
        """Run ``fn(*args)`` in a helper task of this life.

        It is cancelled before ``on_stop``; what it raises is this actor's crash. It does not hold the turn: to change
        the actor's state it casts to ``self.ref``.
        """
        self._living.start_helper(fn, *args)

    def send_after(
        self,
        delay: float,
        operation: Callable[Concatenate[Any, P], Awaitable[object]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> LifeTimer:
        """Cast *operation* to this life in *delay* seconds. Once cancelled it is not performed, even if already queued.

        Raises:
            ValueError: *delay* is negative or not a number.
        """
        return self._arm(delay, None, operation, args, kwargs)

    def send_every(
        self,
        interval: float,
        operation: Callable[Concatenate[Any, P], Awaitable[object]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> LifeTimer:
        """Cast *operation* to this life every *interval* seconds, without drift.

        A tick that comes while the last one is still queued is skipped.

        Raises:
            ValueError: *interval* is not a number > 0.
        """
        if not interval > 0:
            raise ValueError(f"interval must be seconds > 0, got {describe(interval)}")
        return self._arm(interval, interval, operation, args, kwargs)

    def send_when_idle(
        self,
        seconds: float,
        operation: Callable[Concatenate[Any, P], Awaitable[object]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> LifeTimer:
        """Cast *operation* to this life in *seconds*, unless another operation begins or is queued before.

        Raises:
            ValueError: *seconds* is negative or not a number.
        """
        timer = self._arm(seconds, None, operation, args, kwargs)
        timer.only_if_idle()
        return timer

    def monitor(
        self,
        ref: Ref[Any],
        operation: Callable[Concatenate[Any, Down, P], Awaitable[object]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Monitor:
        """Have *operation* performed with a :class:`Down` when the current life of *ref* ends; at once if it has.

        The monitor dies with this life, or by its ``cancel()``.
        """
        if not isinstance(ref, Ref):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
            raise TypeError(f"expected a Ref of an actor, got {describe(ref)}")
        life = self._living
        monitor = Monitor(life, ref, Request(life.cell, life.cell.resolve(operation), args, kwargs))
        monitor.watch()
        return monitor

    def _host(self) -> AbstractAsyncContextManager[object] | None:
        """What is open around the whole life, in its main task: entered before ``on_start``, left before ``on_stop``."""
        return None

    def _make_performer(self) -> Any:
        """Whose methods the operations are; for what stands between the mailbox and the actor."""
        return self

    async def _consult(self, fn: Callable[[Any], object]) -> outcome.Outcome[object]:
        """Apply *fn* to this actor in a turn. What it raises is the asker's, not a crash."""
        return outcome.capture(fn, self)

    @property
    def _living(self) -> ActorLife:
        try:
            return self._life_of_actor
        except AttributeError:
            name = type(self).__name__
            raise RuntimeError(
                f"{name} has no life yet; pass a factory to start_child, and do this in on_start"
            ) from None

    def _arm(
        self, delay: float, interval: float | None, operation: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> LifeTimer:
        if not delay >= 0:
            raise ValueError(f"delay must be seconds >= 0, got {describe(delay)}")
        life = self._living
        request = Request(life.cell, life.cell.resolve(operation), args, kwargs)
        return life.arm(trio.current_time() + delay, interval, request)

    @classmethod
    def list_operations(cls) -> "dict[object, str]":
        """Map every function that may be called to its attribute name, overridden ones of base classes included."""
        cached = cast("dict[object, str] | None", cls.__dict__.get("_operations_of_actor"))
        if cached is None:
            cached = _find_operations(cls)
            type.__setattr__(cls, "_operations_of_actor", cached)
        return cached


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def _find_operations(cls: type[Actor]) -> dict[object, str]:
    found: dict[object, str] = {}
    for base in cls.__mro__:
        if base in (Actor, object):
            continue
        for name, value in vars(base).items():
            if name.startswith("_") or name in _NOT_OPERATIONS or not inspect.iscoroutinefunction(value):
                continue
            found[value] = name
    return found

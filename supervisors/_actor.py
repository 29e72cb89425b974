"""What users write: a class whose public ``async def`` methods are the messages it understands."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Concatenate, ParamSpec, Self, cast

import outcome
import trio

from supervisors._checks import check_callable, is_number
from supervisors._exit import Exit, ExitKind, describe
from supervisors._monitor import Down, Monitor
from supervisors._off_turn import OffTurn
from supervisors._operations import find_operations
from supervisors._ref import Ref
from supervisors._reply import Request
from supervisors._timer import LifeTimer
from supervisors._turn import ActorLife

P = ParamSpec("P")


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

    _hooks: ClassVar[frozenset[str]] = frozenset({"on_start", "on_stop"})
    """Public methods that the runtime calls, and nobody else."""

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
        self._here.ask_stop(Exit(ExitKind.NORMAL, reason=reason))

    def off_turn(self) -> OffTurn:
        """Let the mailbox go on while this operation waits for the world.

        ``async with self.off_turn():`` gives the turn away and has it back at the end of the block, whatever happens
        inside. If the caller goes away, or the actor is stopped, the block is cancelled and the operation unwinds.
        """
        return OffTurn(self._here)

    def continue_with(
        self, operation: Callable[Concatenate[Any, P], Awaitable[object]], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Perform *operation* right after the running one, before anything that is queued.

        What ``on_start`` sends to ``self.ref`` is treated the same way.
        """
        cell = self._here.cell
        cell.put_first(Request(cell, cell.resolve(operation), args, kwargs))

    def start_soon(self, fn: Callable[..., Awaitable[object]], /, *args: Any) -> None:
        """Run ``fn(*args)`` in a helper task of this life.

        It is cancelled before ``on_stop``; what it raises is this actor's crash. It does not hold the turn: to change
        the actor's state it casts to ``self.ref``.

        Raises:
            TypeError: *fn* cannot be called; nothing was started.
        """
        check_callable("fn", fn)
        self._here.start_helper(fn, *args)

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
        if not is_number(interval) or not interval > 0:
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
        life = self._here
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

    @property
    def _here(self) -> ActorLife:
        """The life, for who is in its thread."""
        life = self._living
        life.cell.team.runtime.check_home()
        return life

    def _arm(
        self, delay: float, interval: float | None, operation: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> LifeTimer:
        if not is_number(delay) or not delay >= 0:
            raise ValueError(f"delay must be seconds >= 0, got {describe(delay)}")
        life = self._here
        request = Request(life.cell, life.cell.resolve(operation), args, kwargs)
        return life.arm(trio.current_time() + delay, interval, request)

    @classmethod
    def list_operations(cls) -> "dict[object, tuple[str]]":
        """Map every function that may be called to its name, as messages begin with it."""
        cached = cast("dict[object, tuple[str]] | None", cls.__dict__.get("_operations_of_actor"))
        if cached is None:
            cached = find_operations(cls, cls._hooks)
            type.__setattr__(cls, "_operations_of_actor", cached)
        return cached


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)

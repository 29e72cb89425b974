"""One incarnation of a child: how it begins, how it is asked to end, and how what escapes becomes an :class:`Exit`.

The wrapper catches what a child may do wrong, ``Exception`` and groups of them, and nothing else: interrupts travel to
the root and are never a crash, and a cancellation of the surrounding scope passes through. "Who asked first" decides:
a child that swallows its cancellation and returns was stopped, it did not finish.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import outcome
import trio

from supervisors._errors import Ignore
from supervisors._events import ChildKilled
from supervisors._exit import Exit, ExitKind
from supervisors._policy import BRUTAL_KILL
from supervisors._stack import stack_of

if TYPE_CHECKING:
    from supervisors._slot import Slot


class Life:
    """One incarnation. Subclasses say what it does (:meth:`run`) and how it tidies up (:meth:`clean_up`)."""

    __slots__ = (
        "_endings", "_helpers", "asked", "exit", "failed_in", "failure", "grace", "is_killed", "is_ready", "number",
        "scope", "since", "slot", "task", "watcher",
    )  # fmt: skip

    def __init__(self, slot: "Slot[Any]", number: int) -> None:
        self.slot = slot
        self.number = number
        self.since = trio.current_time()
        self.scope = trio.CancelScope()
        self.grace: trio.CancelScope | None = None
        self.asked: Exit | None = None
        """The order to end, from the first who gave it."""
        self.exit: Exit | None = None
        """How it ended, once it has."""
        self.is_killed = False
        self.is_ready = False
        """It started: ``on_start`` has returned."""
        self.failure: BaseException | None = None
        """What escaped from a helper task; the life ends with it."""
        self.failed_in: str | None = None
        """The operation it was raised in, if in one."""
        self.task: trio.lowlevel.Task | None = None
        """The main task, once it runs."""
        self._helpers: dict[trio.CancelScope, trio.lowlevel.Task | None] | None = None
        self._endings: dict[object, Callable[[Life, Exit], None]] | None = None
        self.watcher: trio.lowlevel.Task | None = None

    @property
    def is_ending(self) -> bool:
        """It was told to end, or failed: what is left of it is its clean-up."""
        return self.asked is not None or self.is_killed or self.failure is not None

    @trio.lowlevel.enable_ki_protection
    async def live(self) -> None:
        """Be the task of this life, from the factory to the exit record. Lets nothing escape but cancellation."""
        self.task = trio.lowlevel.current_task()
        try:
            with self.scope:
                rest = await self.run()
                if rest is not None:
                    await rest
        except BaseException as error:  # noqa: BLE001 - the place where a crash becomes an exit
            if self.failure is None:
                self.failure = error
        exit_ = self._conclude(self.failure)
        try:
            exit_ = await self._end(exit_)
        finally:
            self.slot.life_ended(self, exit_)

    if TYPE_CHECKING:

        async def run(self) -> Awaitable[None] | None:
            """Do what this life is for, until it is finished or asked to end.

            What takes long may be returned instead of awaited: a frame that stays open is memory of every idle child.
            """

    async def clean_up(self, exit_: Exit) -> None:
        """Tidy up, within the child's budget. Not called when killed."""

    def release(self, exit_: Exit) -> None:
        """Answer everybody who still waits for something of this life."""

    def ask_stop(self, exit_: Exit, *, drain: bool = False) -> None:
        """Order an end: what runs may finish, nothing new begins. The first order counts."""
        del drain
        if self.asked is None:
            self.asked = exit_
            if not self.is_ready:
                self.scope.cancel()

    def at_end(self, key: object, action: "Callable[[Life, Exit], None]") -> None:
        """Do *action* in the very step in which the exit becomes known. It must not raise and not block.

        Args:
            key: Whose action it is; a second one of the same key replaces the first.
            action: Given this life and how it ended.
        """
        if self._endings is None:
            self._endings = {}
        self._endings[key] = action

    def not_at_end(self, key: object) -> None:
        """Forget the action of *key*, if there is one."""
        if self._endings is not None:
            self._endings.pop(key, None)

    def finish(self, exit_: Exit) -> None:
        """Do what was to be done at the end."""
        endings, self._endings = self._endings, None
        for action in (endings or {}).values():
            action(self, exit_)

    def kill(self) -> None:
        """Cancel everything of this life, its clean-up included."""
        self.is_killed = True
        self.cancel()
        if self.grace is not None:
            self.grace.cancel()

    def cancel(self) -> None:
        """Cancel the main task and the helper tasks."""
        self.scope.cancel()
        for scope in tuple(self._helpers or ()):
            scope.cancel()

    def fail(self, error: BaseException) -> None:
        """End this life because *error* escaped from one of its tasks."""
        if self.failure is None:
            self.failure = error
        self.cancel()

    def start_helper(self, fn: Callable[..., Awaitable[object]], *args: Any) -> None:
        """Run ``fn(*args)`` in a task that ends before the life does.

        Raises:
            RuntimeError: Helper tasks have been ended already.
        """
        self.check_not_over("helper tasks")
        if self._helpers is None:
            self._helpers = {}
        scope = trio.CancelScope()
        if self.scope.cancel_called:
            scope.cancel()
        self._helpers[scope] = None
        self.slot.team.start_task(self._help, scope, fn, args)

    async def _help(self, scope: trio.CancelScope, fn: Callable[..., Awaitable[object]], args: tuple[Any, ...]) -> None:
        helpers = self._helpers or {}
        helpers[scope] = trio.lowlevel.current_task()
        try:
            with scope:
                await fn(*args)
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: BLE001 - a helper's crash is its life's crash
            self.fail(error)
        finally:
            helpers.pop(scope, None)
            if not helpers and self.watcher is not None:
                watcher, self.watcher = self.watcher, None
                trio.lowlevel.reschedule(watcher, outcome.Value(None))

    def check_not_over(self, what: str) -> None:
        """Refuse to begin what could not end with this life any more: its clean-up has begun, or it is gone.

        Raises:
            RuntimeError: With what to do instead.
        """
        if self.grace is not None or self.exit is not None:
            raise RuntimeError(f"{what} of {self.slot.path} end before on_stop; in on_stop, await what is to be done")

    def stacks(self) -> tuple[tuple[str, ...], ...]:
        """Where the tasks of this life are, the main one first."""
        return tuple(stack_of(task) for task in self.tasks())

    def tasks(self) -> list[trio.lowlevel.Task]:
        """The tasks of this life that have begun, the main one first."""
        return [task for task in (self.task, *(self._helpers or {}).values()) if task is not None]

    @trio.lowlevel.enable_ki_protection
    async def _end(self, exit_: Exit) -> Exit:
        self.release(exit_)
        await self._join_helpers()
        budget = self.slot.spec.shutdown
        if budget is BRUTAL_KILL or self.is_killed or exit_.kind is ExitKind.KILLED:
            return exit_
        with trio.CancelScope(shield=True, deadline=trio.current_time() + budget) as self.grace:
            try:
                await self.clean_up(exit_)
            except BaseException as error:
                if is_cancellation(error):
                    raise
                if error.__context__ is None:
                    error.__context__ = exit_.error
                exit_ = self._conclude(error)
        if not self.grace.cancelled_caught:
            return exit_
        if not self.is_killed:
            self.slot.emit(ChildKilled(trio.current_time(), self.slot.path, self.number, budget))
        return Exit(ExitKind.KILLED, exit_.error)

    async def _join_helpers(self) -> None:
        for scope in tuple(self._helpers or ()):
            scope.cancel()
        while self._helpers:
            self.watcher = trio.lowlevel.current_task()
            with trio.CancelScope(shield=True):
                await trio.lowlevel.wait_task_rescheduled(never_abort)
        self._helpers = None

    def _conclude(self, error: BaseException | None) -> Exit:
        """Tell how the life ended, and pass on what is no child's business before anybody can restart it."""
        if error is None:
            return Exit(ExitKind.KILLED) if self.is_killed else self.asked or Exit(ExitKind.NORMAL)
        ordinary, foreign = split_error(error)
        if foreign is not None and not is_cancellation(foreign):
            self.slot.team.interrupt(foreign)
        if isinstance(ordinary, Ignore) and not self.is_ready:
            return Exit(ExitKind.NORMAL, reason=ordinary)
        if ordinary is None:
            return Exit(ExitKind.KILLED)
        return Exit(ExitKind.KILLED if self.is_killed else ExitKind.CRASHED, ordinary)


def split_error(error: BaseException) -> tuple[Exception | None, BaseException | None]:
    """Split what escaped into a crash and what is none (interrupts, cancellation)."""
    if isinstance(error, Exception):
        return error, None
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        ordinary, rest = group.split(Exception)
        return ordinary, rest and _unwrap_interrupt(rest)
    return None, error


def _unwrap_interrupt(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Take an interrupt out of the groups that nurseries put around it: whoever pressed Ctrl-C expects it bare."""
    interrupts, rest = group.split(KeyboardInterrupt)
    if interrupts is None or not (rest is None or is_cancellation(rest)):
        return group
    innermost: BaseException = interrupts
    while isinstance(innermost, BaseExceptionGroup):
        innermost = cast("BaseExceptionGroup[BaseException]", innermost).exceptions[0]
    return innermost


def is_cancellation(error: BaseException) -> bool:
    """Whether *error* is ``trio.Cancelled``, or a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)


def never_abort(_: object) -> trio.lowlevel.Abort:
    """Stay parked whatever is cancelled: somebody is bound to wake this task."""
    return trio.lowlevel.Abort.FAILED

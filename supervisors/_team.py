"""The children of one supervisor: order of start, restart and stop.

Ends are looked up in the pure table of ``_restart`` at once, where they happen; what takes time (stopping and
starting a group) is done by a task of its own, so that looking and ordering never wait for a child.
Group restarts are ``_group_restart``'s business.
"""

import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, assert_never

import trio

from supervisors._errors import ActorNotAlive, RestartLimitExceeded, StartError, SupervisorError, SupervisorStopped
from supervisors._events import ChildCrashed, ChildKilled, ChildStopped, RestartScheduled, SupervisorGaveUp
from supervisors._exit import Exit, ExitKind, describe
from supervisors._group_restart import GroupRestart
from supervisors._life import Life
from supervisors._policy import BRUTAL_KILL, AutoShutdown, Backoff, Restart, Strategy
from supervisors._restart import Decision, RestartWindow, decide
from supervisors._runtime import Runtime
from supervisors._slot import Intent, Slot
from supervisors._spec import ChildSpec, SupervisorSpec, name_child

AnySlot = Slot[Any]

_FAILURES_KEPT = 32
"""The last crashes a supervisor remembers for the day it gives up: each holds a traceback, and so all its frames."""


class Team:
    """The children of one supervisor, over many lives of it."""

    def __init__(
        self, runtime: Runtime, spec: SupervisorSpec, path: str, owner: "Slot[SupervisorSpec] | None" = None
    ) -> None:
        self.runtime = runtime
        self.spec = spec
        self.path = path
        self._owner = owner
        """This supervisor's own slot; None at the root."""
        self.slots: dict[str, AnySlot] = {}
        """In start order."""
        self.declared: tuple[AnySlot, ...] = ()
        """The children of the spec, once listed."""
        self.due: set[AnySlot] = set()
        """Children that this supervisor's own start has not come to yet: no group restart and no order may be faster."""
        self.is_open = False
        """Children may be started."""
        self.failure: BaseException | None = None
        self._nursery: trio.Nursery | None = None
        self._window = RestartWindow(spec.max_restarts, spec.max_seconds)
        self._failures: deque[Exception] = deque(maxlen=min(spec.max_restarts + 1, _FAILURES_KEPT))
        self._stop_ordered = trio.Event()
        self._starting = trio.CancelScope()
        self._group = GroupRestart(self)
        self._serial = 0

    # ------------------------------------------------------------------ the supervisor's own life

    @trio.lowlevel.enable_ki_protection
    async def run(self, begin: Callable[[], Awaitable[None]], ready: Callable[[], None]) -> None:
        """Start children with *begin*, call *ready*, keep them, and stop all in reverse order when told to.

        Raises:
            SupervisorError: *begin* failed; what had started was stopped.
            RestartLimitExceeded: It gave up.
        """
        self.failure = None
        self._stop_ordered = trio.Event()
        self._starting = trio.CancelScope()
        self._window = RestartWindow(self.spec.max_restarts, self.spec.max_seconds)
        self._failures.clear()
        self.is_open = True
        try:
            async with trio.open_nursery() as self._nursery:
                await self._begin(begin, ready)
                await self._stop_ordered.wait()
                await self._stop_all()
        finally:
            # Also when this supervisor itself was killed: its children are gone, their records must say so.
            self.is_open = False
            self._nursery = None
            self._group.end()
            self._forget_strangers()
        if self.failure is not None:
            raise self.failure

    async def _begin(self, begin: Callable[[], Awaitable[None]], ready: Callable[[], None]) -> None:
        try:
            with self._starting:
                await begin()
                ready()
        except SupervisorError as error:
            # Kept for the end of run(): raised here, the nursery would wrap it and cancel the children out of order.
            self.failure = error
            self.order_stop()

    def order_stop(self) -> None:
        """Have :meth:`run` stop the children and return. May be called twice; cancels a start that is under way."""
        self.is_open = False
        self._starting.cancel()
        self._stop_ordered.set()

    def kill(self) -> None:
        """Stop without grace: cancel everything below at once. A tree that is stopping already only gets faster."""
        self.order_stop()
        for slot in tuple(self.slots.values()):
            inner: Team | None = getattr(slot, "inner", None)
            if inner is not None:
                inner.kill()
            elif slot.life is not None and not slot.life.is_killed:
                slot.emit(ChildKilled(trio.current_time(), slot.path, slot.life.number, 0.0))
                slot.life.kill()

    async def limit_stop(self) -> None:
        """Kill what is left when a stop takes longer than this supervisor's own ``shutdown``."""
        await self._stop_ordered.wait()
        await trio.sleep(0.0 if self.spec.shutdown is BRUTAL_KILL else self.spec.shutdown)
        self.kill()

    def interrupt(self, error: BaseException) -> None:
        """Stop in order because of an interrupt, and raise it from :meth:`run`."""
        self.failure = error
        self.order_stop()

    @property
    def _is_interrupted(self) -> bool:
        return self.failure is not None and not isinstance(self.failure, Exception)

    def start_task(self, fn: Callable[..., Awaitable[object]], *args: Any, name: str | None = None) -> None:
        """Run a task of a child. With a *name* trio need not make one up, and keep it."""
        if self._nursery is None:
            raise SupervisorStopped(self.path, f"{self.path} is not running")
        self._nursery.start_soon(fn, *args, name=name)

    async def _stop_all(self) -> None:
        self._group.cancel()
        slots = [slot for slot in reversed(self.slots.values()) if slot.life is not None or slot.retry is not None]
        for slot in slots:
            slot.end_pause()
            self.cancel_start(slot)
        if self.spec.dynamic:
            async with trio.open_nursery() as nursery:
                for slot in slots:
                    nursery.start_soon(slot.stop, Intent.REPLACE)
        else:
            for slot in slots:
                await slot.stop(Intent.REPLACE)

    def cancel_start(self, slot: AnySlot) -> None:
        """A stop order does not wait for an ``on_start``."""
        if slot.life is not None and not slot.life.is_ready:
            slot.intent = Intent.REPLACE
            slot.life.ask_stop(Exit(ExitKind.SHUTDOWN))

    def _forget_strangers(self) -> None:
        if not self.spec.keep_children:
            for slot in tuple(self.slots.values()):
                if slot not in self.declared:
                    self.forget(slot)

    def close(self) -> None:
        """Note that this supervisor has no further life: nor have its children."""
        for slot in reversed(tuple(self.slots.values())):
            self.forget(slot)

    def forget(self, slot: AnySlot) -> None:
        """Take a child off the list for good."""
        if self.slots.get(slot.id) is slot:
            del self.slots[slot.id]
        self.due.discard(slot)
        self._group.discard(slot)
        slot.remove()

    # ------------------------------------------------------------------ beginning

    def name_child(self, spec: ChildSpec[Any] | SupervisorSpec) -> str:
        """The child's id: its name, or its class and a number."""
        self._serial += spec.name is None
        return name_child(spec, self._serial)

    async def start(self, slot: AnySlot) -> None:
        """Begin a life of a new child and wait until it has started; forget the child if it does not."""
        try:
            await self.begin_attended(slot)
        except (StartError, trio.Cancelled):
            # Nothing of it is left. Not so after an interrupt: then the tree stops, and needs to know of the child.
            self.forget(slot)
            raise

    async def start_all(self, slots: Iterable[AnySlot]) -> None:
        """Begin a life of each, in order; the next when the one before has started."""
        slots = tuple(slots)
        self.due.update(slots)
        try:
            for slot in slots:
                if slot in self.due:
                    self.due.discard(slot)
                    await self.begin_attended(slot)
        finally:
            self.due.clear()

    async def begin_attended(self, slot: AnySlot) -> None:
        """Begin a life and wait until it has started. Its failure is told here, and is no case for the restart table.

        A child that declines to start (:exc:`Ignore`) is no failure: it stays down. When a group restart replaces the
        life before it has started, the next one is waited for.

        Raises:
            StartError: It did not start.
        """
        slot.begin(is_attended=True)
        life = slot.life
        try:
            while life is not None and not await slot.wait_settled(life):
                life = await slot.wait_next_life()
        except trio.Cancelled:
            self._group.discard(slot)
            with trio.CancelScope(shield=True):
                await slot.stop(Intent.REPLACE)
            raise
        if life is None:
            self._tell_start(slot, slot.exit)

    async def restart_down(self, slot: AnySlot) -> None:
        """Begin a life of a child that is down, by order. When that fails it is as down as it was before."""
        before = slot.intent
        try:
            await self.begin_attended(slot)
        except BaseException:
            slot.intent = before
            raise

    def _tell_start(self, slot: AnySlot, exit_: Exit | None) -> None:
        if exit_ is not None and exit_.kind is not ExitKind.NORMAL:
            reason = exit_ if exit_.error is None else describe(exit_.error)
            raise StartError(slot.path, f"{slot.path} did not start: {reason}") from exit_.error
        self._lay_off(slot)

    def _keeps(self, slot: AnySlot) -> bool:
        """Whether a child stays listed when it is down."""
        return not self.spec.dynamic and slot.restart is not Restart.TEMPORARY

    async def terminate(self, slot: AnySlot) -> None:
        """Stop a child by order and list it as down, or forget it.

        When a group restart waits for just this child, it ends here: what was to be started after it stays down.
        """
        if self._group.is_awaiting(slot):
            self._group.end()
        self.due.discard(slot)
        if slot in self._group:
            self._group.discard(slot)
            slot.notify()  # whoever waits for its next life
        await slot.stop(Intent.DOWN)
        if self.slots.get(slot.id) is slot and not self._keeps(slot):
            self.forget(slot)

    # ------------------------------------------------------------------ ends

    def child_ended(self, slot: AnySlot, life: Life, exit_: Exit) -> None:
        """Decide what the end of a life means. Called once per life, in its own task."""
        self._report(slot, life, exit_)
        if slot.is_attended and not life.is_ready:
            return
        if slot.intent is not Intent.UP or not self.is_open:
            if slot.intent is Intent.REPLACE and slot.restart is Restart.TEMPORARY:
                self.forget(slot)
            return
        decision = self._judge(slot, life, exit_)
        match decision:
            case Decision.RESTART:
                self._restart(slot, life, exit_)
            case Decision.LEAVE | Decision.FORGET:
                self._lay_off(slot)
                if life.is_ready:
                    self._check_significant(slot)
            case Decision.GIVE_UP:
                self._give_up(exit_)
            case _:
                assert_never(decision)

    def _report(self, slot: AnySlot, life: Life, exit_: Exit) -> None:
        # A kill by order is no failure, and neither is an interrupt; a clean-up that crashes is one even then.
        is_killed = exit_.kind is ExitKind.KILLED and slot.intent is Intent.UP and not self._is_interrupted
        has_failed = exit_.kind is ExitKind.CRASHED or is_killed
        now = trio.current_time()
        if has_failed:
            self.runtime.emit(ChildCrashed(now, slot.path, life.number, exit_, life.failed_in))
        else:
            self.runtime.emit(ChildStopped(now, slot.path, life.number, exit_))

    def _judge(self, slot: AnySlot, life: Life, exit_: Exit) -> Decision:
        if not life.is_ready and exit_.kind is ExitKind.NORMAL:
            # It declined to start again (Ignore): no failure, so nothing to retry or to count.
            return Decision.FORGET if slot.restart is Restart.TEMPORARY else Decision.LEAVE
        return decide(exit_, slot.restart, self._window, trio.current_time())

    def _lay_off(self, slot: AnySlot) -> None:
        self._group.discard(slot)
        if not self._keeps(slot):
            self.forget(slot)

    def _check_significant(self, slot: AnySlot) -> None:
        if not slot.spec.significant:
            return
        rest = (other for other in self.slots.values() if other.spec.significant)
        if self.spec.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT or not any(map(self._is_active, rest)):
            self.order_stop()

    def _is_active(self, slot: AnySlot) -> bool:
        return slot.life is not None or self.is_restarting(slot)

    def _restart(self, slot: AnySlot, life: Life, exit_: Exit) -> None:
        self._note_failure(exit_)
        slot.restarts += 1
        now = trio.current_time()
        pause = self._pause(slot, now - life.since)
        self.runtime.emit(RestartScheduled(now, slot.path, slot.restarts, pause, exit_))
        if pause > 0:
            slot.retry = self.runtime.timers.at(now + pause, lambda: self._retry(slot))
        if self.spec.strategy is not Strategy.ONE_FOR_ONE:
            self._group.restart(slot)
        elif slot.retry is None:
            slot.begin()

    def _pause(self, slot: AnySlot, lived: float) -> float:
        backoff: Backoff | None = slot.spec.backoff
        if backoff is None:
            return 0.0
        slot.streak = 1 if lived >= backoff.reset_after else slot.streak + 1
        # The program's dice: children of many hosts must not come back in step.
        return backoff.pause(slot.streak, random.random() if backoff.jitter else 0.0)  # noqa: S311 - no secret

    def _retry(self, slot: AnySlot) -> None:
        slot.end_pause()
        if self.is_open and self.spec.strategy is Strategy.ONE_FOR_ONE:
            slot.begin()

    def is_restarting(self, slot: AnySlot) -> bool:
        """Whether a child without a life is to have one again."""
        return slot.retry is not None or slot in self._group

    def expects_life(self, slot: AnySlot) -> bool:
        """Whether a child that is down or being stopped by this supervisor is to live again."""
        if self.is_open:
            return self.is_restarting(slot) and slot.restart is not Restart.TEMPORARY
        comes_back = self.spec.keep_children or slot in self.declared
        return comes_back and self._owner is not None and self._is_owner_reborn(self._owner)

    def _is_owner_reborn(self, owner: AnySlot) -> bool:
        # A supervisor that gave up is still alive here: its parent has not judged yet.
        return owner.restart is not Restart.TEMPORARY and owner.expects_life()

    def _note_failure(self, exit_: Exit) -> None:
        if isinstance(exit_.error, Exception):
            self._failures.append(exit_.error)

    def _give_up(self, exit_: Exit) -> None:
        self._note_failure(exit_)
        failures = list(self._failures) or [ActorNotAlive(self.path, f"a child ended: {exit_}", exit_)]
        error = RestartLimitExceeded(
            self.path,
            limit=self.spec.max_restarts,
            window=self.spec.max_seconds,
            failures=ExceptionGroup(f"the last failures under {self.path}", failures),
        )
        error.__cause__ = exit_.error if exit_.error is not None else failures[-1]
        self.failure = error
        self.runtime.emit(SupervisorGaveUp(trio.current_time(), self.path, error))
        self.order_stop()


_roots: trio.lowlevel.RunVar["list[Team]"] = trio.lowlevel.RunVar("supervisors_roots")


def open_roots() -> "list[Team]":
    """The open root supervisors of this trio run, oldest first; for who has to end them all."""
    try:
        return _roots.get()
    except LookupError:
        roots: list[Team] = []
        _roots.set(roots)
        return roots

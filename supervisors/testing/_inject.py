"""Stand between mailboxes and actors, and let things go wrong there."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import trio

from supervisors._events import Event
from supervisors.testing._event_log import EventLog
from supervisors.testing._faults import Fault, FaultKind, InjectedCrash, Plan

if TYPE_CHECKING:
    from supervisors._life import Life
    from supervisors._turn import ActorLife


class Injector:
    """Counts the messages of every child of a run, and has the faults of a plan happen. An ``Interceptor``."""

    def __init__(self, plan: Plan, most: int, cancel: Callable[[], None]) -> None:
        self._plan = plan
        self._most = most
        self._cancel = cancel
        self._messages: defaultdict[str, int] = defaultdict(int)
        self._under_way: dict[int, str] = {}
        self._serial = 0
        self.injected: list[Fault] = []
        """The faults that happened, in order."""
        self.log = EventLog()

    def notify(self, event: Event, /) -> None:
        """Remember *event*."""
        self.log.notify(event)

    def intercept(self, life: "ActorLife", performer: object) -> object:
        """Whose methods are to be the operations of *life*, instead of the performer's."""
        return _Intercepted(self, life, performer)

    @property
    def under_way(self) -> tuple[str, ...]:
        """The operations that have begun and not ended, oldest first."""
        return tuple(self._under_way.values())

    async def start(self, life: "ActorLife", on_start: Callable[[], Awaitable[None]]) -> None:
        """Start a life, or fail to."""
        path = life.slot.path
        fault = self._note(self._plan.at_start(path, life.number))
        if fault is not None:
            raise InjectedCrash(fault)
        await self._watch(f"{path}: on_start", on_start())

    async def run(self, life: "Life", fn: Callable[[], Awaitable[object]], /) -> object:
        """Run a task, as one message; or fail to."""
        fault = self._note(self._plan.at_start(life.slot.path, life.number))
        if fault is not None:
            raise InjectedCrash(fault)

        async def work() -> object:
            """Begin only when it is begun: a crash before that leaves nothing unawaited."""
            return await fn()

        return await self.perform(life, "task", work())

    async def perform(self, life: "Life", name: str, operation: Coroutine[Any, Any, object]) -> object:
        """Perform an operation, with what goes wrong at this message."""
        path = life.slot.path
        self._messages[path] += 1
        fault = self._note(self._plan.at_message(path, self._messages[path]))
        try:
            if fault is not None:
                await self._go_wrong(fault, life)
            value = await self._watch(f"{path}: {name}", operation)
        finally:
            operation.close()  # a crash before its first line leaves it unawaited
        if fault is not None and fault.kind is FaultKind.CRASH_AFTER:
            raise InjectedCrash(fault)
        return value

    async def _go_wrong(self, fault: Fault, life: "Life") -> None:
        match fault.kind:
            case FaultKind.CRASH_BEFORE:
                raise InjectedCrash(fault)
            case FaultKind.DELAY:
                await trio.sleep(fault.seconds)
            case FaultKind.KILL:
                life.kill()
            case FaultKind.CANCEL:
                self._cancel()
            case FaultKind.CRASH_AFTER | FaultKind.FAIL_START:
                pass

    def _note(self, fault: Fault | None) -> Fault | None:
        if fault is None or len(self.injected) >= self._most:
            return None
        self.injected.append(fault)
        self.log.note(f"fault: {fault}")
        return fault

    async def _watch(self, what: str, operation: Awaitable[object]) -> object:
        self._serial += 1
        key = self._serial
        self._under_way[key] = what
        try:
            return await operation
        finally:
            del self._under_way[key]


class _Intercepted:
    """One life's performer. Has no public names of its own but ``on_start``, so every operation is looked up below."""

    __slots__ = ("_injector", "_life", "_performer")

    def __init__(self, injector: Injector, life: "ActorLife", performer: object) -> None:
        self._injector = injector
        self._life = life
        self._performer = performer

    async def on_start(self) -> None:
        performer: Any = self._performer  # an Actor, or what stands for one: known by its method names only
        await self._injector.start(self._life, performer.on_start)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation: Callable[..., Any] = getattr(self._performer, name)
        if name.startswith("_"):
            return operation  # the runtime looks at the actor: no message
        # Calls the operation before anything else: arguments that do not fit are refused there.
        return lambda *args, **kwargs: self._injector.perform(self._life, name, operation(*args, **kwargs))

"""A state machine that does in each event what the test says, and the steps that a test can tell it."""

from collections.abc import Callable
from enum import Enum

from supervisors import StateMachine, TimeoutKind


class Is(Enum):
    """States."""

    A = "a"
    B = "b"
    C = "c"


Step = Callable[["Probe"], None]


class Probe(StateMachine[Is]):
    """Does in each event what the test says, and keeps a log of everything."""

    def __init__(self, log: list[str], on_enter: dict[Is, Step] | None = None, on_start: Step | None = None) -> None:
        super().__init__(Is.A)
        self._log = log
        self._on_enter = on_enter or {}
        self._on_start = on_start

    async def on_start(self) -> None:
        """Start as told."""
        if self._on_start is not None:
            self._on_start(self)

    async def on_enter(self, previous: Is) -> None:
        """Log it, and do as told."""
        self._log.append(f"enter {previous.value}{self.state.value}")
        step = self._on_enter.get(self.state)
        if step is not None:
            step(self)

    async def event(self, name: str, *steps: Step) -> str:
        """Log it, and do as told."""
        self._log.append(f"{name} in {self.state.value}")
        for step in steps:
            step(self)
        return name

    async def wait_for(self, state: Is, name: str) -> str:
        """Answer once the machine is in *state*."""
        if self.state is not state:
            self.postpone()
        self._log.append(f"{name} in {self.state.value}")
        return name

    async def halt(self) -> None:
        """End."""
        self.stop()


def go(state: Is) -> Step:
    """Change the state."""
    return lambda machine: machine.next_state(state)


def repeat(machine: Probe) -> None:
    """Enter the state again."""
    machine.repeat_state()


def postpone(machine: Probe) -> None:
    """Keep the event."""
    machine.postpone()


def insert_a_hook(machine: Probe) -> None:
    """Take a hook for an event."""
    machine.next_event(Probe.on_enter, Is.A)


def insert(name: str, *steps: Step) -> Step:
    """Insert an event."""
    return lambda machine: machine.next_event(Probe.event, name, *steps)


def after(delay: float, name: str, *steps: Step, kind: object = TimeoutKind.STATE) -> Step:
    """Set a timeout."""

    def step(machine: Probe) -> None:
        match kind:
            case TimeoutKind.STATE:
                machine.state_timeout(delay, Probe.event, name, *steps)
            case TimeoutKind.EVENT:
                machine.event_timeout(delay, Probe.event, name, *steps)
            case _:
                machine.named_timeout(str(kind), delay, Probe.event, name, *steps)

    return step

"""Real signals: KeyboardInterrupt reaches users' code and never the runtime's own steps."""

import math
import signal

import pytest
import trio

from supervisors import Actor, ChildStarted, ChildStopped, Event, Exit, open_supervisor


class Target(Actor):
    """Is interrupted where a test wants it."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    async def interrupt(self) -> None:
        """Ctrl-C while an operation runs."""
        signal.raise_signal(signal.SIGINT)
        self.log.append("not reached")

    async def nothing(self) -> None:
        """An operation without events of interest."""

    async def on_stop(self, reason: Exit, /) -> None:
        self.log.append(f"stop {reason.kind.value}")


class InterruptedInside:
    """Ctrl-C while the runtime itself is at work: observers are told from its protected steps."""

    def __init__(self, *kinds: type[Event]) -> None:
        self.kinds = kinds

    def notify(self, event: Event, /) -> None:
        if isinstance(event, self.kinds):
            signal.raise_signal(signal.SIGINT)


def run_default(program: object) -> None:
    """Run with Python's own handler for SIGINT, which trio replaces."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        trio.run(program)  # type: ignore[arg-type] # an async function without arguments
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_in_an_operation_stops_the_tree_in_order_and_leaves_the_root() -> None:
    """It is no crash of the actor it happened to hit."""
    log: list[str] = []

    async def program() -> None:
        async with open_supervisor() as root:
            await root.start_child(lambda: Target(log))
            hit = await root.start_child(lambda: Target(log))
            hit.cast_nowait(Target.interrupt)
            await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run_default(program)
    assert log == ["stop shutdown"]


def test_an_interrupt_inside_the_runtime_is_delivered_to_the_main_task() -> None:
    """No step of the runtime is left half done: every child is stopped."""
    log: list[str] = []

    async def program() -> None:
        async with open_supervisor(observers=[InterruptedInside(ChildStarted)]) as root:
            await root.start_child(lambda: Target(log))
            await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run_default(program)
    assert log == ["stop shutdown"]


def test_a_second_interrupt_makes_the_stop_a_kill() -> None:
    """Whoever presses Ctrl-C twice does not want to wait for clean-ups."""
    log: list[str] = []

    class Slow(Target):
        async def on_stop(self, _: Exit, /) -> None:
            await trio.sleep_forever()

    async def program() -> None:
        async with open_supervisor(observers=[InterruptedInside(ChildStopped)]) as root:
            await root.start_child(lambda: Slow(log), shutdown=math.inf)
            await root.start_child(lambda: Target(log))
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_default(program)
    assert log == ["stop shutdown"]

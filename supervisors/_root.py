"""The root of a tree: a block that its children live in, and what ends it."""

import math
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import trio

from supervisors._errors import SupervisorStopped
from supervisors._events import Observer
from supervisors._policy import AutoShutdown, Restart, Shutdown, Strategy
from supervisors._runtime import Runtime
from supervisors._spec import AnySpec, SupervisorSpec
from supervisors._supervisor import Supervisor, begin_declared
from supervisors._team import Team, open_roots


@asynccontextmanager
async def open_supervisor(
    name: str = "root",
    *,
    strategy: Strategy | str = Strategy.ONE_FOR_ONE,
    max_restarts: int = 3,
    max_seconds: float = 5.0,
    auto_shutdown: AutoShutdown | str = AutoShutdown.NEVER,
    shutdown: Shutdown = math.inf,
    children: Iterable[AnySpec] = (),
    observers: Iterable[Observer] = (),
) -> AsyncGenerator[Supervisor]:
    """Open the root of a tree: its children live until the block is left.

    However the block is left, the children are stopped first: in reverse order, each within its budget, also when the
    surrounding scope is cancelled; then the cancellation, or what the block raised, goes on.

    Args:
        name: The first part of every path in the tree.
        strategy: Which siblings are replaced when a child has to be restarted.
        max_restarts: Restarts within *max_seconds* before giving up, >= 0.
        max_seconds: Length of that window, > 0.
        auto_shutdown: Whether significant children that end by themselves end the block.
        shutdown: Seconds all of it may take to stop, on top of the children's own budgets; what is left is killed.
        children: Started in order before the block begins.
        observers: Told every event of the tree.

    Raises:
        RestartLimitExceeded: The supervisor gave up; the block was cancelled. Raised bare.
        StartError: One of *children* did not start; those before it were stopped.
        TypeError, ValueError: A spec is not valid; nothing was started.
    """
    spec = SupervisorSpec(
        name,
        children=children,
        strategy=strategy,
        max_restarts=max_restarts,
        max_seconds=max_seconds,
        auto_shutdown=auto_shutdown,
        shutdown=shutdown,
        restart=Restart.TEMPORARY,
    )
    root = _Root(Team(Runtime(observers), spec, spec.name))
    failure: BaseException | None = None
    is_entered = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(root.run)
        nursery.start_soon(root.watch)
        try:
            with root.body:
                await root.ready.wait()
                is_entered = True
                yield Supervisor(root.team)
        except BaseException as error:  # noqa: BLE001 - raised again below, without the nursery's group around it
            failure = error
        failure = await root.stop() or failure
        nursery.cancel_scope.cancel()
    raise_outcome(failure, root.failure)
    if not is_entered:
        raise SupervisorStopped(spec.name, f"{spec.name} stopped before all its children had started")


def raise_outcome(body: BaseException | None, team: BaseException | None) -> None:
    """Raise what ended an ``open_supervisor`` block, bare: an interrupt before a give-up before the block's error."""
    ordinary = body is None or isinstance(body, Exception | trio.Cancelled)
    if team is not None and ordinary:
        if isinstance(body, Exception):
            team.__context__ = body
        raise team
    if body is not None:
        raise body


class _Root:
    """The task of a root supervisor, out of reach of the surrounding cancellation, and the one that is in reach."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.body = trio.CancelScope()
        self.ready = trio.Event()
        self.finished = trio.Event()
        self.failure: BaseException | None = None

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Run the team under a shield, and its timers beside it."""
        roots = open_roots()
        roots.append(self.team)
        try:
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.team.runtime.timers.watch)
                    nursery.start_soon(self.team.limit_stop)
                    await self._run_team()
                    nursery.cancel_scope.cancel()
        finally:
            roots.remove(self.team)
            self.team.close()
            self.finished.set()
            self.body.cancel()

    async def _run_team(self) -> None:
        try:
            await self.team.run(lambda: begin_declared(self.team), self.ready.set)
        except BaseException as error:  # noqa: BLE001 - raised by open_supervisor, where the block has ended
            self.failure = error

    async def stop(self) -> KeyboardInterrupt | None:
        """Stop in order and wait for the end. Another Ctrl-C meanwhile makes it a kill, and is returned."""
        interrupt: KeyboardInterrupt | None = None
        self.team.order_stop()
        with trio.CancelScope(shield=True):
            while not self.finished.is_set():
                try:
                    await self.finished.wait()
                except KeyboardInterrupt as error:
                    interrupt = error
                    self.team.kill()
        return interrupt

    @trio.lowlevel.enable_ki_protection
    async def watch(self) -> None:
        """See the surrounding cancellation, and turn it into an ordered stop even when the block does not react."""
        try:
            await trio.sleep_forever()
        finally:
            self.team.order_stop()

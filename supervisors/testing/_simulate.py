"""Run a program under virtual time, an order of tasks that a seed decides, and faults; again, exactly, if it fails.

What makes it repeatable: the clock only moves when nothing can run; trio's order of tasks and the module
:mod:`random` are seeded; whether a message meets a fault depends on the seed and on the message. What it cannot repeat:
threads, sockets, processes, real clocks, and state that one run leaves to the next.
"""

import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence

import outcome
import trio
from attrs import define, field, frozen
from trio.testing import MockClock

from supervisors._checks import check_callable
from supervisors._events import ChildCrashed, ChildStarted, ChildStopped
from supervisors._exit import describe
from supervisors._runtime import INTERCEPTOR
from supervisors.testing._event_log import EventLog
from supervisors.testing._faults import Fault, Faults, Listed, Plan
from supervisors.testing._inject import Injector
from supervisors.testing._scheduler import seeded_scheduler
from supervisors.testing._shrink import shrink

Main = Callable[[], Awaitable[object]]

_SHRINK_RUNS = 200
_TAIL = 12
"""Lines of the log in the message of a failure."""


@frozen
class Simulation:
    """One run, as it went. Two runs of one seed with the same faults are equal, to the byte of the log."""

    seed: int
    faults: tuple[Fault, ...]
    """What went wrong on purpose, in order."""
    log: str
    """The events of all its trees and the faults, a line each."""
    schedule: int
    """A digest of the order in which the tasks ran."""
    steps: int
    """Steps of tasks."""
    seconds: float
    """Of virtual time."""
    error: BaseException | None = field(default=None, eq=False)
    """What *main* raised, or what the run is reproached with."""


class SimulationFailed(AssertionError):
    """A simulated program failed; ``__cause__`` is how. The message says how to have exactly that again."""

    def __init__(self, simulation: Simulation, *, found: int) -> None:
        self.simulation = simulation
        """The run with the shortest faults."""
        self.seed = simulation.seed
        self.faults = simulation.faults
        """The shortest list of faults found that still fails in the same way."""
        super().__init__(_explain(simulation, found))


class Stuck(Exception):
    """The program did not come to an end within the time or the steps it was given."""


class TwoLives(Exception):
    """A life of a child began before the last one had ended, or did not end with its tree."""


def simulate(
    main: Main, *, seed: int, faults: Faults | Iterable[Fault] = (), limit: float = 3600.0, max_steps: int = 1_000_000
) -> Simulation:
    """Run *main* in a trio run of its own, and return how it went. The same arguments, the same run.

    The trees that *main* opens are observed and injected by themselves. Besides what *main* asserts, no child may ever
    have two lives at once, and all lives must end with their tree. When the program fails, it is run again with fewer
    and fewer faults.

    Args:
        main: The program; it makes all of its state anew. What it raises is the failure; being cancelled by a fault is
            none.
        seed: Decides the order of tasks, the module :mod:`random`, and which faults happen.
        faults: How likely faults are, or exactly which ones happen.
        limit: Virtual seconds the program may take.
        max_steps: Steps of tasks it may take.

    Raises:
        SimulationFailed: With the seed and the shortest list of faults that still fails.
        TypeError: *main* is no function.
        RuntimeError: Called from within a trio run, or this trio cannot be seeded.
    """
    check_callable("main", main)
    if trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "simulate runs main in a trio run of its own; call it from a plain function, not from within one"
        )
    arena = _Arena(main, seed, limit, max_steps)
    if isinstance(faults, Faults):
        first = arena.run(faults.plan(seed), faults.most)
    else:
        listed = tuple(faults)
        first = arena.run(Listed(listed), len(listed))
    if first.error is None:
        return first
    shortest = arena.shorten(first)
    raise SimulationFailed(shortest, found=len(first.faults)) from shortest.error


@frozen
class _Arena:
    """A program, and all that its runs have in common."""

    main: Main
    seed: int
    limit: float
    max_steps: int

    def run(self, plan: Plan, most: int) -> Simulation:
        """Run the program once."""
        bout = _Bout(self, plan, most)
        with seeded_scheduler(self.seed):
            result = outcome.capture(bout.start)
        if isinstance(result, outcome.Value):
            return bout.report(_find_two_lives(bout.injector.log))
        if not isinstance(result.error, Exception):
            raise result.error  # an interrupt is the user's, not the program's
        return bout.report(result.error)

    def shorten(self, first: Simulation) -> Simulation:
        """Find a run with fewer faults that fails in the same way."""
        best = first

        def fails(faults: Sequence[Fault]) -> bool:
            nonlocal best
            run = self.run(Listed(faults), len(faults))
            is_same = type(run.error) is type(first.error)
            if is_same:
                best = run
            return is_same

        shrink(first.faults, fails, most=_SHRINK_RUNS)
        return best


class _Bout:
    """One run of the program."""

    def __init__(self, arena: _Arena, plan: Plan, most: int) -> None:
        self.arena = arena
        self.program = trio.CancelScope(deadline=arena.limit)
        self.injector = Injector(plan, most, self.program.cancel)
        self.meter = _Meter(arena.limit, arena.max_steps, self.program, self.injector)
        self.seconds = 0.0

    def start(self) -> None:
        """Be a trio run."""
        trio.run(self.run, clock=MockClock(autojump_threshold=0), instruments=[self.meter])

    async def run(self) -> None:
        """Run the program within its limits."""
        INTERCEPTOR.set(self.injector)
        try:
            with self.program:
                await self.arena.main()
        finally:
            self.seconds = trio.current_time()
        if self.program.cancelled_caught and self.meter.verdict is not None:
            raise Stuck(self.meter.verdict)

    def report(self, error: Exception | None) -> Simulation:
        """Say how it went."""
        meter, injector = self.meter, self.injector
        faults, log = tuple(injector.injected), str(injector.log)
        return Simulation(self.arena.seed, faults, log, meter.digest, meter.steps, self.seconds, error)


@define(eq=False)
class _Meter(trio.abc.Instrument):
    """Counts the steps of tasks, digests their order, and sees when it is enough."""

    limit: float
    most: int
    program: trio.CancelScope
    injector: Injector
    steps: int = 0
    digest: int = 0
    verdict: str | None = None
    """Which limit the program exceeded, and what it was doing then."""
    _numbers: dict[trio.lowlevel.Task, int] = field(factory=dict[trio.lowlevel.Task, int])

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Note one step."""
        number = self._numbers.setdefault(task, len(self._numbers))
        self.digest = zlib.crc32(number.to_bytes(4, "big"), self.digest)
        self.steps += 1
        if self.verdict is None and self.steps > self.most:
            self._end(f"{self.most} steps of tasks")
        elif self.verdict is None and trio.current_time() >= self.limit:
            self._end(f"{self.limit:g} virtual seconds")

    def _end(self, limit: str) -> None:
        self.verdict = (
            f"not finished after {limit}; operations under way: {', '.join(self.injector.under_way) or 'none'}"
        )
        self.program.cancel()


def _find_two_lives(log: EventLog) -> TwoLives | None:
    alive: dict[str, int] = {}
    for event in log.events:
        match event:
            case ChildStarted(path=path, life=life):
                if path in alive:
                    return TwoLives(f"life {life} of {path} began while life {alive[path]} was not over")
                alive[path] = life
            case ChildStopped(path=path) | ChildCrashed(path=path):
                alive.pop(path, None)
            case _:
                pass
    for path, life in alive.items():
        return TwoLives(f"life {life} of {path} did not end with its tree")
    return None


def _explain(run: Simulation, found: int) -> str:
    faults = "".join(f"    {fault!r},\n" for fault in run.faults)
    again = f"faults=[\n{faults}]" if run.faults else "faults=[]"
    tail = run.log.splitlines()[-_TAIL:]
    return "\n".join(
        [
            f"seed {run.seed} fails: {describe(run.error)}",
            f"the shortest faults that still fail, {len(run.faults)} of {found}; to have exactly this again:",
            f"simulate(main, seed={run.seed}, {again})",
            "the last events:",
            *(f"    {line}" for line in tail),
        ]
    )

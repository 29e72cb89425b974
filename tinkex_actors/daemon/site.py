"""What belongs to one run for as long as the process lives: plain data that outlives every crash of its actors."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path

import trio
from attrs import define, field, frozen

from supervisors import Observer, Ref, Supervisor
from tinkex_actors.daemon.admission import Admission
from tinkex_actors.daemon.budget import TokenBudget
from tinkex_actors.daemon.callbacks import Recovery
from tinkex_actors.daemon.entries import JsonScalar
from tinkex_actors.daemon.journal import Journal, Notebook, journal_name
from tinkex_actors.daemon.plan import RunPlan
from tinkex_actors.observer import Watch
from tinkex_actors.settings import Settings


class RunState(StrEnum):
    """What a run is doing."""

    WAITING = "waiting"
    """For another run, whose checkpoint it begins with; or for the server to take in one more model."""
    STARTING = "starting"
    """It gets its model, and its data."""
    TRAINING = "training"
    RECOVERING = "recovering"
    """It waits before the next attempt."""
    DRAINING = "draining"
    """It finishes the step under way and saves."""
    DONE = "done"
    STOPPED = "stopped"
    """On a checkpoint; the next start goes on."""
    FAILED = "failed"


@frozen(kw_only=True)
class Ending:
    """How a run ended in this process."""

    state: RunState
    error: BaseException | None = None


@define(eq=False)
class Progress:
    """Where a run is, for people and for the watchdog."""

    state: RunState = RunState.STARTING
    steps_done: int = 0
    life: int = 0
    failures: int = 0
    """Failed attempts since the last step that was done."""
    recoveries: int = 0
    replayed: int = 0
    """Steps that were done more than once."""
    last_row: dict[str, JsonScalar] = field(factory=dict[str, JsonScalar])
    last_checkpoint: str | None = None
    last_failure: str | None = None
    waiting_for: str | None = None
    """What a waiting run waits for."""


@define(eq=False)
class RunSite:
    """One run."""

    name: str
    plan: RunPlan
    folder: Path
    base: Path
    """What relative modules of its plan are looked for in."""
    settings: Callable[[], Settings]
    """Asked for each attempt, since a server in this process may move."""
    admission: Admission
    budgets: tuple[TokenBudget, ...] = ()
    begins_from: Callable[[], Awaitable[str]] | None = None
    """Waits for the run that this one continues, and returns the path of its last checkpoint."""
    line: list[str] = field(factory=list[str])
    """The runs of this process that wait for room on the server; the first asks again."""
    observers: tuple[Observer, ...] = ()
    watch: Watch | None = None
    """Shows the trees of its clients, where there is a page."""
    tell: Callable[["RunSite"], None] = lambda _: None
    """Told whenever `progress` has changed."""
    progress: Progress = field(factory=Progress)
    notebook: Notebook = field(factory=Notebook)
    """For what its journal is to say soon."""
    stop_wanted: trio.Event = field(factory=trio.Event)
    """Set when it shall finish its step, save and end."""
    wants_checkpoint: bool = False
    crash_door: Callable[[str, str], None] | None = None
    """Crashes an actor of the current life by its name, to see it come back."""
    has_begun: bool = False
    """Whether the current attempt has its model."""
    recovered_from: Recovery | None = None
    """The failure behind which the next life begins, until the plan's callback is told."""
    ending: Ending | None = None
    ended: trio.Event = field(factory=trio.Event)
    root: Supervisor | None = None
    """The daemon's root, once it runs."""

    @property
    def journal(self) -> Ref[Journal]:
        """The actor that writes its journal."""
        if self.root is None:
            raise RuntimeError(f"run {self.name} has not been started")
        return self.root.whereis(journal_name(self.name))

    @property
    def wants_stop(self) -> bool:
        """Whether it shall finish its step, save and end."""
        return self.stop_wanted.is_set()

    def end(self, ending: Ending) -> None:
        """Note how it ended; the first word stands."""
        if self.ending is None:
            self.ending = ending
            self.progress.state, self.progress.waiting_for = ending.state, None
            self.ended.set()
            self.tell(self)

    def report(self) -> dict[str, JsonScalar]:
        """Say where the run is, for those who cannot look."""
        progress = self.progress
        loss = progress.last_row.get("train_mean_nll", progress.last_row.get("train_loss"))
        return {
            "run": self.name,
            "state": progress.state,
            "step": progress.steps_done,
            "steps": self.plan.steps,
            "loss": loss,
            "checkpoint": progress.last_checkpoint,
            "recoveries": progress.recoveries,
            "replayed": progress.replayed,
            "waiting_for": progress.waiting_for,
            "last_failure": progress.last_failure,
        }

    def turn(self, state: RunState, *, waiting_for: str | None = None) -> None:
        """Note what it does now, and what it waits for if it does."""
        self.progress.state, self.progress.waiting_for = state, waiting_for
        self.tell(self)

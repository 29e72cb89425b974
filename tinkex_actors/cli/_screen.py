"""What a run shows while it goes: a progress bar on a terminal, plain lines elsewhere, and the tree's events as a log."""

from datetime import UTC, datetime
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from supervisors import ChildCrashed, ChildStarted, Event, RestartScheduled, SupervisorGaveUp
from tinkex_actors.daemon.run_folder import StepRecord

_PLAIN_EVERY = 10


class Screen:
    """One run's output. Also an observer of its supervision tree: crashes and restarts become log lines."""

    def __init__(self, console: Console, *, steps: int) -> None:
        self.console = console
        self._steps = steps
        self._restarting: set[str] = set()
        columns = (
            TextColumn("[bold]training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}  {task.fields[rate]} tokens/s  {task.fields[time]} a step"),
            TimeRemainingColumn(),
        )
        # Refreshed by hand at each step: no thread draws behind the event loop's back.
        self._progress = Progress(*columns, console=console, auto_refresh=False, transient=False)
        self._bar: TaskID | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._progress.start()
            self._bar = self._progress.add_task("", total=self._steps, loss="-", rate="-", time="-")
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show_step(self, record: StepRecord) -> None:
        """Tell one step: its loss, its speed, its time."""
        loss, time = f"{record.train_mean_nll:.3f}", f"{record.seconds:.2f} s"
        rate = f"{record.num_tokens / max(record.seconds, 1e-9):,.0f}"
        if self._bar is not None:
            self._progress.update(self._bar, completed=record.step + 1, loss=loss, rate=rate, time=time, refresh=True)
        elif record.step % _PLAIN_EVERY == 0 or record.step + 1 == self._steps:
            self.say(f"step {record.step + 1}/{self._steps}  loss {loss}  {rate} tokens/s  {time} a step")

    def say(self, text: str, *, style: str = "") -> None:
        """Print a line above the bar."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    def notify(self, event: Event, /) -> None:
        """Log what a supervisor did about a crash; starts and stops in good order are silent."""
        match event:
            case ChildCrashed():
                self._log(event.path, f"{event.exit}", style="red")
            case RestartScheduled():
                self._restarting.add(event.path)
                self._log(event.path, f"restarting: restart {event.restarts}", style="yellow")
            case ChildStarted() if event.path in self._restarting:
                self._restarting.discard(event.path)
                self._log(event.path, f"is back: life {event.life}", style="green")
            case SupervisorGaveUp():
                self._log(event.path, f"gave up: {event.error}", style="bold red")
            case _:
                pass

    def _log(self, path: str, what: str, *, style: str) -> None:
        now = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
        self.say(f"{now}  {path} {what}", style=style)

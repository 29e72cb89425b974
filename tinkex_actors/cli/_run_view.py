"""What ``tinkex run`` shows: a live table on a terminal, one JSON object a line otherwise."""

import json
from datetime import UTC, datetime
from typing import Self

import attrs
import trio
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from tinkex_actors.daemon.plan import Plan
from tinkex_actors.daemon.site import Progress, RunSite, RunState

_REDRAWN = 0.1
"""Seconds between two drawings, at least: a terminal is slow, and eyes are too."""
_STYLES = {
    RunState.TRAINING: "green",
    RunState.DONE: "bold green",
    RunState.RECOVERING: "yellow",
    RunState.FAILED: "bold red",
    RunState.STOPPED: "yellow",
}


@attrs.define(eq=False)
class RunView:
    """The view of one command."""

    console: Console
    plan: Plan
    _sites: dict[str, RunSite] = attrs.field(factory=dict[str, RunSite])
    _live: Live | None = None
    _drawn: float = float("-inf")

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            # Refreshed by hand: no thread draws behind the event loop's back.
            self._live = Live(self._table(), console=self.console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line above the table for whoever sits at the terminal; elsewhere the log says what programs may know."""
        if self._live is not None:
            self.console.print(text, soft_wrap=True)

    def tell(self, site: RunSite) -> None:
        """Show what is new of a run."""
        self._sites[site.name] = site
        if self._live is None:
            self.console.file.write(json.dumps(_line(site)) + "\n")
            self.console.file.flush()
        elif trio.current_time() - self._drawn >= _REDRAWN:
            self._drawn = trio.current_time()
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        table = Table("run", "state", "step", "loss", "checkpoint", "recoveries", "last failure", box=None)
        for name, plan in self.plan.runs.items():
            site = self._sites.get(name)
            if site is None:
                table.add_row(name, "…", f"0/{plan.steps}")
                continue
            progress = site.progress
            table.add_row(
                name,
                f"[{_STYLES.get(progress.state, 'default')}]{_state(progress)}[/]",
                f"{progress.steps_done}/{plan.steps}",
                "" if (loss := _loss(site)) is None else f"{loss:.4f}",
                progress.last_checkpoint or "",
                str(progress.recoveries),
                escape((progress.last_failure or "")[:60]),
            )
        return table


def _state(progress: Progress) -> str:
    return progress.state if progress.waiting_for is None else f"waiting for {progress.waiting_for[:40]}"


def _loss(site: RunSite) -> float | None:
    loss = site.report()["loss"]
    return loss if isinstance(loss, float) else None


def _line(site: RunSite) -> dict[str, object]:
    return {"ts": datetime.now(UTC).isoformat(timespec="milliseconds"), **site.report()}

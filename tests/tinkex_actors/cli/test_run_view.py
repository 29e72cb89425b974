"""The live table of `tinkex run`, on a terminal that is a string."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tinkex_actors.cli._run_view import RunView
from tinkex_actors.daemon.admission import Admission
from tinkex_actors.daemon.plan import Plan, RunPlan
from tinkex_actors.daemon.site import RunSite, RunState
from tinkex_actors.settings import Settings


@pytest.fixture
def site(tmp_path: Path) -> RunSite:
    """A run that trains nothing."""
    return RunSite(
        name="sft",
        plan=RunPlan(base_model="m", steps=7),
        folder=tmp_path,
        base=tmp_path,
        settings=lambda: Settings.local("http://127.0.0.1:1"),
        admission=Admission(1, 1),
    )


async def test_a_run_that_waits_says_for_what_and_a_failure_is_shown_as_it_is(site: RunSite) -> None:
    """What a server says is no markup, whatever brackets it has."""
    shown = StringIO()
    console = Console(file=shown, force_terminal=True, width=200, color_system=None)
    site.progress.last_failure = "Broken: [/weights] of [bold]x"

    with RunView(console, Plan(runs={"sft": site.plan})) as view:
        site.turn(RunState.WAITING, waiting_for="room for one more model on the server")
        view.tell(site)

    assert "waiting for room for one more model on the server" in shown.getvalue()
    assert "Broken: [/weights] of [bold]x" in shown.getvalue()

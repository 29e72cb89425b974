"""``tinkex doctor``: each fault is found, and said with what to do."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.tinkex_actors.cli.inside import Stage
from tinkex_actors.cli.doctor import Verdict, judge_clock

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _verdicts(stage: Stage, *arguments: object, **environ: str | None) -> tuple[int, dict[str, str]]:
    told = stage.tinkex("doctor", "--json", *arguments, environ=environ)
    return told.status, {one["check"]: one["verdict"] for one in told.document["findings"]}


def test_a_working_set_up_is_healthy(stage: Stage) -> None:
    """Every check, and none of them complains."""
    status, verdicts = _verdicts(stage)

    assert status == 0
    assert verdicts == dict.fromkeys(("disk", "network", "clock", "key", "server"), "ok")


def test_no_key_and_no_server_are_told_apart(stage: Stage, tmp_path: Path) -> None:
    """What cannot be checked for another fault is skipped, not failed."""
    without = _verdicts(stage, TINKER_API_KEY=None, HOME=str(tmp_path))
    unreached = _verdicts(stage, "--base-url", "http://127.0.0.1:9")

    assert without[0] == unreached[0] == 1
    assert (without[1]["key"], without[1]["network"]) == ("failed", "skipped")
    assert (unreached[1]["network"], unreached[1]["key"]) == ("failed", "skipped")


def test_a_folder_that_cannot_be_written_is_named(stage: Stage, tmp_path: Path) -> None:
    """Before a run of hours finds it out."""
    (tmp_path / "file").write_text("")

    told = stage.tinkex("doctor", "--folder", tmp_path / "file")

    assert told.status == 1
    assert "choose another --folder" in told.out


@pytest.mark.parametrize(
    ("off", "verdict"),
    [(0, Verdict.GOOD), (59, Verdict.GOOD), (61, Verdict.BAD), (-3600, Verdict.BAD)],
)
def test_a_clock_that_is_a_minute_off_is_wrong(off: float, verdict: Verdict) -> None:
    """Signed links and tokens live by the clock."""
    headers = {"date": format_datetime(NOW - timedelta(seconds=off), usegmt=True)}

    assert judge_clock(headers, NOW).verdict is verdict
    assert judge_clock({}, NOW).verdict is Verdict.SKIPPED

"""The plans that the documentation shows are run as they are shown."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import trio

from tinkex_actors.daemon.daemon import open_daemon
from tinkex_actors.daemon.plan_checks import check_data
from tinkex_actors.daemon.plan_file import read_plan
from tinkex_actors.daemon.site import RunState

PLANS = Path(__file__).parents[3] / "docs" / "plans"


async def _train(name: str, folder: Path) -> list[dict[str, float]]:
    """Train a plan of the documentation; returns its metrics."""
    shutil.copytree(PLANS, folder, dirs_exist_ok=True)
    plan = read_plan(folder / name, os.environ)
    check_data(plan)
    async with open_daemon(plan) as daemon:
        with trio.fail_after(120):
            (ending,) = (await daemon.wait()).values()
    assert ending.state is RunState.DONE, ending.error
    (run,) = plan.runs
    return [json.loads(line) for line in (plan.folder / run / "metrics.jsonl").read_text().splitlines()]


async def test_the_chat_is_learned(tmp_path: Path) -> None:
    """Supervised, with evaluation and checkpoints, from a file of six rows."""
    rows = await _train("chat.toml", tmp_path)

    assert rows[15]["test/nll"] < 0.5 * rows[0]["test/nll"]


async def test_the_policy_learns_its_reward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sample, score, prefer: after a dozen steps the answers are mostly vowels."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # the plan puts its folder there, and it is temporary
    rows = await _train("group_relative.toml", tmp_path)

    rewards = [row["env/all/reward/total"] for row in rows]
    assert sum(rewards[-3:]) > 1.5 * sum(rewards[:3])

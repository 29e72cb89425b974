"""Who asks how a daemon is gets an answer, in HTTP."""

from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from tests.tinkex_actors.daemon.runs import open_world
from tinkex_actors.daemon.health import is_alive, serve_health
from tinkex_actors.daemon.plan import CheckpointPlan
from tinkex_actors.daemon.plan_file import read_plan
from tinkex_actors.daemon.reloading import reload_plan


async def test_probes_are_answered_on_a_unix_socket(tmp_path: Path) -> None:
    """Alive and ready while it trains; not ready any more when it drains."""
    where = str(tmp_path / "health")
    async with (
        open_world(tmp_path) as world,
        world.daemon(world.plan({"sft": world.run(steps=900)})) as daemon,
        trio.open_nursery() as nursery,
        httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=where)) as http,
    ):
        await nursery.start(partial(serve_health, daemon, where))
        live, health = await http.get("http://x/livez"), await http.get("http://x/healthz?verbose")
        lost = await http.get("http://x/elsewhere")
        daemon.drain()
        ready = await http.get("http://x/readyz")
        nursery.cancel_scope.cancel()

    assert (live.status_code, live.json()) == (200, {"alive": True})
    assert health.json()["runs"]["sft"]["steps"] == 900
    assert (lost.status_code, ready.status_code) == (404, 503)


@pytest.mark.parametrize(
    "question",
    [
        b"POST /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01 what is this\r\n\r\n",
        b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_no_question_is_refused(tmp_path: Path, question: bytes) -> None:
    """Another method, another protocol, a flood: 400, and the connection is closed."""
    where = str(tmp_path / "health")
    async with (
        open_world(tmp_path) as world,
        world.daemon(world.plan({"sft": world.run(steps=900)})) as daemon,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(partial(serve_health, daemon, where))
        async with await trio.open_unix_socket(where) as stream:
            await stream.send_all(question)
            answer = b"".join([part async for part in stream])
        nursery.cancel_scope.cancel()

    assert answer.startswith(b"HTTP/1.1 400 Bad Request")


async def test_a_daemon_whose_journal_is_stuck_is_not_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs is what a restart is for."""
    monkeypatch.setattr("tinkex_actors.daemon.health._PATIENCE", 0.1)
    async with open_world(tmp_path) as world, world.daemon(world.plan({"sft": world.run(steps=900)})) as daemon:
        assert await is_alive(daemon)
        await daemon.runs["sft"].journal.suspend()

        assert not await is_alive(daemon)


def _plan(folder: Path, more: str, *, rate: float = 0.01) -> Path:
    path = folder / "plan.toml"
    path.write_text(
        f'folder = "runs"\n[runs.sft]\nbase_model = "tinkex/tiny"\ndata = "data.jsonl"\nsteps = 500\n'
        f"learning_rate = {rate}\n[runs.sft.lora]\nrank = 2\n{more}"
    )
    return path


async def test_a_reload_changes_care_and_never_the_training(tmp_path: Path) -> None:
    """A plan with a fault, and one that would train something else, leave everything as it was."""
    async with open_world(tmp_path) as world:
        path = _plan(tmp_path, "")
        async with world.daemon(read_plan(path, {})) as daemon:
            site = daemon.runs["sft"]
            _plan(tmp_path, "[runs.sft.checkpoints]\nkeep_last = 7\n")
            assert await reload_plan(daemon, path, {}) == ["sft"]
            assert site.plan.checkpoints == CheckpointPlan(keep_last=7)
            _plan(tmp_path, "", rate=0.5)
            assert await reload_plan(daemon, path, {}) == []
            _plan(tmp_path, "[runs.sft.checkpoints]\nkeep_last = 0\n")
            assert await reload_plan(daemon, path, {}) == []
            assert site.plan.checkpoints == CheckpointPlan(keep_last=7)

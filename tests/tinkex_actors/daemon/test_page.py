"""A daemon with a page: what it shows, and that no run depends on it."""

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from supervisors import Ref
from tests.tinkex_actors.daemon.runs import World, at_step, open_world
from tinkex_actors.daemon.daemon import Daemon
from tinkex_actors.daemon.page import OBSERVER, make_page
from tinkex_actors.daemon.plan import ObserverPlan
from tinkex_actors.daemon.site import RunState
from tinkex_actors.observer import OpenedObserver
from tinkex_actors.observer.client import ask_state, find_observer


def _page(daemon: Daemon) -> OpenedObserver:
    assert daemon.page is not None
    return daemon.page


async def _order(page: OpenedObserver, path: str, action: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {page.token}"}
    async with httpx.AsyncClient(base_url=page.base_url, headers=headers, trust_env=False) as http:
        return await http.post("/api/control", json={"path": path, "action": action})


async def _state_at_step(world: World, number: int, **observer: Any) -> dict[str, Any]:
    """Train two runs with a page, and ask it when the first has done so many steps."""
    plan = world.plan({"sft": world.run(), "dpo": world.run()}, observer=ObserverPlan(**observer))
    reached = trio.Event()
    async with world.daemon(plan, tell=at_step(number, lambda _: reached.set(), run="sft")) as daemon:
        with trio.fail_after(60):
            await reached.wait()
            return await ask_state(_page(daemon))


async def test_the_page_shows_the_daemon_its_runs_and_their_clients(tmp_path: Path) -> None:
    """Each client under the name of its run, with its requests; each run with what it does and its losses."""
    async with open_world(tmp_path) as world:
        state = await _state_at_step(world, 3)

    assert {tree["path"] for tree in state["trees"]} == {"daemon", "tinker-sft", "tinker-dpo"}
    assert {one["name"] for one in state["sets"]} == {"tinker-sft", "tinker-dpo"}
    sft = next(run for run in state["runs"] if run["name"] == "sft")
    assert (sft["state"], sft["steps"], sft["of_steps"]) == ("training", 3, 6)
    assert sft["last_tokens_per_second"] > 0
    assert any(event["path"].startswith("tinker-dpo/session") for event in state["events"])


async def test_the_page_is_found_by_the_folder_and_by_any_run_in_it(tmp_path: Path) -> None:
    """What ``tinkex observe`` and ``tinkex top`` are given; and it is gone with the daemon."""
    async with open_world(tmp_path) as world:
        plan = world.plan({"sft": world.run()}, observer=ObserverPlan(allow_control=True))
        async with world.daemon(plan) as daemon:
            found = [await find_observer(place) for place in (tmp_path, plan.folder, plan.folder / "sft")]
            page = _page(daemon)

        assert found == [page] * 3
        assert page.token
        assert await find_observer(tmp_path) is None


async def test_a_taken_address_costs_no_run_anything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The page is tried again, and there when the address is free; the runs train as ever."""
    async with open_world(tmp_path) as world:
        await world.train(world.plan({"calm": world.run()}))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            page = ObserverPlan(port=taken.getsockname()[1])
            plan = world.plan({"hit": world.run()}, observer=page)
            async with world.daemon(plan) as daemon, trio.open_nursery() as nursery:
                assert daemon.page is None
                nursery.start_soon(daemon.wait_for_page)  # waits through attempts in vain
                with trio.fail_after(60):
                    endings = await daemon.wait()
                    taken.close()
                    assert (await daemon.wait_for_page()).base_url.endswith(f":{page.port}")

        assert endings["hit"].state is RunState.DONE
        assert world.rows("hit") == world.rows("calm")
    assert "the observer's page is not served; the runs go on" in caplog.text
    assert "cannot listen on 127.0.0.1" in caplog.text


async def test_a_page_that_crashes_comes_back_under_the_training(tmp_path: Path) -> None:
    """Its life ends, the runs' do not."""
    async with open_world(tmp_path) as world:
        plan = world.plan({"sft": world.run(steps=900)}, observer=ObserverPlan())
        async with world.daemon(plan) as daemon:
            before = _page(daemon)
            actor = daemon.root.child(OBSERVER)
            assert isinstance(actor, Ref)
            actor.kill()
            await actor.ended(life=1)
            with trio.fail_after(30):
                state = await ask_state(await daemon.wait_for_page())
            assert _page(daemon).base_url != before.base_url

    (node,) = [node for node in state["trees"][0]["children"] if node["name"] == "observer"]
    assert (node["status"], node["life"]) == ("running", 2)


async def test_orders_from_the_page_reach_a_run_and_not_the_page_itself(tmp_path: Path) -> None:
    """An actor of a client is crashed and restarted from it; a page that stops itself could not be started again."""
    async with open_world(tmp_path) as world:
        plan = world.plan({"sft": world.run(steps=900)}, observer=ObserverPlan(allow_control=True))
        trained = trio.Event()
        async with world.daemon(plan, tell=at_step(1, lambda _: trained.set())) as daemon:
            page = _page(daemon)
            with trio.fail_after(60):
                await trained.wait()
            restarted = await _order(page, "tinker-sft/session/poller", "restart")
            refused = await _order(page, "daemon/observer", "restart")

    assert restarted.json() == {"done": "tinker-sft/session/poller is restarted"}
    assert refused.status_code == 409
    assert "serves this page" in refused.text


async def test_a_run_that_is_stopped_from_the_page_ends_as_stopped(tmp_path: Path) -> None:
    """Whoever waits for the daemon learns of it; the next start goes on with the run."""
    async with open_world(tmp_path) as world:
        plan = world.plan({"sft": world.run(steps=900)}, observer=ObserverPlan(allow_control=True))
        trained = trio.Event()
        async with world.daemon(plan, tell=at_step(1, lambda _: trained.set())) as daemon:
            with trio.fail_after(60):
                await trained.wait()
                await _order(_page(daemon), "daemon/sft", "stop")
                endings = await daemon.wait()

    assert endings["sft"].state is RunState.STOPPED


def test_a_token_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    """Plans lie in repositories; tokens do not."""
    (tmp_path / "token").write_text("a-token-of-enough-letters\n")
    plan = ObserverPlan(token_file=tmp_path / "token", allow_control=True)

    page = make_page(plan, tmp_path)

    assert page.settings.token == "a-token-of-enough-letters"  # noqa: S105 - a test's
    assert "enough" not in repr(page.settings)
    assert "enough" not in repr(ObserverPlan(token="a-token-of-enough-letters"))  # type: ignore[arg-type] # noqa: S106

"""What goes wrong with long runs elsewhere, and does not here: sessions left behind, hung and forgotten recoveries."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from attrs import evolve

from tests.tinkex_actors.daemon.runs import RECOVERY, World, at_step, open_world
from tests.tinkex_actors.daemon.test_recovery import WATCHFUL, corrupt, loads
from tinkex_actors.clients import open_rest_client
from tinkex_actors.daemon.errors import PlanError
from tinkex_actors.daemon.plan import CheckpointPlan
from tinkex_actors.daemon.site import RunSite, RunState
from tinkex_actors.local.faults import Fault, FaultKind
from tinkex_actors.settings import Settings
from tinkex_actors.types import SessionStatusQuery


async def active_sessions(world: World) -> int:
    """Count the sessions that the server holds for alive."""
    async with open_rest_client(Settings.local(world.server.url)) as rest:
        return len([one async for one in rest.search_sessions(statuses=[SessionStatusQuery("active")])])


@pytest.mark.parametrize("way", ["done", "drained", "cancelled", "crashed"])
async def test_no_session_is_left_alive_however_a_run_ends(tmp_path: Path, way: str) -> None:
    """Nobody sends heartbeats for a session that nobody uses, and the server is told that it is over."""
    scope = trio.CancelScope()
    acts: dict[str, Callable[[RunSite], object]] = {
        "done": lambda _: None,
        "drained": lambda site: site.stop_wanted.set(),
        "cancelled": lambda _: scope.cancel(),
        "crashed": lambda site: site.journal.kill(),
    }
    async with open_world(tmp_path) as world:
        with scope:
            await world.train(world.plan({"sft": world.run()}), tell=at_step(2, acts[way]))

        assert await active_sessions(world) == 0


async def test_a_recovered_run_is_watched_like_the_first(tmp_path: Path) -> None:
    """Corrupted once more, it is recovered once more."""
    async with open_world(tmp_path) as world:
        hits = set[int]()

        def corrupt_two_lives(site: RunSite) -> None:
            if site.progress.life not in hits and len(hits) < 2 and site.progress.steps_done >= 3:
                hits.add(site.progress.life)
                corrupt(world)

        runs = {"calm": world.run(steps=8), "hit": world.run(steps=8, recovery=WATCHFUL)}
        await world.train(world.plan({"calm": runs["calm"]}))
        endings = await world.train(world.plan({"hit": runs["hit"]}), tell=corrupt_two_lives)

        assert endings["hit"].state is RunState.DONE
        assert hits == {1, 2}
        assert len(loads(world)) >= 2
        assert world.rows("hit") == world.rows("calm")


async def test_an_attempt_that_hangs_holds_up_no_other_run_and_can_be_left(tmp_path: Path) -> None:
    """One of two runs waits for a model that the server never makes: the other is done, and the end is prompt."""
    async with open_world(tmp_path) as world:
        world.faults.set([Fault(kind=FaultKind.STALL, route="POST create_model", seconds=3600.0, count=1)])

        with trio.fail_after(60):
            async with world.daemon(world.plan({"a": world.run(), "b": world.run()})) as daemon:
                async with trio.open_nursery() as nursery:
                    for site in daemon.runs.values():
                        nursery.start_soon(_cancel_after, site.ended, nursery.cancel_scope)
                states = sorted(site.progress.state for site in daemon.runs.values())

        assert states == [RunState.DONE, RunState.STARTING]


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def test_a_run_recovers_from_its_best_checkpoint_where_the_plan_says_so(tmp_path: Path) -> None:
    """The journal knows which checkpoint has which metrics; the one of the highest rate is the first."""
    policy = CheckpointPlan(every_steps=2, keep_best=1, best_metric="learning_rate", best_is_highest=True)
    async with open_world(tmp_path) as world:
        world.faults.set([Fault(kind=FaultKind.STATUS, route="POST optim_step", status=422, skip=5, count=1)])
        run = world.run(checkpoints=policy, recovery=evolve(RECOVERY, checkpoint="best"))

        endings = await world.train(world.plan({"sft": run}))

        assert endings["sft"].state is RunState.DONE
        assert [str(load["path"]).rpartition("/")[2] for load in loads(world)] == ["000002"]
        assert [row["step"] for row in world.rows("sft")] == list(range(6))


async def test_a_checkpoint_that_the_server_has_lost_is_passed_over_for_an_older_one(tmp_path: Path) -> None:
    """Deleted by somebody: the run goes on from what there is, to the same result."""
    async with open_world(tmp_path) as world:
        runs = {name: world.run(checkpoints=CheckpointPlan(every_steps=2, keep_last=9)) for name in ("calm", "hit")}
        await world.train(world.plan(runs), tell=at_step(5, lambda site: site.stop_wanted.set(), run="hit"))
        *_, older, newest = world.rows("hit", "checkpoints.jsonl")
        async with open_rest_client(Settings.local(world.server.url)) as rest:
            await rest.delete_checkpoint_from_tinker_path(newest["state_path"])

        await world.train(world.plan(runs))

        assert loads(world)[-1]["path"] == older["state_path"]
        assert world.rows("hit") == world.rows("calm")


async def test_a_plan_that_was_changed_is_refused_with_its_line(tmp_path: Path) -> None:
    """Whoever changed it finds the place."""
    async with open_world(tmp_path) as world:
        run = world.run(steps=1)
        path = tmp_path / "plan.toml"
        path.write_text("# mine\n[runs.sft]\nsteps = 2\n")
        await world.train(world.plan({"sft": run}, path=path))

        with pytest.raises(PlanError, match=r"plan\.toml, line 3: runs\.sft\.steps: .* was begun with another value"):
            await world.train(world.plan({"sft": evolve(run, steps=2)}, path=path))


async def test_a_server_that_says_nothing_is_told_until_it_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests are asked for again for minutes; whoever looks shall see why nothing moves."""
    monkeypatch.setattr("tinkex_actors.daemon.attempt._SILENCE", 0.05)
    async with open_world(tmp_path) as world:
        mute = Fault(kind=FaultKind.STALL, route="GET training_runs/*", seconds=3600.0)
        slow = Fault(kind=FaultKind.DELAY, route="POST optim_step", seconds=0.5, count=1)
        world.faults.set([mute, slow])
        waited = list[object]()

        def look(site: RunSite) -> None:
            waited.append(site.report()["waiting_for"])

        await world.train(world.plan({"sft": world.run(recovery=WATCHFUL)}), tell=look)

        assert "an answer of the server" in waited
        assert waited[-1] is None


async def test_a_run_that_continues_a_failed_one_fails_with_its_reason(tmp_path: Path) -> None:
    """It would wait for ever for a checkpoint that nobody makes; others are none the worse."""
    async with open_world(tmp_path) as world:
        runs = {
            "sft": world.run(base_model="no/such/model"),
            "rl": world.run(after="sft"),
            "other": world.run(steps=1),
        }

        endings = await world.train(world.plan(runs))

        assert endings["other"].state is RunState.DONE
        assert str(endings["rl"].error) == "run rl continues run sft, which has failed"
        assert endings["rl"].error is not None
        assert endings["rl"].error.__cause__ is endings["sft"].error

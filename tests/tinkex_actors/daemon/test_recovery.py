"""What becomes of a run that fails: how often it is tried again, from what, and who is told."""

import json
from pathlib import Path

import pytest
from attrs import evolve

from tests.tinkex_actors.daemon.runs import RECOVERY, World, at_step, open_world
from tinkex_actors.daemon.errors import RunGaveUp
from tinkex_actors.daemon.plan import RecoveryPlan
from tinkex_actors.daemon.references import Reference
from tinkex_actors.daemon.site import RunSite, RunState
from tinkex_actors.local.faults import Fault, FaultKind
from tinkex_actors.types import ModelId

CALLBACKS = """
import json
from pathlib import Path

TOLD = Path({folder!r}) / "told.jsonl"

def recovered(told):
    write("recovered", told)

async def gave_up(told):
    write("gave up", told)

def write(what, told):
    line = [what, told.run, told.life, told.attempts, type(told.error).__name__, str(told.error)]
    with TOLD.open("a") as file:
        file.write(json.dumps(line) + "\\n")
"""
WATCHFUL = evolve(RECOVERY, poll_seconds=0.01)


def with_callbacks(recovery: RecoveryPlan, folder: Path, module: str) -> RecoveryPlan:
    """Write a module of callbacks that note what they are told, and name them in *recovery*."""
    (folder / f"{module}.py").write_text(CALLBACKS.format(folder=str(folder)))
    recovered, gave_up = Reference(f"{module}:recovered"), Reference(f"{module}:gave_up")
    return evolve(recovery, on_recovered=recovered, on_gave_up=gave_up)


def told(folder: Path) -> list[list[object]]:
    """Read what the callbacks noted."""
    return [json.loads(line) for line in (folder / "told.jsonl").read_text().splitlines()]


def corrupt(world: World) -> None:
    """Have the server say of every model that it is corrupted, and leave time to hear it before the next step."""
    world.faults.set([Fault(kind=FaultKind.DELAY, seconds=0.3, route="POST optim_step", count=1)])
    for record in world.server.service.runs.records.values():
        record.is_corrupted = True


def loads(world: World) -> list[dict[str, object]]:
    """Say which checkpoints were loaded, and how."""
    return [one.parameters or {} for one in world.deeds() if one.kind == "load_weights"]


def saved_before_loading(world: World) -> set[str]:
    """Say which checkpoints there were when the first was loaded."""
    deeds = world.deeds()
    place = next(place for place, one in enumerate(deeds) if one.kind == "load_weights")
    saves = [one for one in deeds[:place] if one.kind == "save_weights"]
    return {f"tinker://{one.model}/weights/{(one.parameters or {})['name']}" for one in saves}


@pytest.mark.tinkex("T96", "T99", "F285", "F320", "F321", "F322", "F325")
async def test_a_run_that_the_server_holds_for_corrupted_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    """A new model, with the optimizer's state, in a new life that is watched like the first; the result is the same."""
    async with open_world(tmp_path) as world:
        recovery = with_callbacks(WATCHFUL, tmp_path, "tinkex_told")
        await world.train(world.plan({"calm": world.run(steps=8)}))
        of_calm = {str(row["state_path"]) for row in world.rows("calm", "checkpoints.jsonl")}
        hit = world.run(steps=8, recovery=recovery)
        endings = await world.train(world.plan({"hit": hit}), tell=at_step(3, lambda _: corrupt(world)))

        assert endings["hit"].state is RunState.DONE
        assert world.rows("hit") == world.rows("calm")
        [[path, optimizer]] = [list(load.values()) for load in loads(world)]
        assert path in saved_before_loading(world) - of_calm
        assert optimizer is True
        [[what, run, life, attempts, kind, words]] = told(tmp_path)
        assert (what, run, life, attempts, kind) == ("recovered", "hit", 1, 1, "LifeLost")
        assert "for corrupted" in str(words)


async def test_a_recovered_run_is_watched_again_and_the_old_one_is_over(tmp_path: Path) -> None:
    """Corrupted twice: three lives; and the server takes nothing more for a model that was given up."""
    async with open_world(tmp_path) as world:
        first, second = at_step(3, lambda _: corrupt(world)), at_step(6, lambda _: corrupt(world))

        def tell(site: RunSite) -> None:
            first(site)
            second(site)

        run = world.run(steps=9, recovery=WATCHFUL)
        endings = await world.train(world.plan({"sft": run}), tell=tell)

        assert endings["sft"].state is RunState.DONE
        models = list(dict.fromkeys(one.model for one in world.deeds()))
        assert len(models) == 3
        records = world.server.service.runs.records
        assert all(records[ModelId(model)].ended is not None for model in models)


@pytest.mark.tinkex("T97")
async def test_a_sound_run_is_asked_about_and_left_alone(tmp_path: Path) -> None:
    """However often the server is asked, one life and no load."""
    async with open_world(tmp_path) as world:
        asked = Fault(kind=FaultKind.DELAY, seconds=0.0, route="GET training_runs/*")
        world.faults.set([asked])
        endings = await world.train(world.plan({"sft": world.run(recovery=WATCHFUL)}))

        assert endings["sft"].state is RunState.DONE
        assert world.faults.struck[0] > 0
        assert not loads(world)


@pytest.mark.tinkex("T98")
async def test_without_recovery_the_first_failure_is_the_end(tmp_path: Path) -> None:
    """For who wants to look before anything goes on."""
    async with open_world(tmp_path) as world:
        run = world.run(recovery=evolve(WATCHFUL, enabled=False))
        endings = await world.train(world.plan({"sft": run}), tell=at_step(3, lambda _: corrupt(world)))

        assert endings["sft"].state is RunState.FAILED
        assert isinstance(endings["sft"].error, RunGaveUp)
        assert not loads(world)


@pytest.mark.tinkex("T100")
async def test_attempts_that_all_fail_end_with_the_last_reason(tmp_path: Path) -> None:
    """Two are allowed: one recovery is tried, then the run is given up, and whoever is to be told is."""
    async with open_world(tmp_path) as world:
        recovery = with_callbacks(evolve(RECOVERY, max_attempts=2), tmp_path, "tinkex_gone")

        def refuse(_: RunSite) -> None:
            world.faults.set([Fault(kind=FaultKind.STATUS, route="POST optim_step", status=422)])

        run = world.run(recovery=recovery)
        endings = await world.train(world.plan({"sft": run}), tell=at_step(3, refuse))

        assert endings["sft"].state is RunState.FAILED
        assert "gave up after 2 failed attempts" in str(endings["sft"].error)
        lines = told(tmp_path)
        assert [(line[0], line[3]) for line in lines] == [("recovered", 1), ("gave up", 2)]
        assert {line[4] for line in lines} == {"UnprocessableEntityError"}


@pytest.mark.parametrize("callback", ["slow", "wrong"])
async def test_a_callback_that_is_slow_or_wrong_holds_nobody_up(callback: str, tmp_path: Path) -> None:
    """The run it is told of goes on: a callback has a deadline, and no say."""
    (tmp_path / "tinkex_bad.py").write_text(
        "import trio\nasync def slow(told):\n    await trio.sleep_forever()\ndef wrong(told):\n    raise LookupError\n"
    )
    async with open_world(tmp_path) as world:
        bad = Reference(f"tinkex_bad:{callback}")
        run = world.run(steps=4, recovery=evolve(WATCHFUL, on_recovered=bad, callback_seconds=0.05))
        endings = await world.train(world.plan({"sft": run}), tell=at_step(2, lambda _: corrupt(world)))

        assert endings["sft"].state is RunState.DONE
        assert len({one.model for one in world.deeds()}) > 1

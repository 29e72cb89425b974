"""The daemon in a program: it begins, resumes, recovers and stops."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
import trio
from attrs import evolve

from tests.tinkex_actors.daemon.runs import RECOVERY, at_step, open_world
from tinkex_actors.clients import open_tinker
from tinkex_actors.daemon.asking import ASKED, ask_to_save
from tinkex_actors.daemon.entries import MARK
from tinkex_actors.daemon.errors import BudgetSpent, DataError, FolderLocked, PlanError, RunFolderError, RunGaveUp
from tinkex_actors.daemon.journal_store import JournalStore
from tinkex_actors.daemon.plan import CheckpointPlan, EvaluationPlan, LimitsPlan, ProbePlan
from tinkex_actors.daemon.references import Reference
from tinkex_actors.daemon.site import RunSite, RunState
from tinkex_actors.local.faults import Fault, FaultKind
from tinkex_actors.local.limits import Limits
from tinkex_actors.settings import Settings
from tinkex_actors.types import ClientSessionFinished, SessionActive

GONE = 2**22 + 1
"""No process has this number: it is above the highest."""


async def test_a_plan_is_trained_and_a_second_start_finds_it_done(tmp_path: Path) -> None:
    """One row a step, the checkpoints that the policy keeps, and nothing more on the server the second time."""
    async with open_world(tmp_path) as world:
        plan = world.plan({"sft": world.run()})
        endings = await world.train(plan)
        done = len(world.deeds())
        again = await world.train(plan)

        assert endings["sft"].state is again["sft"].state is RunState.DONE
        assert [row["step"] for row in world.rows("sft")] == list(range(6))
        assert [(row["batch"], row.get("final")) for row in world.rows("sft", "checkpoints.jsonl")] == [
            (4, None),
            (6, True),
        ]
        assert len(world.deeds()) == done


async def test_a_run_that_was_done_before_is_told_as_it_ended(tmp_path: Path) -> None:
    """A second start trains nothing, and still says how far the run came, with its last loss and checkpoint."""
    async with open_world(tmp_path) as world:
        plan = world.plan({"sft": world.run()})
        reports: list[Mapping[str, object]] = []
        for _ in range(2):
            async with world.daemon(plan) as daemon:
                with trio.fail_after(60):
                    await daemon.wait()
                reports.append(daemon.runs["sft"].report())

    assert reports[0] == reports[1]
    assert reports[1]["step"] == reports[1]["steps"] == 6


async def test_a_drained_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """Stopped after three of six steps and started again: weights and metrics are those of an undisturbed run."""
    async with open_world(tmp_path) as world:
        plan = world.plan({"calm": world.run(), "stopped": world.run()})

        drain = at_step(3, lambda site: site.stop_wanted.set(), run="stopped")
        first = await world.train(plan, tell=drain)
        await world.train(plan)

        assert first["stopped"].state is RunState.STOPPED
        assert first["calm"].state is RunState.DONE
        assert world.rows("stopped") == world.rows("calm")
        seen = Counter(one.weights for one in world.deeds() if one.kind == "optim_step")
        assert list(seen.values()) == [2] * 6  # each state of the weights once in each run, and no other


async def test_a_second_daemon_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    """Two writers would make one mess."""
    async with open_world(tmp_path) as world:
        plan = world.plan({"sft": world.run()})
        async with world.daemon(plan):
            with pytest.raises(FolderLocked, match="is in use by process"):
                await world.train(plan)


async def test_another_plan_or_other_data_are_refused_with_the_keys(tmp_path: Path) -> None:
    """What has been trained so far would belong to neither."""
    async with open_world(tmp_path) as world:
        await world.train(world.plan({"sft": world.run()}), tell=at_step(2, lambda site: site.stop_wanted.set()))

        with pytest.raises(PlanError, match=r"runs\.sft\.learning_rate"):
            await world.train(world.plan({"sft": world.run(learning_rate=0.1)}))
        (tmp_path / "data.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
        endings = await world.train(world.plan({"sft": world.run()}))
        assert isinstance(endings["sft"].error, DataError)


async def test_a_server_that_fails_an_operation_is_recovered_from(tmp_path: Path) -> None:
    """A failed future ends the life; the next begins from the last checkpoint, and the result is the same."""
    async with open_world(tmp_path) as world:
        await world.train(world.plan({"calm": world.run()}))
        world.faults.set([Fault(kind=FaultKind.STATUS, route="POST optim_step", status=422, skip=4, count=1)])

        endings = await world.train(world.plan({"hit": world.run()}))

        assert endings["hit"].state is RunState.DONE
        assert world.rows("hit") == world.rows("calm")


async def test_the_journal_may_crash_while_a_run_trains(tmp_path: Path) -> None:
    """The run's subtree begins anew, from what the journal has; nothing is lost or doubled in the result."""
    async with open_world(tmp_path) as world:
        plan = world.plan({"calm": world.run(), "hit": world.run()})

        crash = at_step(3, lambda site: site.journal.kill(), run="hit")
        endings = await world.train(plan, tell=crash)

        assert endings["hit"].state is RunState.DONE
        assert world.rows("hit") == world.rows("calm")


async def test_a_loop_with_a_bug_gives_up_and_leaves_the_others_alone(tmp_path: Path) -> None:
    """Its own limit, its own report."""
    (tmp_path / "tinkex_buggy.py").write_text("async def train(loop):\n    raise LookupError('a bug')\n")
    async with open_world(tmp_path) as world:
        buggy = world.run(loop=Reference("tinkex_buggy:train"), data=None)

        endings = await world.train(world.plan({"buggy": buggy, "fine": world.run()}))

        assert endings["fine"].state is RunState.DONE
        assert isinstance(endings["buggy"].error, RunGaveUp)
        assert "a bug" in str(endings["buggy"].error)


async def test_the_strategy_decides_what_a_failed_run_takes_along(tmp_path: Path) -> None:
    """With one_for_all, the others save and stop."""
    async with open_world(tmp_path) as world:
        bad = world.run(base_model="no/such/model")
        plan = world.plan({"bad": bad, "long": world.run(steps=500)}, strategy="one_for_all")

        endings = await world.train(plan)

        assert endings["bad"].state is RunState.FAILED
        assert endings["long"].state is RunState.STOPPED


async def test_a_run_begins_from_the_last_checkpoint_of_another(tmp_path: Path) -> None:
    """``after``: it waits, then continues those weights with a fresh optimizer."""
    async with open_world(tmp_path) as world:
        plan = world.plan({"second": world.run(after="first", steps=2), "first": world.run(steps=2)})

        endings = await world.train(plan)

        assert {ending.state for ending in endings.values()} == {RunState.DONE}
        final = world.rows("first", "checkpoints.jsonl")[-1]["state_path"]
        loaded = [one.parameters for one in world.deeds() if one.kind == "load_weights"]
        assert loaded == [{"path": final, "optimizer": False}]


async def test_a_spent_budget_stops_on_a_checkpoint_and_a_higher_one_goes_on(tmp_path: Path) -> None:
    """Counted before it is sent: not one token more than allowed."""
    async with open_world(tmp_path) as world:
        run = world.run(checkpoints=CheckpointPlan())
        endings = await world.train(world.plan({"sft": run}, limits=LimitsPlan(max_tokens=150)))
        spent = sum(row["num_tokens"] for row in world.rows("sft"))

        assert isinstance(endings["sft"].error, BudgetSpent)
        assert 0 < spent <= 150
        assert world.rows("sft", "checkpoints.jsonl")[-1]["elapsed_tokens"] == spent
        assert (await world.train(world.plan({"sft": run})))["sft"].state is RunState.DONE


async def test_a_checkpoint_on_demand_lies_between_two_steps(tmp_path: Path) -> None:
    """However deeply the loop pipelines, the state has exactly the steps that its name says."""
    async with open_world(tmp_path) as world:
        run = world.run(checkpoints=CheckpointPlan(keep_last=9), pipeline=3)

        def ask(site: RunSite) -> None:
            site.wants_checkpoint = True

        await world.train(world.plan({"sft": run}), tell=at_step(1, ask))

        steps = 0
        for one in world.deeds():
            steps += one.kind == "optim_step"
            if one.kind == "save_weights":
                assert one.parameters == {"name": f"{steps:06d}"}
        assert len(world.rows("sft", "checkpoints.jsonl")) == 2


async def test_two_daemons_live_in_one_program(tmp_path: Path) -> None:
    """Nothing is global."""
    async with open_world(tmp_path) as world, trio.open_nursery() as nursery:
        for name in ("a", "b"):
            nursery.start_soon(world.train, world.plan({name: world.run(steps=2)}))

    assert (world.rows("a"), len(world.rows("b"))) == (world.rows("b"), 2)


LOSS = """
import numpy as np

def squares(data, logprobs):
    value = sum(float(np.square(array).sum()) for array in logprobs)
    return value, [2 * array for array in logprobs]
"""


async def test_a_loss_of_ones_own_is_trained_and_told_by_its_value(tmp_path: Path) -> None:
    """Evaluated here, on the server's log-probabilities; repeated after a crash like any other step."""
    (tmp_path / "tinkex_squares.py").write_text(LOSS)
    async with open_world(tmp_path) as world:
        runs = {name: world.run(loss="tinkex_squares:squares", steps=4) for name in ("calm", "hit")}

        crash = at_step(3, lambda site: site.journal.kill(), run="hit")
        endings = await world.train(world.plan(runs), tell=crash)

        assert {ending.state for ending in endings.values()} == {RunState.DONE}
        assert world.rows("hit") == world.rows("calm")
        assert world.rows("calm")[3]["train_loss"] < world.rows("calm")[0]["train_loss"]


async def test_probes_are_answered_for_people_to_read(tmp_path: Path) -> None:
    """Each once, whatever is done again, and the training is what it is without them."""
    async with open_world(tmp_path) as world:
        probes = ProbePlan(prompts=("What is 1?", "Who?"), every_steps=2, max_tokens=4)
        runs = {"plain": world.run(), "probed": world.run(probes=probes)}

        await world.train(world.plan(runs))

        assert [(row["step"], row["prompt"]) for row in world.rows("probed", "samples.jsonl")] == [
            (step, prompt) for step in (0, 2, 4) for prompt in probes.prompts
        ]
        assert world.rows("probed") == world.rows("plain")


async def test_evaluation_and_probes_pass_the_same_door_as_training(tmp_path: Path) -> None:
    """One operation at a time for all runs together: nothing goes past the door, and nobody waits for ever."""
    async with open_world(tmp_path) as world:
        most = list[int]()
        extra = {
            "evaluation": EvaluationPlan(data=tmp_path / "data.jsonl", every_steps=2),
            "probes": ProbePlan(prompts=("What is 1?",), every_steps=3, max_tokens=2),
        }
        runs = {name: world.run(steps=4, **extra) for name in "ab"}

        def look(site: RunSite) -> None:
            most.append(site.admission.operations)

        plan = world.plan(runs, limits=LimitsPlan(operations_in_flight=1))
        endings = await world.train(plan, tell=look)

        assert {ending.state for ending in endings.values()} == {RunState.DONE}
        assert max(most) <= 1
        assert [row["step"] for row in world.rows("a") if "test/nll" in row] == [0, 2]
        assert world.rows("a") == world.rows("b")


async def test_a_run_that_the_server_has_no_room_for_waits_in_line(tmp_path: Path) -> None:
    """Two models fit, three runs are to be trained: the third says why it waits, and begins when the others are gone."""
    async with open_world(tmp_path, limits=Limits(max_models=2)) as world:
        waited = set[str]()

        def look(site: RunSite) -> None:
            if site.report()["waiting_for"] == "room for one more model on the server":
                waited.add(site.name)
                for name in daemon.runs.keys() - waited:
                    daemon.drain(runs=[name])

        plan = world.plan(dict.fromkeys("abc", world.run(steps=50, recovery=evolve(RECOVERY, max_attempts=1))))
        async with world.daemon(plan, tell=look) as daemon:
            with trio.fail_after(60):
                endings = await daemon.wait()

        (third,) = waited
        done = {name for name, ending in endings.items() if ending.state is RunState.DONE}
        assert (len(endings), done) == (3, {third})


async def test_a_run_that_waits_for_room_can_be_stopped(tmp_path: Path) -> None:
    """It has nothing to save, and is resumable like any other."""
    async with open_world(tmp_path, limits=Limits(max_models=1)) as world:
        run = world.run(steps=400, recovery=evolve(RECOVERY, backoff_seconds=30.0, backoff_max_seconds=60.0))
        plan = world.plan({"a": run, "b": run})

        def stop(site: RunSite) -> None:
            if site.report()["waiting_for"]:
                for name in daemon.runs:
                    daemon.drain(runs=[name])

        async with world.daemon(plan, tell=stop) as daemon:
            with trio.fail_after(30):
                endings = await daemon.wait()

        assert {ending.state for ending in endings.values()} == {RunState.STOPPED}


async def test_a_session_that_nobody_wrote_down_is_found_by_its_mark_and_finished(tmp_path: Path) -> None:
    """A process may die between opening a session and writing down its id."""
    async with open_world(tmp_path) as world:
        plan = world.plan({"sft": world.run()})
        await world.train(plan, tell=at_step(2, lambda site: site.stop_wanted.set()))
        store = JournalStore.open(tmp_path / "runs" / "sft")
        mark = {MARK: store.known().mark}
        store.close()
        async with open_tinker(evolve(Settings.local(world.server.url), user_metadata=mark)) as orphan:
            await world.train(plan)

            found = orphan.create_rest_client().search_sessions(user_metadata=mark)
            statuses = {one.session_id: one.status async for one in found}

    assert len(statuses) == 3
    assert isinstance(statuses[orphan.session_id], ClientSessionFinished)
    assert SessionActive() not in statuses.values()


async def test_a_file_in_the_folder_asks_for_a_checkpoint(tmp_path: Path) -> None:
    """Whoever may write the folder may ask, also for one run of many; the request is taken away with it."""
    async with open_world(tmp_path) as world:
        run = world.run(checkpoints=CheckpointPlan(keep_last=9))

        pids = list[int]()
        ask = at_step(2, lambda site: pids.append(ask_to_save(site.folder)), run="asked")
        await world.train(world.plan({"asked": run, "left": run}), tell=ask)

        assert pids == [os.getpid()]
        assert [len(world.rows(name, "checkpoints.jsonl")) for name in ("asked", "left")] == [2, 1]
        assert not (tmp_path / "runs" / "asked" / ASKED).exists()


async def test_nobody_is_asked_where_nobody_works(tmp_path: Path) -> None:
    """The folder of a run that is over, and one that is none."""
    async with open_world(tmp_path) as world:
        await world.train(world.plan({"sft": world.run(steps=1)}))
        (tmp_path / "runs" / "sft" / "lock").write_text(f"{GONE}\n")

    with pytest.raises(RunFolderError, match="no process works in"):
        ask_to_save(tmp_path / "runs" / "sft")
    with pytest.raises(RunFolderError, match="is no run folder"):
        ask_to_save(tmp_path)

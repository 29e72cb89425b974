"""A seed and its faults decide the whole run; a failure comes back exactly, with the fewest faults."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from supervisors import (
    Actor,
    ActorCrashed,
    CallError,
    ChildStarted,
    Ref,
    TaskStopped,
    TaskSupervisor,
    open_supervisor,
)
from supervisors.testing import EventLog, Fault, Faults, InjectedCrash, SimulationFailed, Stuck, simulate
from supervisors.testing._simulate import _find_two_lives

STORM = Faults(crash=0.1, delay=0.2, kill=0.05, fail_restart=0.2)


class Till(Actor):
    """Books payments. With the bug, a payment is booked in two steps that a crash can part."""

    def __init__(self, ledger: list[int]) -> None:
        self.ledger = ledger

    async def pay(self, amount: int) -> int:
        self.ledger.append(amount)
        return sum(self.ledger)


async def two_payers() -> list[int]:
    """Pay ten times from two tasks, and give up on payments that fail."""
    ledger: list[int] = []

    async def payer(till: Ref[Till]) -> None:
        for amount in range(10):
            try:
                with trio.move_on_after(0.5):
                    await till.call(Till.pay, amount)
            except CallError:
                await trio.sleep(0.1 * random.random())  # noqa: S311 - seeded

    async with open_supervisor(max_restarts=1000) as root:
        till = await root.start_child(lambda: Till(ledger), name="till")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(payer, till)
            nursery.start_soon(payer, till)
    return ledger


async def pays_twice() -> None:
    """The planted bug: who retries after a crash pays twice when the crash came after the booking."""
    ledger: list[int] = []
    async with open_supervisor(max_restarts=1000) as root:
        till = await root.start_child(lambda: Till(ledger), name="till")
        for amount in range(10):
            paid = False
            while not paid:
                try:
                    await till.call(Till.pay, amount)
                    paid = True
                except CallError:
                    continue
    assert ledger == list(range(10)), ledger


def test_one_seed_is_one_run_to_the_byte() -> None:
    """Otherwise a failure seen once could not be looked at."""
    first = simulate(two_payers, seed=7, faults=STORM)

    assert first.faults, "the storm is to blow"
    assert simulate(two_payers, seed=7, faults=STORM) == first
    assert simulate(two_payers, seed=7, faults=STORM).log.encode() == first.log.encode()


def test_the_faults_of_a_run_given_as_a_list_make_the_same_run() -> None:
    """That is how a report is replayed."""
    first = simulate(two_payers, seed=3, faults=STORM)

    assert simulate(two_payers, seed=3, faults=first.faults) == first


def test_another_seed_is_another_order_of_tasks() -> None:
    """Without any fault, too: the order is what is searched."""
    schedules = {simulate(two_payers, seed=seed).schedule for seed in range(10)}

    assert len(schedules) > 5


def test_a_run_is_the_same_in_another_process() -> None:
    """Hashes of strings and addresses of objects differ there, and must not matter."""
    program = (
        "from tests.supervisors.testing.test_simulate import STORM, two_payers\n"
        "from supervisors.testing import simulate\n"
        "run = simulate(two_payers, seed=11, faults=STORM)\n"
        "print(run.schedule, run.steps)\nprint(run.log, end='')\n"
    )

    printed = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, cwd=Path(__file__).parents[3],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": "."},
        ).stdout
        for hash_seed in ("1", "2")
    }  # fmt: skip

    here = simulate(two_payers, seed=11, faults=STORM)
    assert printed == {f"{here.schedule} {here.steps}\n{here.log}".encode()}


def test_a_planted_bug_is_found_and_told_with_one_fault() -> None:
    """The seed and one crash after a booking are all that it takes; whatever else went wrong is left out."""

    def search() -> None:
        for seed in range(50):
            simulate(pays_twice, seed=seed, faults=STORM)

    with pytest.raises(SimulationFailed) as failed:
        search()

    report = failed.value
    assert [fault.kind.value for fault in report.faults] == ["crash after"]
    assert isinstance(report.__cause__, AssertionError)
    assert f"simulate(main, seed={report.seed}, faults=[\n    {report.faults[0]!r},\n])" in str(report)


def test_a_reported_failure_replays_with_an_identical_log() -> None:
    """What the message says is to be typed in, and must do what it says."""
    faults = [Fault("root/till", 4, "crash after")]
    logs: list[str] = []
    for _ in range(2):
        with pytest.raises(SimulationFailed) as failed:
            simulate(pays_twice, seed=5, faults=faults)
        logs.append(failed.value.simulation.log)

    assert logs[0] == logs[1]
    assert "fault: crash after at message 4 of root/till" in logs[0]


def test_what_fails_without_faults_is_told_so() -> None:
    """An order of tasks alone may break a program."""

    async def wrong() -> None:
        raise ValueError("always")

    with pytest.raises(SimulationFailed, match=r"ValueError: always\n.*0 of 0(.|\n)*faults=\[\]\)"):
        simulate(wrong, seed=1, faults=STORM)


def test_a_program_that_waits_for_ever_is_stuck_not_hung() -> None:
    """Virtual time has an end; the report says what was under way."""

    class Deaf(Actor):
        async def listen(self) -> None:
            await trio.sleep_forever()

    async def main() -> None:
        async with open_supervisor() as root:
            deaf = await root.start_child(Deaf, name="deaf")
            await deaf.call(Deaf.listen)

    with pytest.raises(SimulationFailed, match="3600 virtual seconds; operations under way: root/deaf: listen") as it:
        simulate(main, seed=1)
    assert isinstance(it.value.__cause__, Stuck)


def test_a_program_that_runs_for_ever_is_stuck_not_hung() -> None:
    """One that never waits never lets virtual time pass: its steps are counted instead."""

    async def spin() -> None:
        while True:
            await trio.lowlevel.checkpoint()

    with pytest.raises(SimulationFailed, match="not finished after 500 steps"):
        simulate(spin, seed=1, max_steps=500)


def test_a_cancelled_program_stops_in_order_and_has_not_failed() -> None:
    """A signal may come at any message."""
    run = simulate(two_payers, seed=1, faults=[Fault("root/till", 3, "cancel")])

    assert run.log.splitlines()[-1].endswith("ChildStopped path=root/till life=1 exit=shutdown")


def test_a_first_start_that_fails_is_the_programs_to_see() -> None:
    """start_child raises it, as it would any other."""
    with pytest.raises(SimulationFailed, match="root/till did not start: InjectedCrash"):
        simulate(two_payers, seed=1, faults=[Fault("root/till", 1, "fail start")])


def test_a_delay_holds_the_turn_for_its_seconds() -> None:
    """Callers with a timeout are gone when their operation would begin."""
    run = simulate(two_payers, seed=1, faults=[Fault("root/till", 20, "delay", 0.25)])

    assert run.seconds == 0.25


def test_a_crash_reaches_the_caller_as_any_other() -> None:
    """Injected faults go the way of real ones."""
    seen: list[BaseException | None] = []

    async def main() -> None:
        async with open_supervisor() as root:
            till = await root.start_child(lambda: Till([]), name="till")
            with pytest.raises(ActorCrashed) as crash:
                await till.call(Till.pay, 1)
            seen.append(crash.value.__cause__)

    simulate(main, seed=1, faults=[Fault("root/till", 1, "crash before")])

    assert str(seen[0]) == "crash before at message 1 of root/till"


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("crash before", "InjectedCrash, 0 done"),
        ("crash after", "InjectedCrash, 1 done"),
        ("fail start", "InjectedCrash, 0 done"),
        ("kill", "TaskStopped, 0 done"),
        ("delay", "value, 1 done"),
    ],
)
def test_a_task_is_one_message(kind: str, end: str) -> None:
    """Its whole work, before or after which something goes wrong; whoever waits for it is told."""
    seen: list[str] = []
    done: list[int] = []

    async def work() -> None:
        await trio.sleep(1)
        done.append(1)

    async def main() -> None:
        done.clear()
        async with open_supervisor() as root:
            tasks = TaskSupervisor(await root.start_supervisor("tasks", dynamic=True))
            try:
                await tasks.run(work)
            except (InjectedCrash, TaskStopped) as error:
                seen.append(f"{type(error).__name__}, {len(done)} done")
            else:
                seen.append(f"value, {len(done)} done")

    run = simulate(main, seed=1, faults=[Fault("root/tasks/work-1", 1, kind, 0.5 if kind == "delay" else 0.0)])
    assert len(run.faults) == 1
    assert seen == [end]


def test_looking_at_an_actor_is_no_message() -> None:
    """The numbers of messages are those of the program's own: a test that looks changes nothing."""

    async def main() -> None:
        async with open_supervisor() as root:
            till = await root.start_child(lambda: Till([]), name="till")
            assert await till.get_state(lambda actor: actor.ledger) == []
            await till.call(Till.pay, 1)

    run = simulate(main, seed=1, faults=[Fault("root/till", 1, "delay", 2.0)])

    assert run.seconds == 2.0


def test_an_interrupt_is_not_the_programs_failure() -> None:
    """Ctrl-C in a long search ends the search."""

    async def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(main, seed=1)


def test_two_lives_of_one_child_at_once_are_a_failure() -> None:
    """The invariant every tree has, whatever it asserts itself: judged from the events."""
    log = EventLog()
    for life in (1, 2):
        log.notify(ChildStarted(0.0, "root/a", life))

    assert str(_find_two_lives(log)) == "life 2 of root/a began while life 1 was not over"


def test_a_life_that_outlives_its_tree_is_a_failure() -> None:
    """No task may be left behind."""
    log = EventLog()
    log.notify(ChildStarted(0.0, "root/a", 1))

    assert str(_find_two_lives(log)) == "life 1 of root/a did not end with its tree"

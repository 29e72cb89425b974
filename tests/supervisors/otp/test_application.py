"""Applications: what a program's outermost block promises about start, stop and signals: AP-01 to AP-14."""
# ruff: noqa: ARG001, PT012 - a test has virtual time by naming the clock; what escapes a whole block is the point

import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    Actor,
    AlreadyStarted,
    ChildKilled,
    Exit,
    RestartLimitExceeded,
    StartError,
    Supervisor,
    SupervisorSpec,
    open_supervisor,
    run,
)
from tests.supervisors.otp.actors import Boom, Diary, EventLog, Part, cast_of, settle

ROOT = Path(__file__).parents[3]


def app(diary: Diary, name: str, *parts: Part, restart: str = "permanent") -> SupervisorSpec:
    """A part of a program: a supervisor with its children."""
    children = [part.spec() for part in (Part(diary, name), *parts)]
    return SupervisorSpec(f"app-{name}", children=children, restart=restart)


@pytest.mark.otp("AP-01", "AP-07")
async def test_a_part_of_a_program_is_started_once_whoever_asks(autojump_clock: MockClock) -> None:
    """All who ask at once hear of the same instance: one has started it, the others are told where it is."""
    diary = Diary()
    answers: list[object] = []

    async def ensure(root: Supervisor) -> None:
        try:
            answers.append(await root.start_supervisor(app(diary, "a", Part(diary, "slow", start_takes=1))))
        except AlreadyStarted as error:
            answers.append(error.ref)

    async with open_supervisor() as root:
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(ensure, root)
        assert answers == [root.supervisor("app-a")] * 4
        assert diary.entries == ["a starts", "slow starts"]


@pytest.mark.otp("AP-03", "AP-04", "AP-14")
async def test_a_chain_that_fails_unwinds_what_it_started_and_names_the_culprit(autojump_clock: MockClock) -> None:
    """What ran before stays; the error carries the whole path to the cause."""
    diary = Diary()
    culprit = Part(diary, "culprit", failing_starts=math.inf)
    async with open_supervisor() as root:
        await root.start_supervisor(app(diary, "before"))
        diary.take()
        chain = SupervisorSpec("chain", children=[app(diary, "a"), app(diary, "b", culprit), app(diary, "c")])
        with pytest.raises(StartError) as caught:
            await root.start_supervisor(chain)
        assert diary.entries == ["a starts", "b starts", "culprit fails", "b stops", "a stops"]
        messages: list[str] = []
        error: BaseException | None = caught.value
        while error is not None:
            messages.append(str(error))
            error = error.__cause__
        assert "root/chain/app-b/culprit did not start" in "\n".join(messages)
        assert messages[-1] == "culprit"
        assert [child.name for child in root.which_children()] == ["app-before"]


@pytest.mark.otp("AP-06")
async def test_a_part_that_fails_for_good_ends_the_program(autojump_clock: MockClock) -> None:
    """A start that fails is an error of the starter, and the program lives; a later failure escalates out of it."""
    diary = Diary()
    failing = Part(diary, "failing", failing_starts=1)
    with pytest.raises(RestartLimitExceeded):
        async with open_supervisor(max_restarts=0) as root:
            with pytest.raises(StartError):
                await root.start_supervisor(app(diary, "a", failing, restart="transient"))
            await root.start_supervisor(app(diary, "a", failing, restart="transient"))
            failing.failing_starts = math.inf
            for _ in range(5):
                inner = root.supervisor("app-a")
                inner.child("failing").kill()  # type: ignore[union-attr]  # an actor
                await settle()
            await trio.sleep_forever()


@pytest.mark.otp("AP-08", "AP-09")
async def test_what_follows_the_tree_runs_however_the_tree_ended(autojump_clock: MockClock) -> None:
    """A stop callback is code behind the block: it runs when all children are gone, also after giving up."""
    diary = Diary()

    async def program(*, is_killed: bool) -> None:
        try:
            async with open_supervisor(max_restarts=0) as root:
                ref = await root.start_child(Part(diary, "a", stop_takes=1).spec())
                if is_killed:
                    ref.kill()
                    await trio.sleep_forever()
        finally:
            diary.entries.append("after the tree")

    await program(is_killed=False)
    assert diary.take() == ["a starts", "a stops", "after the tree"]
    with pytest.raises(RestartLimitExceeded):
        await program(is_killed=True)
    assert diary.take() == ["a starts", "after the tree"]


@pytest.mark.otp("AP-10")
async def test_a_program_ends_within_its_budget_whatever_its_children_allow_themselves(
    autojump_clock: MockClock,
) -> None:
    """On top of each child's own budget there is one for all: what is left then is killed, and reported."""
    diary = Diary()
    log = EventLog()
    slow = [part.spec(shutdown=100) for part in cast_of(diary, "ab")]
    inner = SupervisorSpec("inner", children=[Part(diary, "c", stop_takes=99).spec(shutdown=math.inf)])
    for spec in slow:
        assert spec.shutdown == 100
    async with open_supervisor(shutdown=1.0, children=[*slow, inner], observers=[log]):
        pass
    assert trio.current_time() == 1
    assert diary.entries == ["a starts", "b starts", "c starts"]
    assert sorted(event.path for event in log.of(ChildKilled)) == ["root/a", "root/b", "root/inner/c"]


@pytest.mark.otp("AP-10")
async def test_a_child_stuck_in_its_start_does_not_hold_up_the_end(autojump_clock: MockClock) -> None:
    """A stop order cancels it: the budget is not even needed."""
    diary = Diary()
    async with open_supervisor(shutdown=1.0) as root, trio.open_nursery() as nursery:

        async def start() -> None:
            with pytest.raises(StartError):
                await root.start_child(Part(diary, "stuck", start_takes=math.inf).spec())

        nursery.start_soon(start)
        await settle()
        root.stop()
    assert trio.current_time() == 0


@pytest.mark.otp("AP-11")
async def test_the_tree_can_be_looked_at_while_it_stops(autojump_clock: MockClock) -> None:
    """A clean-up that waits for somebody who inspects its tree does not wait for ever: looking never waits."""
    seen: list[str] = []

    class Inspected(Actor):
        async def on_stop(self, reason: Exit, /) -> None:
            """Wait for the inspector."""
            assert reason.is_clean
            inspected.set()
            await looked.wait()

    inspected, looked = trio.Event(), trio.Event()

    async def inspect(root: Supervisor) -> None:
        await inspected.wait()
        seen.append(root.which_children()[0].status)
        looked.set()

    async with trio.open_nursery() as nursery, open_supervisor() as root:
        await root.start_child(Inspected)
        nursery.start_soon(inspect, root)
    assert seen == ["stopping"]


def test_run_returns_what_main_returns_and_raises_what_it_raises() -> None:
    """Bare, as if it had been called."""

    async def main(number: int) -> int:
        await trio.lowlevel.checkpoint()
        if number < 0:
            raise Boom(number)
        return number

    assert run(main, 3) == 3
    with pytest.raises(Boom):
        run(main, -1)


PROGRAM = textwrap.dedent("""
    import os, sys, trio
    from supervisors import Actor, ChildSpec, open_supervisor, run

    class Worker(Actor):
        def __init__(self, name, seconds):
            self.name, self.seconds = name, seconds

        async def on_stop(self, reason, /):
            print(self.name, "stopping", flush=True)
            await trio.sleep(self.seconds)
            print(self.name, "stopped", flush=True)

    async def main(seconds):
        workers = [ChildSpec(lambda n=n: Worker(n, seconds), name=n, shutdown=600) for n in ("a", "b")]
        try:
            async with open_supervisor(children=workers):
                print("ready", flush=True)
                await trio.sleep_forever()
        finally:
            print("end of main", flush=True)

    print("result", run(main, float(sys.argv[1])), flush=True)
""")


def talk(seconds: float, *signals: tuple[str, signal.Signals]) -> tuple[list[str], int]:
    """Run the program; when it prints a line, send it the signal that goes with it. Returns its lines and status."""
    command = [sys.executable, "-c", PROGRAM, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ}) as process:
        assert process.stdout is not None
        waiting = list(signals)
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.strip())
            if waiting and lines[-1] == waiting[0][0]:
                process.send_signal(waiting.pop(0)[1])
    return lines, process.returncode


@pytest.mark.otp("AP-09")
@pytest.mark.parametrize("order", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_an_ordered_stop(order: signal.Signals) -> None:
    """In reverse order, with every clean-up; then the code behind the tree; then the program ends normally."""
    lines, status = talk(0, ("ready", order))
    assert lines == ["ready", "b stopping", "b stopped", "a stopping", "a stopped", "end of main", "result None"]
    assert status == 0


def test_a_second_signal_ends_the_clean_up_at_once() -> None:
    """Whoever presses Ctrl-C twice does not want to wait; ``finally`` blocks still run."""
    lines, status = talk(600, ("ready", signal.SIGTERM), ("b stopping", signal.SIGINT))
    assert lines == ["ready", "b stopping", "end of main", "result None"]
    assert status == 0

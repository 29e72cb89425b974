"""Restart types, the limit, and what can be done during a restart: SU-47 to SU-54, SU-64 to SU-66, SU-70 to SU-75."""
# ruff: noqa: ARG001, PT012 - a test has virtual time by naming the clock; what escapes a whole block is the point

from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    AlreadyPresent,
    ChildNotFound,
    ChildRestarting,
    Ref,
    RestartLimitExceeded,
    RestartScheduled,
    Strategy,
    Supervisor,
    SupervisorSpec,
    open_supervisor,
)
from tests.supervisors.otp.actors import (
    ALL_ENDS,
    BAD_ENDS,
    CLEAN_ENDS,
    Boom,
    Diary,
    EventLog,
    Part,
    cast_of,
    crash,
    finish,
)


def counts(supervisor: Supervisor) -> tuple[int, ...]:
    """Specs, active, supervisors, workers."""
    counted: tuple[int, ...] = attrs.astuple(supervisor.count_children())
    return counted


def statuses(supervisor: Supervisor) -> dict[str, str]:
    """Where each child is in its lives, in start order."""
    return {child.name: child.status for child in supervisor.which_children()}


@pytest.mark.otp("SU-47")
@pytest.mark.parametrize("end", ALL_ENDS)
async def test_a_permanent_child_is_restarted_however_it_ends(end: Any) -> None:
    """It is to be there always."""
    async with open_supervisor() as root:
        ref = await root.start_child(Part(Diary(), "a").spec(restart="permanent"))
        await end(ref)
        assert (ref.is_alive, ref.life) == (True, 2)
        assert counts(root) == (1, 1, 0, 1)


@pytest.mark.otp("SU-48")
@pytest.mark.parametrize("end", CLEAN_ENDS)
async def test_a_transient_child_that_ends_cleanly_stays_listed_and_down(end: Any) -> None:
    """Its work is done; it can be asked to begin again."""
    async with open_supervisor() as root:
        ref = await root.start_child(Part(Diary(), "a").spec(restart="transient"))
        await end(ref)
        assert (ref.is_alive, ref.life) == (False, 1)
        assert counts(root) == (1, 0, 0, 1)
        await root.restart_child("a")
        assert (ref.is_alive, ref.life) == (True, 2)


@pytest.mark.otp("SU-49")
@pytest.mark.parametrize("end", BAD_ENDS)
async def test_a_transient_child_that_fails_is_restarted(end: Any) -> None:
    """Its work is not done."""
    async with open_supervisor() as root:
        ref = await root.start_child(Part(Diary(), "a").spec(restart="transient"))
        await end(ref)
        assert (ref.is_alive, ref.life) == (True, 2)
        assert counts(root) == (1, 1, 0, 1)


@pytest.mark.otp("SU-50")
@pytest.mark.parametrize("end", ALL_ENDS)
async def test_a_temporary_child_is_forgotten_however_it_ends(end: Any) -> None:
    """It is nobody's duty to bring it back."""
    async with open_supervisor() as root:
        ref = await root.start_child(Part(Diary(), "a").spec(restart="temporary"))
        await end(ref)
        assert not ref.is_alive
        assert counts(root) == (0, 0, 0, 0)


@pytest.mark.otp("SU-51")
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_a_temporary_bystander_dies_with_its_group_for_good(strategy: Strategy) -> None:
    """It is stopped with the others and forgotten; that does not count against the limit."""
    first, bystander = cast_of(Diary(), "ab")
    async with open_supervisor(strategy=strategy, max_restarts=1) as root:
        ref = await root.start_child(first.spec())
        gone = await root.start_child(bystander.spec(restart="temporary"))
        await crash(ref)
        assert first.diary.entries == ["a starts", "b starts", "a stops", "b stops", "a starts"]
        assert (ref.is_alive, gone.is_alive) == (True, False)
        assert counts(root) == (1, 1, 0, 1)


@pytest.mark.otp("SU-52")
async def test_crashes_far_enough_apart_never_reach_the_limit(autojump_clock: MockClock) -> None:
    """The limit is about a rate: one restart in one second, and a crash every 2.1 seconds."""
    async with open_supervisor(max_restarts=1, max_seconds=1) as root:
        ref = await root.start_child(Part(Diary(), "a").spec())
        for _ in range(4):
            await crash(ref)
            await trio.sleep(2.1)
        assert (ref.is_alive, ref.life) == (True, 5)


@pytest.mark.otp("SU-53")
async def test_one_for_one_leaves_the_sibling_alone_and_falls_over_its_limit() -> None:
    """With a limit of two, the third crash in the window ends the supervisor, the sibling with it."""
    first, second = cast_of(Diary(), "ab")
    with pytest.raises(RestartLimitExceeded, match="root gave up: more than 2 restarts within 5 s"):
        async with open_supervisor(max_restarts=2) as root:
            crasher = await root.start_child(first.spec())
            sibling = await root.start_child(second.spec())
            await crash(crasher)
            assert (crasher.life, sibling.life) == (2, 1)
            await crash(crasher)
            await crash(crasher)
            raise AssertionError("the block is cancelled when the supervisor gives up")
    assert first.diary.entries[-1] == "b stops"


@pytest.mark.otp("SU-54")
async def test_one_for_one_gives_up_on_a_child_that_cannot_come_back() -> None:
    """Restarts that fail count, so the supervisor and the healthy sibling end."""
    log = EventLog()
    broken, sibling = cast_of(Diary(), "ab")
    with pytest.raises(RestartLimitExceeded) as caught:
        async with open_supervisor(max_restarts=4, observers=[log]) as root:
            ref = await root.start_child(broken.spec())
            await root.start_child(sibling.spec())
            broken.failing_starts = 100
            await crash(ref)
            raise AssertionError("the block is cancelled when the supervisor gives up")
    assert broken.diary.take()[2:] == ["a stops", *["a fails"] * 4, "b stops"]
    assert isinstance(caught.value.__cause__, Boom)
    assert len(caught.value.failures.exceptions) == 5


async def open_hanging_loop(root: Supervisor, part: Part) -> None:
    """Bring *part* into a loop of restarts that fail after two seconds each."""
    ref = root.child(part.name)
    assert isinstance(ref, Ref)
    part.start_takes, part.failing_starts = 2, 100
    await crash(ref)


@pytest.mark.otp("SU-64")
async def test_a_child_in_a_restart_loop_can_be_administrated(autojump_clock: MockClock) -> None:
    """Between two failing attempts, and during each, the supervisor answers at once and truthfully."""
    part = Part(Diary(), "a")
    async with open_supervisor(max_restarts=8, max_seconds=10, children=[part.spec()]) as root:
        await open_hanging_loop(root, part)
        for _ in range(3):
            with pytest.raises(AlreadyPresent):
                await root.start_child(part.spec())
            for order in (root.restart_child, root.delete_child):
                with pytest.raises(ChildRestarting):
                    await order("a")
            assert statuses(root) == {"a": "restarting"}
            assert counts(root) == (1, 0, 0, 1)
            await trio.sleep(1.7)
        started = trio.current_time()
        await root.terminate_child("a")
        assert trio.current_time() == started
        assert statuses(root) == {"a": "down"}
        part.failing_starts = part.start_takes = 0
        await root.restart_child("a")
        assert statuses(root) == {"a": "running"}


@pytest.mark.otp("SU-64")
async def test_a_stop_ends_a_restart_loop_at_once(autojump_clock: MockClock) -> None:
    """Whoever stops a tree need not wait for an attempt that will fail."""
    part = Part(Diary(), "a")
    async with open_supervisor(max_restarts=8, max_seconds=10, children=[part.spec()]) as root:
        await open_hanging_loop(root, part)
        await trio.sleep(3)
    assert trio.current_time() == pytest.approx(3)
    assert part.diary.entries == ["a starts", "a stops", "a fails"]


@pytest.mark.otp("SU-65")
async def test_a_restart_loop_in_the_middle_holds_up_the_rest(autojump_clock: MockClock) -> None:
    """Our rule: what waits for the child is listed as restarting too, until a termination ends the wait."""
    parts = cast_of(Diary(), "abc")
    strategy = Strategy.REST_FOR_ONE
    async with open_supervisor(strategy=strategy, max_restarts=8, children=[p.spec() for p in parts]) as root:
        await open_hanging_loop(root, parts[1])
        await trio.sleep(3)
        assert statuses(root) == {"a": "running", "b": "restarting", "c": "restarting"}
        assert counts(root) == (3, 1, 0, 3)
        await root.terminate_child("b")
        await trio.sleep(10)
        assert statuses(root) == {"a": "running", "b": "down", "c": "down"}


@pytest.mark.otp("SU-66")
async def test_a_dynamic_child_in_a_restart_loop_is_terminated_by_its_old_ref(autojump_clock: MockClock) -> None:
    """A ref is an address, so there is no old one: it names the child also between two lives."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        pool = await root.start_supervisor("pool", dynamic=True, max_restarts=8, max_seconds=10)
        ref = await pool.start_child(part.make)
        part.start_takes, part.failing_starts = 2, 100
        await crash(ref)
        await trio.sleep(3)
        assert counts(pool) == (1, 0, 0, 1)
        await pool.terminate_child(ref)
        assert pool.which_children() == ()


@pytest.mark.otp("SU-70")
async def test_exactly_as_many_attempts_are_made_as_the_limit_says() -> None:
    """Three restarts allowed: four starts in all, the first included, and the reaction to the failure is loud."""
    part = Part(Diary(), "a")
    with pytest.raises(RestartLimitExceeded) as caught:
        async with open_supervisor(max_restarts=3, children=[part.spec()]) as root:
            ref = root.child("a")
            assert isinstance(ref, Ref)
            part.failing_starts = 100
            await crash(ref)
            raise AssertionError("the block is cancelled when the supervisor gives up")
    assert part.diary.entries == ["a starts", "a stops", "a fails", "a fails", "a fails"]
    assert (caught.value.path, caught.value.limit, caught.value.window) == ("root", 3, 5.0)


@pytest.mark.otp("SU-71")
async def test_limits_of_nested_supervisors_multiply() -> None:
    """One restart each at two levels: three crashes of the leaf are survived, the fourth reaches the root."""
    leaf = Part(Diary(), "leaf")
    sub = SupervisorSpec("sub", children=(leaf.spec(),), max_restarts=1)
    crashes = 0
    with pytest.raises(RestartLimitExceeded) as caught:
        async with open_supervisor(max_restarts=1, children=[sub]) as root:
            for _ in range(5):
                ref = root.supervisor("sub").child("leaf")
                assert isinstance(ref, Ref)
                crashes += 1
                await crash(ref)
    assert crashes == 4
    assert caught.value.path == "root"
    assert isinstance(caught.value.__cause__, RestartLimitExceeded)
    assert caught.value.__cause__.path == "root/sub"


@pytest.mark.otp("SU-72")
@pytest.mark.parametrize(("restart", "expected"), [("permanent", 2), ("transient", 2), ("temporary", None)])
async def test_a_supervisor_that_gave_up_has_crashed(restart: str, expected: int | None) -> None:
    """D-1: giving up is a crash, so a transient entry is restarted too; the silent loss of a subtree helps nobody."""
    leaf = Part(Diary(), "leaf")
    sub = SupervisorSpec("sub", children=(leaf.spec(),), max_restarts=0, restart=restart)
    async with open_supervisor(children=[sub]) as root:
        ref = root.supervisor("sub").child("leaf")
        assert isinstance(ref, Ref)
        await crash(ref)
        assert [child.life for child in root.which_children()] == ([expected] if expected else [])
        assert leaf.diary.entries.count("leaf starts") == (expected or 1)


@pytest.mark.otp("SU-73")
async def test_one_for_all_brings_back_the_finished_but_not_the_terminated() -> None:
    """D-9: what finished takes part in the fresh start of its group; what an operator took down stays down."""
    parts = cast_of(Diary(), "abc")
    async with open_supervisor(strategy=Strategy.ONE_FOR_ALL) as root:
        crasher = await root.start_child(parts[0].spec())
        finished = await root.start_child(parts[1].spec(restart="transient"))
        await root.start_child(parts[2].spec())
        await finish(finished)
        await root.terminate_child("c")
        await crash(crasher)
        assert statuses(root) == {"a": "running", "b": "running", "c": "down"}
        await root.restart_child("c")
        await crash(crasher)
        assert set(statuses(root).values()) == {"running"}


@pytest.mark.otp("SU-73")
async def test_rest_for_one_leaves_the_terminated_down_on_both_sides() -> None:
    """D-9 again, with the terminated ones before and after the one that crashes, and a second crash."""
    parts = cast_of(Diary(), "abc")
    async with open_supervisor(strategy=Strategy.REST_FOR_ONE, children=[p.spec() for p in parts]) as root:
        crasher = root.child("b")
        assert isinstance(crasher, Ref)
        for name in "ac":
            await root.terminate_child(name)
        for _ in range(2):
            await crash(crasher)
            assert statuses(root) == {"a": "down", "b": "running", "c": "down"}


@pytest.mark.otp("SU-74")
async def test_two_crashes_at_one_moment_are_two_restarts_when_the_later_child_is_first(
    autojump_clock: MockClock,
) -> None:
    """The group of the second child does not contain the first, so the first one's crash is not absorbed."""
    log = EventLog()
    parts = cast_of(Diary(), "abc")
    parts[2].stop_takes = 1
    children = [part.spec() for part in parts]
    with pytest.raises(RestartLimitExceeded):
        async with open_supervisor(
            strategy=Strategy.REST_FOR_ONE, max_restarts=1, children=children, observers=[log]
        ) as root:
            for name in "ba":
                ref = root.child(name)
                assert isinstance(ref, Ref)
                await crash(ref)
            raise AssertionError("the block is cancelled when the supervisor gives up")
    assert len(log.of(RestartScheduled)) == 1


@pytest.mark.otp("SU-75")
async def test_normal_ends_of_a_permanent_child_count_too() -> None:
    """Three ends with a limit of two: a child that keeps finishing is as bad as one that keeps crashing."""
    with pytest.raises(RestartLimitExceeded):
        async with open_supervisor(max_restarts=2) as root:
            ref = await root.start_child(Part(Diary(), "a").spec())
            for life in (1, 2, 3):
                assert ref.life == life
                await finish(ref)
            raise AssertionError("the block is cancelled when the supervisor gives up")


async def test_a_forgotten_child_is_not_found_again() -> None:
    """A ref of a forgotten child must not order a namesake about."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        old = await root.start_child(part.spec(restart="temporary"))
        await finish(old)
        await root.start_child(part.spec())
        with pytest.raises(ChildNotFound):
            await root.terminate_child(old)

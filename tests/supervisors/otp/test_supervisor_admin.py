"""Ordering a supervisor about, and looking at it: SU-25 to SU-46."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import gc
import weakref
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildNotFound,
    ChildRunning,
    ExitKind,
    Ignore,
    Ref,
    Strategy,
    Supervisor,
    SupervisorStopped,
    open_supervisor,
)
from tests.supervisors.otp.actors import (
    ALL_ENDS,
    CLEAN_ENDS,
    Diary,
    Part,
    Worker,
    cast_of,
    crash,
    finish,
    is_dead,
    kill,
    settle,
)


def counts(supervisor: Supervisor) -> tuple[int, ...]:
    """Specs, active, supervisors, workers."""
    counted: tuple[int, ...] = attrs.astuple(supervisor.count_children())
    return counted


def statuses(supervisor: Supervisor) -> dict[str, str]:
    """Where each child is in its lives, in start order."""
    return {child.name: child.status for child in supervisor.which_children()}


@pytest.mark.otp("SU-25")
async def test_starting_a_running_id_again_answers_who_has_it() -> None:
    """The refusal carries the address, so the caller can go on with the child that is there."""
    part = Part(Diary(), "a")
    async with open_supervisor(children=[part.spec()]) as root:
        ref = root.child("a")
        with pytest.raises(AlreadyStarted, match="root/a") as caught:
            await root.start_child(part.spec())
        assert caught.value.ref == ref
        assert counts(root) == (1, 1, 0, 1)


@pytest.mark.otp("SU-26")
async def test_terminating_twice_is_fine_and_an_unknown_id_is_not() -> None:
    """What is asked for is that the child be down; it is."""
    diary = Diary()
    async with open_supervisor(children=[Part(diary, "a").spec()]) as root:
        with pytest.raises(ChildNotFound, match="root/b"):
            await root.terminate_child("b")
        await root.terminate_child("a")
        await root.terminate_child("a")
        assert diary.entries == ["a starts", "a stops"]
        assert statuses(root) == {"a": "down"}


@pytest.mark.otp("SU-27")
async def test_starting_an_id_that_is_down_is_refused() -> None:
    """The id still names the old place: restart it or delete it."""
    part = Part(Diary(), "a")
    async with open_supervisor(children=[part.spec()]) as root:
        await root.terminate_child("a")
        with pytest.raises(AlreadyPresent, match="restart_child or delete_child"):
            await root.start_child(part.spec())


@pytest.mark.otp("SU-28")
async def test_only_a_child_that_is_down_can_be_restarted_by_hand() -> None:
    """It is the same place, so old refs work again."""
    async with open_supervisor(children=[Part(Diary(), "a").spec()]) as root:
        ref = root.child("a")
        assert isinstance(ref, Ref)
        with pytest.raises(ChildRunning):
            await root.restart_child("a")
        with pytest.raises(ChildNotFound):
            await root.restart_child("b")
        await root.terminate_child("a")
        assert await is_dead(ref)
        await root.restart_child("a")
        assert (ref.is_alive, ref.life) == (True, 2)
        assert await ref.call(Worker.ping) == "a"


@pytest.mark.otp("SU-29")
async def test_only_a_child_that_is_down_can_be_deleted() -> None:
    """Deleting forgets the place for good."""
    async with open_supervisor(children=[Part(Diary(), "a").spec()]) as root:
        with pytest.raises(ChildRunning):
            await root.delete_child("a")
        with pytest.raises(ChildNotFound):
            await root.delete_child("b")
        await root.terminate_child("a")
        await root.delete_child("a")
        for order in (root.restart_child, root.delete_child, root.terminate_child):
            with pytest.raises(ChildNotFound):
                await order("a")


@pytest.mark.otp("SU-30")
async def test_orders_to_a_closed_supervisor_are_refused_and_looking_tells_the_truth() -> None:
    """Nobody waits for a supervisor that is gone; that it has no children left is a fact, not an error."""
    part = Part(Diary(), "a")
    async with open_supervisor(children=[part.spec()]) as root:
        pass
    with pytest.raises(SupervisorStopped):
        await root.start_child(part.spec())
    with pytest.raises(SupervisorStopped):
        await root.start_supervisor("s")
    for order in (root.terminate_child, root.restart_child, root.delete_child):
        with pytest.raises(SupervisorStopped):
            await order("a")
    assert counts(root) == (0, 0, 0, 0)
    assert root.tree().status == "down"


@pytest.mark.otp("SU-31")
async def test_a_stranger_is_not_terminated() -> None:
    """A supervisor orders its own children and nobody else's: neither a grandchild nor a child of another tree."""
    diary = Diary()
    async with open_supervisor() as root, open_supervisor("other") as other:
        mine = await root.start_child(Part(diary, "a").spec())
        inner = await root.start_supervisor("inner")
        grandchild = await inner.start_child(Part(diary, "a").spec())
        for stranger in (grandchild, inner):
            with pytest.raises(ChildNotFound):
                await other.terminate_child(stranger)
        with pytest.raises(ChildNotFound):
            await root.terminate_child(grandchild)
        assert mine.is_alive
        assert grandchild.is_alive


@pytest.mark.otp("SU-32")
async def test_a_dynamic_child_is_terminated_by_its_ref_and_then_forgotten() -> None:
    """Our rule: forgotten means not found, for terminate, restart and delete alike (OTP has three answers)."""
    diary = Diary()
    async with open_supervisor(children=[Part(diary, "stranger").spec()]) as root:
        pool = await root.start_supervisor("pool", dynamic=True)
        ref = await pool.start_child(Part(diary, "a").make)
        await pool.terminate_child(ref)
        for order in (pool.terminate_child, pool.restart_child, pool.delete_child):
            with pytest.raises(ChildNotFound):
                await order(ref)
        stranger = root.child("stranger")
        with pytest.raises(ChildNotFound):
            await pool.terminate_child(stranger)
        assert isinstance(stranger, Ref)
        assert stranger.is_alive


@pytest.mark.otp("SU-33")
async def test_counts_are_exact_for_thousands() -> None:
    """Counting must not drift, neither while children come nor after all have been killed."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        pool = await root.start_supervisor("pool", dynamic=True)
        refs: list[Ref[Worker]] = []
        for size in (500, 1000):
            while len(refs) < size:
                refs.append(await pool.start_child(part.make, restart="temporary"))
            assert counts(pool) == (size, size, 0, size) == counts(pool)
        for ref in refs:
            ref.kill()
        await settle()
        assert counts(pool) == (0, 0, 0, 0)


@pytest.mark.otp("SU-34")
async def test_supervisors_are_counted_apart_from_workers() -> None:
    """The same numbers, in the other column."""
    async with open_supervisor() as root:
        pool = await root.start_supervisor("pool", dynamic=True)
        inner = [await pool.start_supervisor(f"s{n}", restart="temporary") for n in range(100)]
        assert counts(pool) == (100, 100, 100, 0)
        for supervisor in inner:
            await pool.terminate_child(supervisor)
        assert counts(pool) == (0, 0, 0, 0)


@pytest.mark.otp("SU-35")
async def test_restarting_children_are_listed_and_not_active(autojump_clock: MockClock) -> None:
    """Active means really alive: a child in a loop of failing restarts is not."""
    part = Part(Diary(), "flaky")
    async with open_supervisor() as root:
        pool = await root.start_supervisor("pool", dynamic=True, max_restarts=1000)
        refs = [await pool.start_child(part.make) for _ in range(3)]
        part.failing_starts, part.start_takes = 20, 0.1
        await crash(refs[0])
        await crash(refs[1])
        await trio.sleep(0.55)
        assert counts(pool) == (3, 1, 0, 3)
        await trio.sleep(5)
        assert counts(pool) == (3, 3, 0, 3)
        for left in (2, 1, 0):
            await pool.terminate_child(refs[left])
            assert counts(pool) == (left, left, 0, left)


@pytest.mark.otp("SU-37", "SU-39")
async def test_what_a_dead_temporary_child_was_made_of_is_let_go() -> None:
    """Nothing of a temporary child may outlive it, or a supervisor of many short-lived ones leaks."""

    class Large:
        def make(self) -> Worker:
            return Worker(Part(Diary(), "a"))

    async with open_supervisor() as root:
        for supervisor in (root, await root.start_supervisor("pool", dynamic=True)):
            larges: list[weakref.ref[Large]] = []
            for end in (kill, finish, crash):
                large = Large()
                larges.append(weakref.ref(large))
                await end(await supervisor.start_child(large.make, restart="temporary"))
                del large
            gc.collect()
            assert [large() for large in larges] == [None, None, None]


@pytest.mark.otp("SU-38")
@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("end", ALL_ENDS)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_an_id_is_free_exactly_when_its_child_is_forgotten(strategy: Strategy, end: Any, restart: str) -> None:
    """Temporary ids are free at once; those of finished ones are kept; restarted ones still run."""
    part = Part(Diary(), "a")
    async with open_supervisor(strategy=strategy) as root:
        await end(await root.start_child(part.spec(restart=restart)))
        if restart == "temporary":
            await root.start_child(part.spec())
            return
        is_kept_down = restart == "transient" and end in CLEAN_ENDS
        with pytest.raises(AlreadyPresent if is_kept_down else AlreadyStarted):
            await root.start_child(part.spec())


@pytest.mark.otp("SU-38")
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_after_a_termination_the_id_is_free_for_temporary_children_only(restart: str) -> None:
    """Terminating keeps the place of what may come back."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        await root.start_child(part.spec(restart=restart))
        await root.terminate_child("a")
        if restart == "temporary":
            await root.start_child(part.spec())
        else:
            with pytest.raises(AlreadyPresent):
                await root.start_child(part.spec())


@pytest.mark.otp("SU-42")
async def test_the_life_of_a_child_under_orders() -> None:
    """Start, count, delete too early, terminate, restart, terminate, delete."""
    async with open_supervisor() as root:
        await root.start_child(Part(Diary(), "a").spec())
        assert counts(root) == (1, 1, 0, 1)
        with pytest.raises(ChildRunning):
            await root.delete_child("a")
        await root.terminate_child("a")
        assert counts(root) == (1, 0, 0, 1)
        await root.restart_child("a")
        assert counts(root) == (1, 1, 0, 1)
        await root.terminate_child("a")
        await root.delete_child("a")
        assert counts(root) == (0, 0, 0, 0)


@pytest.mark.otp("SU-43")
async def test_a_terminated_temporary_child_is_gone() -> None:
    """It would never be started again, so nothing is kept of it."""
    async with open_supervisor() as root:
        ref = await root.start_child(Part(Diary(), "a").spec(restart="temporary"))
        await root.terminate_child("a")
        assert root.which_children() == ()
        for order in (root.restart_child, root.terminate_child):
            with pytest.raises(ChildNotFound):
                await order("a")
        assert await is_dead(ref)
        exit_ = await ref.ended()
        assert exit_.kind is ExitKind.SHUTDOWN


@pytest.mark.otp("SU-44")
async def test_a_permanent_child_that_declines_to_come_back_stays_down(autojump_clock: MockClock) -> None:
    """Declining is final until somebody asks again: it is neither retried nor counted."""
    part = Part(Diary(), "a")
    async with open_supervisor(max_restarts=1) as root:
        ref = await root.start_child(part.spec())
        part.failing_starts, part.start_error = 1, Ignore()
        await crash(ref)
        await trio.sleep(10)
        assert statuses(root) == {"a": "down"}
        assert part.diary.entries == ["a starts", "a stops", "a fails"]
        assert await is_dead(ref)


@pytest.mark.otp("SU-45")
async def test_looking_does_not_wait_for_a_slow_start(autojump_clock: MockClock) -> None:
    """D-3: looking never waits; the child is seen to be starting."""
    slow = Part(Diary(), "slow", start_takes=10)
    async with open_supervisor() as root, trio.open_nursery() as nursery:
        nursery.start_soon(root.start_child, slow.spec())
        await trio.sleep(1)
        assert statuses(root) == {"slow": "starting"}
        assert counts(root) == (1, 0, 0, 1)
        await root.start_child(Part(Diary(), "quick").spec())
        assert trio.current_time() == pytest.approx(1)


@pytest.mark.otp("SU-46")
async def test_one_child_is_looked_up_by_its_id() -> None:
    """The same entry as in the list, or not found."""
    async with open_supervisor(children=[part.spec() for part in cast_of(Diary(), "ab")]) as root:
        assert [root.which_child(name) for name in "ab"] == list(root.which_children())
        with pytest.raises(ChildNotFound):
            root.which_child("c")

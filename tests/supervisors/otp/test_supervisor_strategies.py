"""Who is replaced with whom, and in what order: SU-55 to SU-69."""
# ruff: noqa: ARG001, PT012 - a test has virtual time by naming the clock; what escapes a whole block is the point

import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    ChildNotFound,
    ChildSpec,
    Name,
    Ref,
    RestartLimitExceeded,
    Strategy,
    Supervisor,
    SupervisorSpec,
    open_supervisor,
)
from tests.supervisors.otp.actors import Diary, Part, Worker, cast_of, crash, finish, kill, settle


def ref_of(supervisor: Supervisor, name: str) -> "Ref[Worker]":
    """The address of one worker."""
    ref = supervisor.child(name)
    assert isinstance(ref, Ref)
    return ref


def lives(supervisor: Supervisor) -> list[int]:
    """The number of each child's life, in start order."""
    return [child.life for child in supervisor.which_children()]


@pytest.mark.otp("SU-55")
async def test_one_for_all_replaces_everybody() -> None:
    """Children that make no sense without each other begin anew together; the limit counts groups."""
    parts = cast_of(Diary(), "abc")
    with pytest.raises(RestartLimitExceeded):
        async with open_supervisor(
            strategy=Strategy.ONE_FOR_ALL, max_restarts=2, children=[part.spec() for part in parts]
        ) as root:
            parts[0].diary.take()
            await crash(ref_of(root, "b"))
            assert lives(root) == [2, 2, 2]
            assert parts[0].diary.take() == ["b stops", "c stops", "a stops", "a starts", "b starts", "c starts"]
            await crash(ref_of(root, "a"))
            await crash(ref_of(root, "a"))
            raise AssertionError("the block is cancelled when the supervisor gives up")


@pytest.mark.otp("SU-56")
async def test_one_for_all_gives_up_when_a_sibling_cannot_come_back() -> None:
    """The sibling's failing starts count, and all end."""
    parts = cast_of(Diary(), "ab")
    with pytest.raises(RestartLimitExceeded):
        async with open_supervisor(strategy="one_for_all", max_restarts=4, children=[p.spec() for p in parts]) as root:
            parts[1].failing_starts = 100
            await crash(ref_of(root, "a"))
            raise AssertionError("the block is cancelled when the supervisor gives up")
    assert parts[0].diary.entries.count("b fails") == 4
    assert parts[0].diary.entries.count("a starts") == 1 + 4
    assert parts[0].diary.entries[-1] == "a stops"


@pytest.mark.otp("SU-57")
async def test_one_for_all_starts_over_when_a_sibling_fails_to_restart() -> None:
    """The first one's new life is stopped again: all begin together or not at all."""
    parts = cast_of(Diary(), "ab")
    async with open_supervisor(strategy="one_for_all", max_restarts=4, children=[p.spec() for p in parts]) as root:
        parts[0].diary.take()
        parts[1].failing_starts = 1
        await crash(ref_of(root, "a"))
        assert parts[0].diary.take() == [
            "a stops", "b stops", "a starts", "b fails", "a stops", "a starts", "b starts",
        ]  # fmt: skip


@pytest.mark.otp("SU-58")
async def test_rest_for_one_replaces_what_was_started_later() -> None:
    """Later children may have relied on the one that crashed; earlier ones cannot have."""
    parts = cast_of(Diary(), "abc")
    async with open_supervisor(strategy="rest_for_one", children=[part.spec() for part in parts]) as root:
        parts[0].diary.take()
        await crash(ref_of(root, "b"))
        assert lives(root) == [1, 2, 2]
        assert parts[0].diary.take() == ["b stops", "c stops", "b starts", "c starts"]


@pytest.mark.otp("SU-59")
async def test_rest_for_one_gives_up_when_the_child_cannot_come_back() -> None:
    """As every strategy does."""
    parts = cast_of(Diary(), "abc")
    with pytest.raises(RestartLimitExceeded):
        async with open_supervisor(strategy="rest_for_one", max_restarts=4, children=[p.spec() for p in parts]) as root:
            parts[1].failing_starts = 100
            await crash(ref_of(root, "b"))
            raise AssertionError("the block is cancelled when the supervisor gives up")
    assert parts[0].diary.entries.count("b fails") == 4
    assert parts[0].diary.entries[-1] == "a stops"


@pytest.mark.otp("SU-60")
async def test_rest_for_one_goes_on_from_the_child_that_failed_to_restart() -> None:
    """What has come back before it is not restarted again."""
    parts = cast_of(Diary(), "ab")
    async with open_supervisor(strategy="rest_for_one", max_restarts=4, children=[p.spec() for p in parts]) as root:
        parts[0].diary.take()
        parts[1].failing_starts = 1
        await crash(ref_of(root, "a"))
        assert parts[0].diary.take() == ["a stops", "b stops", "a starts", "b fails", "b starts"]


@pytest.mark.otp("SU-61")
async def test_a_dynamic_supervisor_restarts_one_for_one() -> None:
    """The sibling is untouched; the third crash with a limit of two ends the dynamic supervisor."""
    parts = cast_of(Diary(), "ab")
    async with open_supervisor() as root:
        pool = await root.start_supervisor("pool", dynamic=True, max_restarts=2, restart="temporary")
        crasher, sibling = [await pool.start_child(part.make) for part in parts]
        await crash(crasher)
        assert (crasher.life, sibling.life, sibling.is_alive) == (2, 1, True)
        await crash(crasher)
        await crash(crasher)
        assert root.which_children() == ()
        assert not sibling.is_alive


@pytest.mark.otp("SU-62")
async def test_a_dynamic_supervisor_gives_up_on_a_child_that_cannot_come_back() -> None:
    """And takes the others with it."""
    parts = cast_of(Diary(), "ab")
    async with open_supervisor() as root:
        pool = await root.start_supervisor("pool", dynamic=True, max_restarts=2, restart="temporary")
        refs = [await pool.start_child(part.make) for part in parts]
        parts[0].failing_starts = 100
        await crash(refs[0])
        assert [ref.is_alive for ref in refs] == [False, False]
        assert root.which_children() == ()


@pytest.mark.otp("SU-63")
async def test_what_a_child_was_started_with_is_there_again_after_a_crash() -> None:
    """The factory closes over it."""
    async with open_supervisor() as root:
        pool = await root.start_supervisor("pool", dynamic=True)
        ref = await pool.start_child(Part(Diary(), "extra").make)
        await crash(ref)
        assert await ref.call(Worker.ping) == "extra"


@pytest.mark.otp("SU-67")
async def test_start_order_is_list_order_and_stop_order_its_exact_reverse() -> None:
    """Ids mean nothing for the order."""
    diary = Diary()
    names = ["m", "a", "z", "k", "b"]
    async with open_supervisor(strategy="rest_for_one", children=[Part(diary, n).spec() for n in names]) as root:
        assert diary.take() == [f"{n} starts" for n in names]
        await crash(ref_of(root, "z"))
        assert diary.take() == ["z stops", "b stops", "k stops", "z starts", "k starts", "b starts"]
    assert diary.take() == [f"{n} stops" for n in reversed(names)]


@pytest.mark.otp("SU-68")
async def test_a_restarted_tree_has_its_declared_children_and_not_the_added_ones() -> None:
    """A leaf's crash is its supervisor's business; when that fails the whole group begins anew, as declared."""
    diary = Diary()
    leaves = cast_of(diary, "abc")
    added = Part(diary, "added")
    tree = [SupervisorSpec(f"sup-{leaf.name}", children=(leaf.spec(),), max_restarts=1) for leaf in leaves]
    async with open_supervisor(strategy="one_for_all", children=tree) as root:
        await root.supervisor("sup-b").start_child(added.spec())
        diary.take()
        await crash(ref_of(root.supervisor("sup-a"), "a"))
        assert diary.take() == ["a stops", "a starts"]
        leaves[0].failing_starts = 1
        await crash(ref_of(root.supervisor("sup-a"), "a"))
        assert diary.take() == [
            "a stops", "c stops", "added stops", "b stops", "a fails", "a starts", "b starts", "c starts",
        ]  # fmt: skip
        assert [child.name for child in root.supervisor("sup-b").which_children()] == ["b"]


MIDDLE = Name("worker", Worker)


@pytest.mark.otp("SU-69")
async def test_names_follow_the_lives_and_go_with_the_supervisor() -> None:
    """Killed, crashed, finished or restarted by hand: the name finds the living one; with its supervisor it goes."""
    part = Part(Diary(), "worker")
    async with open_supervisor() as root:
        middle = await root.start_supervisor("middle", restart="temporary")
        ref = await middle.start_child(part.make, name=MIDDLE, restart="transient")
        for end in (kill, crash):
            await end(ref)
            assert root.whereis(MIDDLE) == ref
            assert await root.whereis(MIDDLE).call(Worker.ping) == "worker"
        await finish(ref)
        await middle.restart_child(MIDDLE)
        assert await root.whereis(MIDDLE).call(Worker.ping) == "worker"
        assert ref.life == 4
        await root.terminate_child(middle)
        with pytest.raises(ChildNotFound):
            root.whereis(MIDDLE)


@pytest.mark.otp("SU-69")
async def test_a_name_finds_the_child_of_the_restarted_supervisor() -> None:
    """When the supervisor in the middle begins anew, its named children are found again by whoever holds the name."""
    part = Part(Diary(), "worker")
    middle = SupervisorSpec("middle", children=[ChildSpec(part.make, name=MIDDLE)], max_restarts=0)
    async with open_supervisor(children=[middle]) as root:
        before = root.whereis(MIDDLE)
        await crash(before)
        assert root.which_child("middle").life == 2
        assert root.whereis(MIDDLE) == before
        assert await before.call(Worker.ping) == "worker"


async def test_a_crash_during_a_group_restart_is_absorbed_or_starts_over(autojump_clock: MockClock) -> None:
    """A sibling that is to be replaced may crash while it waits for that: one restart in all."""
    parts = cast_of(Diary(), "abc")
    parts[2].stop_takes = 1
    async with open_supervisor(strategy="one_for_all", max_restarts=1, children=[p.spec() for p in parts]) as root:
        ref_of(root, "a").cast_nowait(Worker.crash)
        ref_of(root, "b").cast_nowait(Worker.crash)
        ref_of(root, "c").cast_nowait(Worker.crash)
        await settle()
        await trio.sleep(2)
        assert lives(root) == [2, 2, 2]

"""Significant children and automatic shutdown: SU-90 to SU-99."""

from collections.abc import Callable
from typing import Any

import pytest

from supervisors import AutoShutdown, ChildSpec, ExitKind, Ref, Strategy, Supervisor, SupervisorSpec, open_supervisor
from tests.supervisors.otp.actors import Diary, Part, Worker, cast_of, crash, finish, kill, settle

ANY = AutoShutdown.ANY_SIGNIFICANT
ALL = AutoShutdown.ALL_SIGNIFICANT


async def terminate(ref: Ref[Any], supervisor: Supervisor) -> None:
    """End a child by its supervisor's order."""
    await supervisor.terminate_child(ref)
    await settle()


def by_itself(end: Callable[[Ref[Any]], Any]) -> Callable[[Ref[Any], Supervisor], Any]:
    """Give an end of a child's own the shape of :func:`terminate`."""

    async def ending(ref: Ref[Any], _: Supervisor) -> None:
        await end(ref)

    ending.__name__ = end.__name__
    return ending


KILL, CRASH, FINISH = by_itself(kill), by_itself(crash), by_itself(finish)


def ref_of(supervisor: Supervisor, name: str) -> "Ref[Worker]":
    """The address of one worker."""
    ref = supervisor.child(name)
    assert isinstance(ref, Ref)
    return ref


async def start_team(root: Supervisor, mode: AutoShutdown, *children: ChildSpec[Any], **options: Any) -> Supervisor:
    """A supervisor that leaves its place in the list of *root* when it stops by itself."""
    return await root.start_supervisor("team", auto_shutdown=mode, children=children, restart="transient", **options)


def is_up(root: Supervisor) -> bool:
    """Whether the team still runs."""
    return root.which_child("team").status == "running"


@pytest.mark.otp("SU-90")
@pytest.mark.parametrize("mode", list(AutoShutdown))
@pytest.mark.parametrize("restart", ["temporary", "transient"])
@pytest.mark.parametrize("end", [terminate, KILL, CRASH, FINISH])
async def test_an_insignificant_child_never_stops_its_supervisor(mode: AutoShutdown, restart: str, end: Any) -> None:
    """Significance is asked for, never implied."""
    async with open_supervisor() as root:
        team = await start_team(root, mode, *[part.spec(restart=restart) for part in cast_of(Diary(), "ab")])
        await end(ref_of(team, "a"), team)
        assert is_up(root)
        assert ref_of(team, "b").is_alive


@pytest.mark.otp("SU-91")
@pytest.mark.parametrize(("end", "stops"), [(terminate, False), (KILL, True), (CRASH, True), (FINISH, True)])
async def test_a_significant_temporary_child_stops_all_by_any_end_of_its_own(*, end: Any, stops: bool) -> None:
    """It never comes back, so whatever ended it, its supervisor has lost its purpose; an order is no such end."""
    first, second = cast_of(Diary(), "ab")
    async with open_supervisor() as root:
        team = await start_team(root, ANY, first.spec(restart="temporary", significant=True), second.spec())
        await end(ref_of(team, "a"), team)
        assert is_up(root) is not stops
        assert (first.diary.entries[-1] == "b stops") is stops


@pytest.mark.otp("SU-92")
@pytest.mark.parametrize("end", [KILL, CRASH, FINISH])
async def test_all_significant_waits_for_the_last_temporary_child(end: Any) -> None:
    """The first end is not enough."""
    async with open_supervisor() as root:
        children = [part.spec(restart="temporary", significant=True) for part in cast_of(Diary(), "ab")]
        team = await start_team(root, ALL, *children)
        refs = [ref_of(team, name) for name in "ab"]
        await end(refs[0], team)
        assert is_up(root)
        await end(refs[1], team)
        assert not is_up(root)


@pytest.mark.otp("SU-93")
@pytest.mark.parametrize(("end", "life"), [(terminate, 1), (KILL, 2), (CRASH, 2), (FINISH, None)])
async def test_a_significant_transient_child_stops_all_when_its_work_is_done(end: Any, life: int | None) -> None:
    """A failure is a restart, and so no end; an order of the operator is none either."""
    first, second = cast_of(Diary(), "ab")
    async with open_supervisor() as root:
        team = await start_team(root, ANY, first.spec(restart="transient", significant=True), second.spec())
        ref = ref_of(team, "a")
        await end(ref, team)
        assert is_up(root) is (life is not None)
        assert ref.life == (life or 1)


@pytest.mark.otp("SU-94")
async def test_all_significant_waits_for_the_last_transient_child() -> None:
    """A crash between the two ends delays it, as it should: that child's work is not done."""
    async with open_supervisor() as root:
        children = [part.spec(restart="transient", significant=True) for part in cast_of(Diary(), "ab")]
        team = await start_team(root, ALL, *children)
        refs = [ref_of(team, name) for name in "ab"]
        await finish(refs[0])
        assert is_up(root)
        await crash(refs[1])
        assert is_up(root)
        await finish(refs[1])
        assert not is_up(root)


@pytest.mark.otp("SU-95")
@pytest.mark.parametrize("mode", [ANY, ALL])
async def test_a_dynamic_supervisor_knows_no_significance(mode: AutoShutdown) -> None:
    """OTP 27's rule: refused at the door, the flag and the significant child alike."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        with pytest.raises(ValueError, match="auto_shutdown 'never'"):
            await root.start_supervisor("pool", dynamic=True, auto_shutdown=mode)
        pool = await root.start_supervisor("pool", dynamic=True)
        with pytest.raises(ValueError, match="significant child"):
            await pool.start_child(part.spec(restart="temporary", significant=True))
        assert part.diary.entries == []


@pytest.mark.otp("SU-96")
@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("mode", [ANY, ALL])
async def test_significant_bystanders_of_a_group_restart_stop_nothing(strategy: Strategy, mode: AutoShutdown) -> None:
    """They are stopped or replaced because of somebody else: no end of their own."""
    crasher, transient, temporary = cast_of(Diary(), "abc")
    async with open_supervisor() as root:
        team = await start_team(
            root,
            mode,
            crasher.spec(),
            transient.spec(restart="transient", significant=True),
            temporary.spec(restart="temporary", significant=True),
            strategy=strategy,
        )
        await kill(ref_of(team, "a"))
        assert is_up(root)
        is_alone = strategy is Strategy.ONE_FOR_ONE
        assert [child.name for child in team.which_children()] == (["a", "b", "c"] if is_alone else ["a", "b"])


@pytest.mark.otp("SU-97")
@pytest.mark.parametrize("significant", [True, False])
async def test_an_automatic_shutdown_goes_up_through_significant_supervisors_only(*, significant: bool) -> None:
    """The leaf ends, its supervisor stops; the one above follows only if that was significant to it."""
    leaf = Part(Diary(), "leaf").spec(restart="temporary", significant=True)
    inner = SupervisorSpec("inner", auto_shutdown=ANY, children=[leaf], restart="transient", significant=significant)
    async with open_supervisor() as root:
        team = await root.start_supervisor("team", auto_shutdown=ANY, children=[inner], restart="transient")
        await finish(ref_of(team.supervisor("inner"), "leaf"))
        assert is_up(root) is not significant
        assert root.which_child("team").children[0].status == "down"


@pytest.mark.otp("SU-99")
@pytest.mark.parametrize(
    ("restart", "expected"), [("permanent", ("running", 2)), ("transient", ("down", 1)), ("temporary", None)]
)
async def test_an_automatic_shutdown_is_a_clean_end_for_the_parent(
    restart: str, expected: tuple[str, int] | None
) -> None:
    """It is looked up in the same table as any other."""
    leaf = Part(Diary(), "leaf").spec(restart="temporary", significant=True)
    async with open_supervisor() as root:
        team = await root.start_supervisor("team", auto_shutdown=ANY, children=[leaf], restart=restart)
        await finish(ref_of(team, "leaf"))
        seen = [(child.status, child.life, child.exit) for child in root.which_children()]
        assert [(status, life) for status, life, _ in seen] == ([expected] if expected else [])
        assert all(exit_ is not None and exit_.kind is ExitKind.SHUTDOWN for *_, exit_ in seen)


@pytest.mark.otp("SU-97")
async def test_an_automatic_shutdown_of_the_root_ends_its_block() -> None:
    """The block is left as by ``root.stop()``: no error, everything stopped in order."""
    first, second = cast_of(Diary(), "ab")
    children = [first.spec(), second.spec(restart="transient", significant=True)]
    async with open_supervisor(auto_shutdown=ANY, children=children) as root:
        await finish(ref_of(root, "b"))
        raise AssertionError("the block is cancelled by the shutdown")
    assert first.diary.entries == ["a starts", "b starts", "b stops", "a stops"]
